"""The permanent tier: the downline's tins earn it once, whoever counts at the same moment, and it is never lost."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from emulators.process import wait_until
from shared import db, settings
from shared.members import downline
from tests import factories
from tests.factories import Somebody
from tests.fakes.lock_waits import is_lock_awaited

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WRITERS = 64


class OrderFailed(Exception):
    """The transaction that the tins were counted in is undone."""


@pytest.fixture
def affiliate() -> Somebody:
    return factories.member()


@pytest.fixture
def buyer(affiliate: Somebody) -> Somebody:
    return factories.member(referred_by=affiliate)


def add(buyer: Somebody, tins: int, source: str) -> None:
    db.atomically(lambda tx: downline.add_tins(tx, buyer.id, tins, source, NOW))


def tier_of(sql: Connection, somebody: Somebody) -> str:
    return str(sql.execute_unnamed("SELECT permanent_tier FROM members WHERE id = $1", (somebody.id,)).rows[0][0])


def tins_of(sql: Connection, somebody: Somebody) -> int:
    found = sql.execute_unnamed("SELECT downline_tins FROM permanent_tiers WHERE member_id = $1", (somebody.id,))
    return int(found.rows[0][0])


def rises(sql: Connection, member_id: UUID) -> list[list[object]]:
    return list(
        sql.execute_unnamed(
            "SELECT tier, downline_tins, is_permanent FROM tier_history WHERE member_id = $1 ORDER BY id", (member_id,)
        ).rows
    )


def titles(sql: Connection, member_id: UUID) -> list[str]:
    found = sql.execute_unnamed("SELECT title FROM notifications WHERE member_id = $1 ORDER BY title", (member_id,))
    return [str(title) for (title,) in found.rows]


@pytest.mark.parametrize(
    ("tins", "tier"),
    [(209, "standard"), (210, "vip"), (2_099, "vip"), (2_100, "high_roller"), (20_999, "high_roller"),
     (21_000, "whale")],
)  # fmt: skip
def test_tins_of_the_downline_earn_a_tier_for_good(
    tins: int, tier: str, affiliate: Somebody, buyer: Somebody, sql: Connection
) -> None:
    add(buyer, tins, "order:1")

    assert tier_of(sql, affiliate) == tier
    assert tier_of(sql, buyer) == "standard"


def test_a_rise_is_written_down_and_told_once(affiliate: Somebody, buyer: Somebody, sql: Connection) -> None:
    for number in range(30):
        add(buyer, 10, f"order:{number}")

    assert rises(sql, affiliate.id) == [["vip", 210, True]]
    assert titles(sql, affiliate.id) == ["You are VIP for good"]


def test_a_source_counts_once(affiliate: Somebody, buyer: Somebody, sql: Connection) -> None:
    for _ in range(3):
        add(buyer, 100, "order:1")

    assert tins_of(sql, affiliate) == 100
    assert tier_of(sql, affiliate) == "standard"


def test_refunds_lower_the_sum_and_not_the_tier(affiliate: Somebody, buyer: Somebody, sql: Connection) -> None:
    add(buyer, 210, "order:1")
    add(buyer, -200, "refund:1")

    assert tins_of(sql, affiliate) == 10
    assert tier_of(sql, affiliate) == "vip"

    add(buyer, 200, "order:2")  # across the threshold again: nothing new is earned

    assert rises(sql, affiliate.id) == [["vip", 210, True]]
    assert titles(sql, affiliate.id) == ["You are VIP for good"]


def test_a_refund_may_come_before_its_order(affiliate: Somebody, buyer: Somebody, sql: Connection) -> None:
    add(buyer, -5, "refund:1")
    assert tins_of(sql, affiliate) == -5

    add(buyer, 215, "order:1")

    assert (tins_of(sql, affiliate), tier_of(sql, affiliate)) == (210, "vip")


def test_without_a_referrer_nothing_is_counted(affiliate: Somebody, sql: Connection) -> None:
    add(affiliate, 1_000, "order:1")

    assert sql.execute_simple("SELECT count(*) FROM downline_entries").rows == [[0]]
    assert tier_of(sql, affiliate) == "standard"


def test_what_is_undone_with_its_order_can_be_counted_again(
    affiliate: Somebody, buyer: Somebody, sql: Connection
) -> None:
    with suppress(OrderFailed), db.transaction() as tx:
        downline.add_tins(tx, buyer.id, 300, "order:1", NOW)
        raise OrderFailed
    assert rises(sql, affiliate.id) == []

    add(buyer, 300, "order:1")

    assert rises(sql, affiliate.id) == [["vip", 300, True]]


def test_of_64_who_count_across_two_thresholds_each_rise_is_one(affiliate: Somebody, sql: Connection) -> None:
    buyers = [factories.member(referred_by=affiliate) for _ in range(4)]
    orders = [(buyers[number % 4], 50, f"order:{number}") for number in range(WRITERS)]

    with ThreadPoolExecutor(WRITERS) as threads:
        list(threads.map(lambda order: add(*order), orders))

    assert tins_of(sql, affiliate) == WRITERS * 50 == 3_200
    assert rises(sql, affiliate.id) == [["vip", 250, True], ["high_roller", 2_100, True]]
    assert titles(sql, affiliate.id) == ["You are High Roller for good", "You are VIP for good"]
    assert tier_of(sql, affiliate) == "high_roller"


def test_of_64_who_count_one_source_one_does(affiliate: Somebody, buyer: Somebody, sql: Connection) -> None:
    with ThreadPoolExecutor(WRITERS) as threads:
        list(threads.map(lambda _: add(buyer, 210, "order:1"), range(WRITERS)))

    assert tins_of(sql, affiliate) == 210
    assert rises(sql, affiliate.id) == [["vip", 210, True]]


def test_thresholds_are_settings(affiliate: Somebody, buyer: Somebody, sql: Connection) -> None:
    sql.execute_simple(
        """UPDATE settings SET value = '{"standard": 0, "vip": 3, "high_roller": 4, "whale": 5}'
           WHERE name = 'permanent_tier_thresholds'"""
    )
    settings.forget()

    add(buyer, 4, "order:1")

    assert tier_of(sql, affiliate) == "high_roller"


def test_what_was_counted_is_never_changed(buyer: Somebody, sql: Connection) -> None:
    add(buyer, 7, "order:1")

    def change() -> None:
        db.atomically(lambda tx: tx.run("UPDATE downline_entries SET tins = 8"))

    with pytest.raises(Exception, match=r"permission denied|append"):
        change()
    assert sql.execute_simple("SELECT source_id, tins FROM downline_entries").rows == [["order:1", 7]]


def test_whoever_waits_for_the_totals_holds_no_permanent_tier(
    affiliate: Somebody, buyer: Somebody, sql: Connection
) -> None:
    """An admin who sets a tier locks the totals, then the permanent tier; the other order would end in a deadlock."""
    add(buyer, 200, "order:1")
    sql.execute_simple("BEGIN")
    sql.execute_unnamed("SELECT FROM member_totals WHERE member_id = $1 FOR NO KEY UPDATE", (affiliate.id,))
    with ThreadPoolExecutor(1) as threads:
        counting = threads.submit(add, buyer, 10, "order:2")
        wait_until(lambda: is_lock_awaited(sql), "a lock that is waited for")
        free = sql.execute_unnamed(
            "SELECT member_id FROM permanent_tiers WHERE member_id = $1 FOR UPDATE SKIP LOCKED", (affiliate.id,)
        ).rows
        sql.execute_simple("COMMIT")
        counting.result()

    assert free == [[affiliate.id]]
    assert tier_of(sql, affiliate) == "vip"
