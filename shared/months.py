"""Calendar months, counted from one day: the month's last day where it has no such day."""

from calendar import monthrange
from datetime import date


def after(day: date, months: int) -> date:
    """So many months later: 31 January and one month is 28 February, and two months 31 March."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
