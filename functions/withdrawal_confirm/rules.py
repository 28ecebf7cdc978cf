"""How much of the chain stays as it is, and when has a withdrawal been offered for long enough? Pure."""

from datetime import datetime, timedelta

DEPTH_MIN = 10
LAG_SECONDS_MAX = 60  # of the finalized block behind the head: milestones have stalled, nothing more is called final
SENT_FOR = timedelta(hours=24)  # what no block has taken by then is not sent any more


def final_block(latest: int, finalized: int, lag_seconds: int) -> int:
    """The newest block that is finalized and ten deep; -1 for none, also while milestones have stalled."""
    return min(finalized, latest - DEPTH_MIN) if lag_seconds <= LAG_SECONDS_MAX else -1


def has_lapsed(signed_at: datetime, now: datetime) -> bool:
    """It has been offered to the nodes for long enough."""
    return now - signed_at >= SENT_FOR
