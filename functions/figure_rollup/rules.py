"""Percentages, growth, and what a month comes to at its pace. Pure."""

from calendar import monthrange
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from typing import Literal

from shared.values.money import Usdt

TENTH = Decimal("0.1")
TENTHS = 1_000  # of a percent, in the whole
WARNING_FROM, OVER_FROM = Decimal(90), Decimal(100)

BudgetStatus = Literal["on_track", "warning", "over_budget"]


def shares(parts: Sequence[int]) -> list[Decimal | None]:
    """The share of each part in percent with one decimal; together they are 100 (largest remainder, then position).
    None for each if there is nothing to share. No part is negative.
    """
    total = sum(parts)
    if total == 0:
        return [None] * len(parts)
    floors = [divmod(part * TENTHS, total) for part in parts]
    left = TENTHS - sum(floor for floor, _ in floors)
    first = sorted(range(len(parts)), key=lambda position: (-floors[position][1], position))[:left]
    return [(floor + (position in first)) * TENTH for position, (floor, _) in enumerate(floors)]


def percent(part: int, whole: int) -> Decimal | None:
    """The part in percent of the whole, with one decimal; None if the whole is not positive."""
    if whole <= 0:
        return None
    return (Decimal(part * 100) / whole).quantize(TENTH, ROUND_HALF_EVEN)


def percent_at_least(part: int, whole: int) -> Decimal | None:
    """The percentage, rounded down, so that only all of it is 100; None of nothing."""
    return (Decimal(part * 100) / whole).quantize(TENTH, ROUND_DOWN) if whole > 0 else None


def growth(recent: int, before: int) -> Decimal | None:
    """By how many percent there are more than before; None without a before."""
    return percent(recent - before, before)


def budget_status(utilization: Decimal | None) -> BudgetStatus | None:
    """How a month's promises stand beside what sales gave the pool."""
    if utilization is None:
        return None
    if utilization > OVER_FROM:
        return "over_budget"
    return "warning" if utilization > WARNING_FROM else "on_track"


def projected(spent: Usdt, now: datetime) -> Usdt:
    """The sum that the month comes to if it goes on as up to now, rounded down to the micro-USDT."""
    start = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    whole = timedelta(days=monthrange(start.year, start.month)[1])
    passed = max(now - start, timedelta(hours=1))  # the first minutes say nothing about a month
    return Usdt(spent.micro * (whole // timedelta(microseconds=1)) // (passed // timedelta(microseconds=1)))


def months_up_to(today: date, count: int) -> list[date]:
    """The first days of so many months, the present one last."""
    last = today.year * 12 + today.month - 1
    return [date(month // 12, month % 12 + 1, 1) for month in range(last - count + 1, last + 1)]
