"""When is a transaction final, and when have the nodes disagreed for too long? Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

DEPTH_MIN = 10
LAG_SECONDS_MAX = 60  # of the finalized block behind the head: milestones have stalled, nothing more is called final
DISPUTE_MAX = timedelta(minutes=15)


@dataclass(frozen=True)
class Sighting:
    """Where a transaction was seen, and how far the chain has come since."""

    block_number: int
    latest: int
    finalized: int
    lag_seconds: int


def is_final(seen: Sighting) -> bool:
    """At or below the finalized block, which follows the head, and at least ten blocks deep; no less is enough."""
    return (
        seen.block_number <= seen.finalized
        and seen.latest - seen.block_number >= DEPTH_MIN
        and seen.lag_seconds <= LAG_SECONDS_MAX
    )


def is_over(disputed_since: datetime, now: datetime) -> bool:
    """Nodes that disagree for so long will not agree by themselves."""
    return now - disputed_since >= DISPUTE_MAX
