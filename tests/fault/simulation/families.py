"""All families: the faults of the design (F1 to F38); each draws its plan from the seed's own chance."""

from collections.abc import Mapping

from tests.fault.simulation import outside, promises
from tests.fault.simulation.family import FAMILIES, Family

__all__ = ["FAMILIES", "Family", "named", "outside", "promises"]


def named(names: str) -> Mapping[str, Family]:
    """Those named, separated by commas; all when nothing is said."""
    return {name: FAMILIES[name] for name in names.split(",")} if names else FAMILIES
