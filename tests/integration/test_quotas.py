"""How often somebody may do something in an hour is exact, whoever does it at once, and ends with the hour."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from functions.profile.rules import TooManyEmailChanges
from shared import db, quotas

NOW = datetime(2026, 11, 22, 12, 40, 30, tzinfo=UTC)


def spend(subject: str, now: datetime = NOW) -> bool:
    try:
        db.atomically(lambda tx: quotas.spend(tx, subject, 5, now, TooManyEmailChanges))
    except TooManyEmailChanges:
        return False
    return True


def test_of_sixty_four_at_once_as_many_succeed_as_there_are() -> None:
    with ThreadPoolExecutor(32) as threads:
        outcomes = list(threads.map(lambda _: spend("somebody"), range(64)))
    assert sum(outcomes) == 5
    assert spend("somebody else")


def test_the_next_hour_begins_anew_and_until_then_there_is_time_to_wait() -> None:
    assert [spend("somebody") for _ in range(6)] == [True] * 5 + [False]
    with pytest.raises(TooManyEmailChanges) as refused:
        db.atomically(lambda tx: quotas.spend(tx, "somebody", 5, NOW, TooManyEmailChanges))
    assert refused.value.headers["Retry-After"] == str(19 * 60 + 30 + 1)
    assert spend("somebody", NOW + timedelta(minutes=20))
