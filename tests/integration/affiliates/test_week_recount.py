"""A week is counted again from the facts, another way, and every difference is named."""

import hashlib
import random
from datetime import timedelta

import pytest
from pg8000.dbapi import Connection

from functions.affiliate_week import recount_store
from functions.affiliate_week.recount_store import WeekUnknown
from shared import db
from shared.auth import Role
from shared.values.money import Usdt
from tests import factories
from tests.fakes.week_rows import AFTER, CUT, SUNDAY, WEEK, Weeks

SEED = 20261122


@pytest.fixture
def weeks(sql: Connection) -> Weeks:
    return Weeks(sql)


def differences() -> list[str]:
    return db.atomically(recount_store.differences, SUNDAY)


def test_a_week_of_random_facts_is_counted_alike_two_ways_and_its_list_has_its_digest(weeks: Weeks) -> None:
    chance = random.Random(SEED)  # noqa: S311 - repeatable on purpose
    people = [factories.member() for _ in range(12)]
    for _ in range(60):
        numbers = weeks.scan(
            chance.choice(people), chance.randrange(1, 9), CUT - timedelta(minutes=chance.randrange(1, 900))
        )
        if chance.random() < 0.2:
            weeks.flag(numbers[0])
            if chance.random() < 0.6:
                weeks.judge(numbers[0], chance.choice(["cleared", "confirmed"]))
    weeks.fill(Usdt(chance.randrange(1, 10**10)))
    weeks.run()
    assert differences() == []
    weeks.agree(factories.member(role=Role.TREASURY))
    weeks.run()
    for (number,) in weeks.rows("SELECT scan_number FROM flagged_scans WHERE status = 'open'"):
        weeks.judge(number, "cleared")
    weeks.run(AFTER + timedelta(hours=1))
    assert differences() == []
    with db.transaction() as tx:
        text = "".join(recount_store.published(tx, recount_store.read(tx, SUNDAY)))
    assert weeks.week()["digest"] == "\\x" + hashlib.sha256(text.encode()).hexdigest()
    first, *lines = text.splitlines()
    assert sum(int(line.split(",")[2]) for line in lines) == int(first.split(",")[3])


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("UPDATE affiliate_week_shares SET share = share + 1", "the pool gives"),
        ("UPDATE affiliate_week_shares SET scan_chips = scan_chips + 1, chips = chips + 1", "the facts say"),
        ("UPDATE mark_secrets SET secret = sha256(secret)", "of somebody else"),
        ("UPDATE affiliate_weeks SET digest = sha256(digest)", "the published list has the digest"),
    ],
)
def test_a_difference_is_named(broken: str, told: str, weeks: Weeks) -> None:
    for chips in (1, 2):
        weeks.scan(factories.member(), chips)
    weeks.fill(Usdt.of(100))
    weeks.run()
    weeks.sql.execute_simple("SET session_replication_role = replica")
    weeks.sql.execute_simple(broken)
    weeks.sql.execute_simple("SET session_replication_role = origin")
    assert any(told in line for line in differences())


def test_a_week_that_there_is_not_is_said(weeks: Weeks) -> None:
    with pytest.raises(WeekUnknown):
        db.atomically(recount_store.differences, SUNDAY + WEEK)
    weeks.run()
    with pytest.raises(WeekUnknown, match="has been divided"):
        differences()
