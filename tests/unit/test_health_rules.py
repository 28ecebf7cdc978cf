"""When something that waits is degraded or down, and when a schedule is late by its crontab."""

from datetime import UTC, datetime, timedelta

import pytest

from functions.admin_desk import rules
from functions.admin_desk.rules import GRACE, Bound, Health, Punctuality
from functions.admin_desk.schedules import CRONTABS
from terraform.functions import functions

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)  # a Sunday
BOUND = Bound(timedelta(minutes=2), timedelta(minutes=15), "Look.")


@pytest.mark.parametrize(
    ("age", "health"),
    [
        (None, Health.OK),
        (timedelta(seconds=119), Health.OK),
        (timedelta(minutes=2), Health.DEGRADED),
        (timedelta(seconds=899), Health.DEGRADED),
        (timedelta(minutes=15), Health.DOWN),
    ],
)
def test_what_waits_too_long_is_degraded_then_down(age: timedelta | None, health: Health) -> None:
    assert rules.of_age(BOUND, NOON - age if age else None, NOON) is health


def test_the_whole_is_as_bad_as_its_worst_part() -> None:
    assert rules.worst([]) is Health.OK
    assert rules.worst([Health.OK, Health.DEGRADED]) is Health.DEGRADED
    assert rules.worst([Health.DOWN, Health.OK, Health.DEGRADED]) is Health.DOWN


@pytest.mark.parametrize(
    ("cron", "due"),
    [
        ("* * * * *", NOON - timedelta(minutes=1)),
        ("10 0 * * *", NOON.replace(hour=0, minute=10)),
        ("5 0 * * 0", NOON.replace(hour=0, minute=5)),
        ("30 13 * * 0", NOON.replace(hour=13, minute=30) - timedelta(days=7)),
    ],
)
def test_the_last_due_moment_is_the_crontabs(cron: str, due: datetime) -> None:
    assert rules.due_before(cron, NOON) == due


DAILY = "0 5 * * *"
FIVE = NOON.replace(hour=5)


@pytest.mark.parametrize(
    ("ended_at", "failed_at", "now", "wanted"),
    [
        (FIVE + timedelta(minutes=1), None, NOON, Punctuality.OK),
        (FIVE - timedelta(hours=1), None, NOON, Punctuality.LATE),
        (FIVE - timedelta(hours=1), None, FIVE + GRACE - timedelta(seconds=1), Punctuality.OK),
        (FIVE - timedelta(hours=1), None, FIVE + GRACE + timedelta(seconds=1), Punctuality.LATE),
        (FIVE, FIVE + timedelta(hours=1), NOON, Punctuality.FAILED),
        (FIVE + timedelta(hours=1), FIVE, NOON, Punctuality.OK),
        (None, FIVE, NOON, Punctuality.FAILED),
        (None, None, NOON, Punctuality.NEVER),
    ],
)
def test_a_schedule_is_held_against_its_crontab(
    ended_at: datetime | None, failed_at: datetime | None, now: datetime, wanted: Punctuality
) -> None:
    assert rules.punctuality(DAILY, ended_at, failed_at, now) is wanted


def test_the_crontabs_are_those_of_the_functions() -> None:
    said = {f"{name}/{schedule.name}": schedule.cron for name, found in functions().items()
            for schedule in found.schedules}  # fmt: skip
    assert dict(CRONTABS) == said
