"""Weeks of affiliates end on Sundays, 00:00 UTC, in every year and whatever zone a clock tells."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from shared.values.weeks import last_sunday, next_sunday

TICK = timedelta(microseconds=1)
WEEK = timedelta(days=7)


@pytest.mark.parametrize(
    "sunday",
    [
        date(2026, 12, 27),  # 2026 has 53 weeks
        date(2027, 1, 3),
        date(2028, 2, 27),  # the week with 29 February in it begins
        date(2028, 3, 5),
        date(2032, 2, 29),  # a week ends on 29 February
        date(2000, 2, 27),
        date(2100, 2, 28),  # a year without 29 February
    ],
    ids=str,
)
def test_a_week_is_seven_days_from_midnight_to_midnight(sunday: date) -> None:
    begin = datetime(sunday.year, sunday.month, sunday.day, tzinfo=UTC)
    assert last_sunday(begin) == sunday
    assert last_sunday(begin - TICK) == sunday - WEEK
    assert last_sunday(begin + WEEK - TICK) == sunday
    assert last_sunday(begin + WEEK) == sunday + WEEK == next_sunday(begin)


@pytest.mark.parametrize("hours", [-12, -8, 0, 5.75, 14])
def test_the_zone_in_which_a_moment_is_told_changes_nothing(hours: float) -> None:
    zone = timezone(timedelta(hours=hours))
    midnight = datetime(2026, 11, 22, tzinfo=UTC)
    assert last_sunday(midnight.astimezone(zone)) == date(2026, 11, 22)
    assert last_sunday((midnight - TICK).astimezone(zone)) == date(2026, 11, 15)
