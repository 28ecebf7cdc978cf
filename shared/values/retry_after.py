"""When something that is limited may be tried again."""

from datetime import datetime, timedelta

HOUR = timedelta(hours=1)


def until_next_hour(now: datetime) -> dict[str, str]:
    """The Retry-After header for what is counted in clock hours."""
    return until(hour_of(now) + HOUR, now)


def until(moment: datetime, now: datetime) -> dict[str, str]:
    """A Retry-After header in whole seconds, rounded up, at least one."""
    return {"Retry-After": str(max(1, int((moment - now).total_seconds()) + 1))}


def hour_of(now: datetime) -> datetime:
    """The start of the clock hour."""
    return now.replace(minute=0, second=0, microsecond=0)
