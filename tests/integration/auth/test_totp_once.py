"""A code of the authenticator app is good once, whoever comes at the same moment, and guesses are counted."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.exceptions import InvalidTag
from pg8000.dbapi import Connection

from shared import db
from shared.credentials import totp, vault
from shared.values.problems import Problem
from tests import factories
from tests.factories import Somebody

pytestmark = pytest.mark.usefixtures("database")

NOW = datetime(2026, 11, 22, 12, 0, 10, tzinfo=UTC)
RACERS = 64


def spend(somebody: Somebody, given: str, now: datetime = NOW) -> str:
    """The slug of the refusal; what a kept one has written stays, as `shared/web/in_transaction.py` has it."""

    def work(tx: db.Tx) -> str:
        try:
            totp.spend(tx, somebody.id, given, now)
        except Problem as problem:
            if problem.kept:
                return problem.slug()
            raise
        return ""

    try:
        return db.atomically(work)
    except Problem as problem:
        return problem.slug()


def code(secret: bytes, now: datetime = NOW) -> str:
    return totp.code(secret, totp.step_of(now))


def wrong_code(secret: bytes, now: datetime = NOW) -> str:
    right = {code(secret, now + timedelta(seconds=30 * steps)) for steps in (-1, 0, 1)}
    return next(text for number in range(4) if (text := f"{number:06d}") not in right)


def test_of_64_who_bring_one_code_at_once_one_is_let_through() -> None:
    somebody = factories.member()
    given = code(factories.second_factor(somebody))
    with ThreadPoolExecutor(RACERS) as threads:
        outcomes = Counter(threads.map(lambda _: spend(somebody, given), range(RACERS)))
    assert outcomes == {"": 1, "second-factor-used": RACERS - 1}


def test_a_code_comes_once_in_its_whole_window() -> None:
    somebody = factories.member()
    given = code(factories.second_factor(somebody))
    later = NOW + timedelta(seconds=30)
    assert [spend(somebody, given), spend(somebody, given), spend(somebody, given, later)] == [
        "",
        "second-factor-used",
        "second-factor-used",
    ]


def test_an_earlier_code_is_not_taken_after_a_later_one() -> None:
    somebody = factories.member()
    secret = factories.second_factor(somebody)
    assert spend(somebody, code(secret, NOW + timedelta(seconds=30))) == ""
    assert spend(somebody, code(secret)) == "second-factor-used"
    assert spend(somebody, code(secret, NOW + timedelta(minutes=1)), NOW + timedelta(minutes=1)) == ""


def test_of_64_wrong_guesses_at_once_ten_are_looked_at_and_then_the_right_one_waits_for_the_next_hour() -> None:
    somebody = factories.member()
    secret = factories.second_factor(somebody)
    wrong = wrong_code(secret)
    with ThreadPoolExecutor(RACERS) as threads:
        outcomes = Counter(threads.map(lambda _: spend(somebody, wrong), range(RACERS)))
    assert outcomes == {
        "second-factor-wrong": totp.FAILURES_MAX,
        "second-factor-locked": RACERS - totp.FAILURES_MAX,
    }
    assert spend(somebody, code(secret)) == "second-factor-locked"
    next_hour = NOW + timedelta(hours=1)
    assert spend(somebody, code(secret, next_hour), next_hour) == ""


def test_who_has_no_app_or_has_not_proved_it_yet_is_told_to_set_it_up(sql: Connection) -> None:
    somebody, nobody = factories.member(), factories.member()
    secret = factories.second_factor(somebody)
    sql.execute_simple("UPDATE second_factors SET enabled_at = NULL")
    assert spend(nobody, "123456") == "second-factor-not-set-up"
    assert spend(somebody, code(secret)) == "second-factor-not-set-up"


def test_one_members_code_is_not_anothers() -> None:
    first, second = factories.member(), factories.member()
    given = code(factories.second_factor(first))
    factories.second_factor(second)
    assert spend(second, given) == "second-factor-wrong"


def test_the_secret_is_nowhere_in_plain_and_does_not_open_in_another_row(sql: Connection) -> None:
    first, second = factories.member(), factories.member()
    secret = factories.second_factor(first)
    factories.second_factor(second)
    ((sealed,),) = sql.execute_unnamed(
        "SELECT sealed_secret FROM second_factors WHERE member_id = $1", (first.id,)
    ).rows
    assert secret not in bytes(sealed)
    sql.execute_unnamed("UPDATE second_factors SET sealed_secret = $1 WHERE member_id = $2", (sealed, second.id))
    with pytest.raises(InvalidTag):
        spend(second, code(secret))


def test_a_process_unwraps_the_data_key_once_and_outside_the_transaction(
    sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    somebody = factories.member()
    secret = factories.second_factor(somebody)
    vault._unwrapped.clear()
    monkeypatch.setattr(db, "ATTEMPTS_MAX", 2)  # one to find out what is missing, one to do it
    assert spend(somebody, code(secret)) == ""
    assert len(vault._unwrapped) == 1
    assert sql.execute_simple("SELECT count(*) FROM data_keys").rows == [[1]]
