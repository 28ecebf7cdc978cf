"""Weeks of affiliates: each ends on a Sunday with its first instant, 00:00 UTC, and is named by that day."""

from datetime import UTC, date, datetime, timedelta

from shared.values.problems import NotFound


def last_sunday(now: datetime) -> date:
    """The Sunday that began last: today, or a day before."""
    today = now.astimezone(UTC).date()
    return today - timedelta(days=today.isoweekday() % 7)


def next_sunday(now: datetime) -> date:
    """The first Sunday after today, on which the present week ends."""
    return last_sunday(now) + timedelta(days=7)


def named(text: str) -> date:
    """The day that a path names, YYYY-MM-DD. Raises NotFound for anything else."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise NotFound from None
    if day.isoformat() != text:  # Python reads 20261122 and 2026-W47-7 as well
        raise NotFound
    return day
