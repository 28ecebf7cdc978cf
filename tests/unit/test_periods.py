"""Buckets of days, weeks and months: leap days, ends of years, and days on which clocks are changed."""

from datetime import date

import pytest

from shared.values import periods
from shared.values.periods import Interval


@pytest.mark.parametrize(
    ("interval", "days", "buckets"),
    [
        ("month", "2024-02-01 2024-02-29", ["2024-02-01 2024-02-29 whole"]),
        ("month", "2024-02-01 2024-02-28", ["2024-02-01 2024-02-28"]),
        ("month", "2025-12-31 2026-01-01", ["2025-12-31 2025-12-31", "2026-01-01 2026-01-01"]),
        ("week", "2025-12-28 2026-01-03", ["2025-12-28 2026-01-03 whole"]),
        ("week", "2026-03-07 2026-03-08", ["2026-03-07 2026-03-07", "2026-03-08 2026-03-08"]),
        ("day", "2026-11-01 2026-11-01", ["2026-11-01 2026-11-01 whole"]),
        ("day", "2024-02-28 2024-03-01", [f"{day} {day} whole" for day in ("2024-02-28", "2024-02-29", "2024-03-01")]),
    ],
)
def test_a_range_is_cut_into_buckets(interval: str, days: str, buckets: list[str]) -> None:
    first, last = (date.fromisoformat(day) for day in days.split())
    found = periods.buckets(Interval(interval), first, last)
    assert [f"{each.first_day} {each.last_day}{' whole' if each.is_whole else ''}" for each in found] == buckets


@pytest.mark.parametrize("interval", list(Interval))
def test_buckets_have_each_day_of_two_years_once(interval: Interval) -> None:
    first, last = date(2024, 1, 3), date(2026, 1, 2)
    found = periods.buckets(interval, first, last)
    assert (found[0].first_day, found[-1].last_day) == (first, last)
    assert [each.last_day + periods.ONE_DAY for each in found[:-1]] == [each.first_day for each in found[1:]]
    assert all(periods.start_of(interval, each.last_day) == each.starts_on for each in found)
    assert all(each.is_whole for each in found[1:-1])


@pytest.mark.parametrize(
    ("first", "last", "days_before", "year_before"),
    [
        ("2024-02-29", "2024-02-29", ("2024-02-28", "2024-02-28"), ("2023-02-28", "2023-02-28")),
        ("2026-01-01", "2026-01-31", ("2025-12-01", "2025-12-31"), ("2025-01-01", "2025-01-31")),
        ("2026-03-08", "2026-03-14", ("2026-03-01", "2026-03-07"), ("2025-03-08", "2025-03-14")),
    ],
)
def test_a_range_is_compared_with_as_many_days_or_with_the_year_before(
    first: str, last: str, days_before: tuple[str, str], year_before: tuple[str, str]
) -> None:
    asked = date.fromisoformat(first), date.fromisoformat(last)
    assert tuple(map(str, periods.days_before(*asked))) == days_before
    assert tuple(map(str, periods.year_before(*asked))) == year_before
