"""When members are warned, and what a month's bonus is. Pure."""

from datetime import UTC, datetime, time, timedelta

PORTION = 1_000  # lots or affiliates in a transaction
DAYS_BEFORE = (30, 7)
SETTLED_AFTER = timedelta(minutes=5)  # moves of before the end of a month are committed by then


def told_before(now: datetime) -> tuple[datetime, datetime]:
    """Lots that end before the first moment are told of, those before the second one for the second time: they end on
    the day that is so many days from today, or sooner.
    """
    today = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    first, second = (today + timedelta(days=days + 1) for days in DAYS_BEFORE)
    return first, second
