"""The range of days that another one is compared with. Pure."""

from datetime import date

from shared.reports.filters import Compare
from shared.values.periods import days_before, year_before


def compared(how: Compare, first_day: date, last_day: date) -> tuple[date, date]:
    """The first and last day of as many days before, or of the same days of the year before."""
    return year_before(first_day, last_day) if how == "year" else days_before(first_day, last_day)
