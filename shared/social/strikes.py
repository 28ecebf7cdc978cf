"""Strikes, which double the cooldown of a member, and fade one after another. Pure."""

from datetime import datetime, timedelta

STRIKES_MAX = 16  # far above the longest cooldown
STRIKE_FADES = timedelta(seconds=30)


def left(strikes: int, struck_at: datetime | None, now: datetime) -> int:
    """The strikes that have not faded yet."""
    if struck_at is None:
        return 0
    return max(0, strikes - (now - struck_at) // STRIKE_FADES)


def one_more(strikes: int, struck_at: datetime | None, now: datetime) -> int:
    """The strikes after another one."""
    return min(left(strikes, struck_at, now) + 1, STRIKES_MAX)
