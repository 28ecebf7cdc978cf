"""Turns what was read into the figures of the alerts. Ages are whole seconds, never below zero."""

from datetime import datetime, timedelta

ACCESS_KEY_LIFE = timedelta(days=120)  # a new version is made each quarter; this long after the last, one is missing
MICRO_PER_USDT = 10**6
WEI_PER_MILLI = 10**15


def age_seconds(since: datetime | None, now: datetime) -> int:
    """The age in seconds; 0 if `since` is None."""
    return max(0, int((now - since).total_seconds())) if since else 0


def days_left(created_at: datetime | None, now: datetime) -> int:
    """The days for which the newest signing key of access tokens may still be used; negative if it is overdue, or
    missing.
    """
    return (created_at + ACCESS_KEY_LIFE - now).days if created_at else -1


def whole_usdt(micro: int) -> int:
    """Whole USDT, rounded down, so that an alert on a minimum is never late."""
    return micro // MICRO_PER_USDT


def milli_coins(wei: int) -> int:
    """Thousandths of the chain's own coin, rounded down."""
    return wei // WEI_PER_MILLI
