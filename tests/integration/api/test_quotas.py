"""How often somebody may do something in an hour is exact, whoever does it at once, and ends with the hour."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from functions.profile.rules import TooManyEmailChanges
from shared import db
from shared.web import quotas
from shared.web.quotas import DAY, Limit, Quota

NOW = datetime(2026, 11, 22, 12, 40, 30, tzinfo=UTC)


def spend(subject: str, now: datetime = NOW) -> bool:
    try:
        quotas.spend(Limit([Quota(subject, 5)], TooManyEmailChanges), now)
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
        quotas.spend(Limit([Quota("somebody", 5)], TooManyEmailChanges), NOW)
    assert refused.value.headers["Retry-After"] == str(19 * 60 + 30 + 1)
    assert spend("somebody", NOW + timedelta(minutes=20))


def test_who_has_used_up_their_own_uses_up_nothing_that_is_shared() -> None:
    def ask(who: str) -> bool:
        limit = Limit([Quota(who, 2)], TooManyEmailChanges, [[Quota("all", 5)], [Quota("all, on a day", 50, DAY)]])
        try:
            quotas.spend(limit, NOW)
        except TooManyEmailChanges:
            return False
        return True

    assert [ask("one") for _ in range(9)] == [True] * 2 + [False] * 7
    assert [ask("two") for _ in range(2)] == [True] * 2
    assert [ask("three") for _ in range(2)] == [True, False]


def test_a_day_is_one_of_utc_and_until_its_end_there_is_time_to_wait() -> None:
    limit = Limit([Quota("somebody", 9)], TooManyEmailChanges, [[Quota("somebody on a day", 2, DAY)]])
    for hours in (0, 5):
        quotas.spend(limit, NOW + timedelta(hours=hours))
    with pytest.raises(TooManyEmailChanges) as refused:
        quotas.spend(limit, NOW + timedelta(hours=6))
    assert refused.value.headers["Retry-After"] == str(5 * 3600 + 19 * 60 + 30 + 1)
    quotas.spend(limit, NOW + timedelta(hours=12))


def test_what_is_counted_in_turn_is_given_back_in_turn_whoever_else_counts() -> None:
    """In the same order of rows: nobody waits for somebody who waits for them."""
    shared = [Quota(f"shared {number}", 10_000) for number in range(3)]

    def come_and_go(number: int) -> None:
        groups = [[Quota(f"own {number % 2}", 10_000), shared[0]], [shared[1]], [shared[2]]]
        assert not db.atomically(lambda tx: quotas.count_in_turn(tx, groups, NOW))
        db.atomically(lambda tx: quotas.give_back_in_turn(tx, groups, NOW))

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(come_and_go, range(200)))
    assert set(db.atomically(lambda tx: quotas.count(tx, shared, NOW)).values()) == {1}
