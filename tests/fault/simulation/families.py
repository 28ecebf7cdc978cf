"""All families: the faults of docs/rules.md (F1 to F40); each draws its plan from the seed's own chance."""

from collections.abc import Mapping

from tests.fault.simulation import outside, past, promises, strangers, token_faults
from tests.fault.simulation.family import FAMILIES, Family

__all__ = ["FAMILIES", "Family", "named", "outside", "past", "promises", "strangers", "token_faults"]


def named(names: str) -> Mapping[str, Family]:
    """The families that are named, separated by commas; all when no name is given."""
    return {name: FAMILIES[name] for name in names.split(",")} if names else FAMILIES
