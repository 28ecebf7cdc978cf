"""When the volume is judged, which step it has reached, and for how many days in a row the last one."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from shared.values.programs import STEPS, Program

JUDGED_WITHIN = timedelta(hours=1)


@dataclass(frozen=True)
class Days:
    """The days in a row on which the closing volume was reached, up to the day `full_on`."""

    full_on: date | None
    full_days: int


def is_fresh(as_of: datetime, now: datetime) -> bool:
    """True if the volume is not older than an hour."""
    return now - as_of <= JUDGED_WITHIN


def step(volume: int, closing: int) -> int:
    """How many twentieths of the closing volume are reached; more than 20 if it is exceeded."""
    return STEPS * volume // closing


def days(found: Program, step: int, today: date) -> Days:
    """The days in a row after a look of today. A look below the closing volume ends them, as does a day without one."""
    if step < STEPS:
        return Days(None, 0)
    if found.full_on == today:
        return Days(today, found.full_days)
    follows = found.full_on == today - timedelta(days=1)
    return Days(today, found.full_days + 1 if follows else 1)
