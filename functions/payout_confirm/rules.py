"""When is a transaction final? Pure."""

from dataclasses import dataclass

DEPTH_MIN = 10


@dataclass(frozen=True)
class Sighting:
    """Where a transaction was seen, and how far the chain has come since."""

    block_number: int
    latest: int
    finalized: int


def is_final(seen: Sighting) -> bool:
    """At or below the finalized block and at least ten blocks deep; either alone is not enough."""
    return seen.block_number <= seen.finalized and seen.latest - seen.block_number >= DEPTH_MIN
