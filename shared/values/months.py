"""Calendar months counted from a day; a month that lacks that day uses its last day."""

from calendar import monthrange
from datetime import date


def after(day: date, months: int) -> date:
    """The day so many months later: one month after 31 January is 28 February, two months after it 31 March."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
