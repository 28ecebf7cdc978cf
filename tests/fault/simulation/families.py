"""All families: the faults of docs/rules.md (F1 to F40); each draws its plan from the seed's own chance."""

from collections.abc import Mapping

from tests.fault.simulation import infrastructure_faults, people_faults, pruned_nodes, stolen_keys, token_faults
from tests.fault.simulation.family import FAMILIES, Family

__all__ = [
    "FAMILIES",
    "Family",
    "infrastructure_faults",
    "named",
    "people_faults",
    "pruned_nodes",
    "stolen_keys",
    "token_faults",
]


def named(names: str) -> Mapping[str, Family]:
    """The families that are named, separated by commas; all when no name is given."""
    return {name: FAMILIES[name] for name in names.split(",")} if names else FAMILIES
