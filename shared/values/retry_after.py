"""When something that is limited may be tried again."""

from datetime import datetime, timedelta

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ASKED_SECONDS_DEFAULT = 30
ASKED_SECONDS_MAX = 3600
MISCONFIGURED_SECONDS = 300  # until a person has corrected a key or a certificate of ours


def until_next_hour(now: datetime) -> dict[str, str]:
    """The Retry-After header for what is counted in clock hours."""
    return until(hour_of(now) + HOUR, now)


def until(moment: datetime, now: datetime) -> dict[str, str]:
    """A Retry-After header in whole seconds, rounded up, at least one."""
    return {"Retry-After": str(max(1, int((moment - now).total_seconds()) + 1))}


def hour_of(now: datetime) -> datetime:
    """The start of the clock hour."""
    return now.replace(minute=0, second=0, microsecond=0)


def asked(header: str) -> int:
    """The seconds for which a vendor's Retry-After asks, within bounds. A date instead of seconds gets the default."""
    if not (header.isascii() and header.isdigit()):
        return ASKED_SECONDS_DEFAULT
    return max(1, min(int(header[:9]), ASKED_SECONDS_MAX))
