"""From what was seen to the figures that alerts look at. Ages are whole seconds, never below zero."""

from datetime import datetime, timedelta

ACCESS_KEY_LIFE = timedelta(days=120)  # a new version is made each quarter; a month later somebody must ask why not
MICRO_PER_USDT = 10**6
WEI_PER_MILLI = 10**15


def age_seconds(since: datetime | None, now: datetime) -> int:
    """Zero when there is nothing that could be old."""
    return max(0, int((now - since).total_seconds())) if since else 0


def days_left(created_at: datetime | None, now: datetime) -> int:
    """Of the newest key that access tokens are signed with; below zero when it is overdue, or when there is none."""
    return (created_at + ACCESS_KEY_LIFE - now).days if created_at else -1


def whole_usdt(micro: int) -> int:
    """Rounded down: an alert on a minimum must not come late."""
    return micro // MICRO_PER_USDT


def milli_coins(wei: int) -> int:
    """Thousandths of the chain's own coin, rounded down."""
    return wei // WEI_PER_MILLI
