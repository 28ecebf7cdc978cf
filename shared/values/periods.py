"""Days, weeks and months of UTC, and the buckets that they divide a range of days into. Pure.

A week begins on Sunday, as those of affiliates do.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from shared.values import months

ONE_DAY = timedelta(days=1)
ONE_WEEK = timedelta(weeks=1)


class Interval(StrEnum):
    """How long a bucket is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True)
class Bucket:
    """The days of a period that are in a range, from the first to the last, both included. `starts_on` is the first
    day of the whole period; the bucket `is_whole` if no day of the period is left out.
    """

    starts_on: date
    first_day: date
    last_day: date
    is_whole: bool


def start_of(interval: Interval, day: date) -> date:
    """The first day of the period that a day is in."""
    if interval is Interval.MONTH:
        return day.replace(day=1)
    return day - ONE_DAY * (day.isoweekday() % 7) if interval is Interval.WEEK else day


def start_after(interval: Interval, start: date) -> date:
    """The first day of the next period, from the first day of one."""
    if interval is Interval.MONTH:
        return months.after(start, 1)
    return start + (ONE_WEEK if interval is Interval.WEEK else ONE_DAY)


def buckets(interval: Interval, first_day: date, last_day: date) -> list[Bucket]:
    """The buckets of a range of days, both ends included; its ends may cut the first and the last one."""
    made, start = [], start_of(interval, first_day)
    while start <= last_day:
        after = start_after(interval, start)
        first, last = max(start, first_day), min(after - ONE_DAY, last_day)
        made.append(Bucket(start, first, last, is_whole=(first, last) == (start, after - ONE_DAY)))
        start = after
    return made


def days_before(first_day: date, last_day: date) -> tuple[date, date]:
    """The range of as many days that ends on the day before."""
    return first_day - (last_day - first_day) - ONE_DAY, first_day - ONE_DAY


def year_before(first_day: date, last_day: date) -> tuple[date, date]:
    """The same days of the year before; that of 29 February is 28 February."""
    return months.after(first_day, -12), months.after(last_day, -12)
