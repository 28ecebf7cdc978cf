"""When nodes have disagreed for too long. Pure."""

from datetime import datetime, timedelta

DISPUTE_MAX = timedelta(minutes=15)


def is_over(disputed_since: datetime, now: datetime) -> bool:
    """Whether nodes have disagreed for so long that a person has to decide."""
    return now - disputed_since >= DISPUTE_MAX
