"""Transactions: all or nothing, repeated when Postgres asks, and never guessed about."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import pytest
from pg8000.dbapi import Connection

from shared import db
from shared.db import ConstraintViolated, Tx
from shared.values.fields import Money, Reply
from shared.values.money import Usdt
from shared.values.tiers import Tier
from tests.platform import Platform


@dataclass(frozen=True)
class Number:
    value: int


class Shown(Reply):
    """A row that is shown as it is."""

    tier: Tier | None
    kind: Tier | Literal["none"]
    amount: Money
    rest: Money | None


def put(tx: Tx, name: str, value: int) -> None:
    tx.run_later("INSERT INTO settings (name, value, description) VALUES (:name, :value, '')", name=name, value=value)


def add(tx: Tx, name: str) -> None:
    tx.run("UPDATE settings SET value = to_jsonb(CAST(value AS int) + 1) WHERE name = :name", name=name)


def count(sql: Connection) -> int:
    found: int = sql.execute_simple("SELECT count(*) FROM settings WHERE description = ''").rows[0][0]
    return found


def test_what_was_written_without_waiting_is_there_after_the_commit(sql: Connection) -> None:
    db.atomically(lambda tx: put(tx, "a", 1))
    assert count(sql) == 1


def test_a_failure_of_something_not_waited_for_undoes_everything_and_is_raised(sql: Connection) -> None:
    def work(tx: Tx) -> None:
        put(tx, "a", 1)
        put(tx, "a", 2)
        put(tx, "b", 3)

    with pytest.raises(ConstraintViolated, match="settings_pkey"):
        db.atomically(work)
    assert count(sql) == 0


def test_the_first_failure_is_the_one_that_is_told() -> None:
    def work(tx: Tx) -> None:
        put(tx, "a", 1)
        put(tx, "a", 2)
        tx.one(Number, "SELECT 1 AS value")

    with pytest.raises(ConstraintViolated) as refused:
        db.atomically(work)
    assert refused.value.constraint == "settings_pkey"


def test_the_next_transaction_on_the_same_connection_is_clean(sql: Connection) -> None:
    test_the_first_failure_is_the_one_that_is_told()
    db.atomically(lambda tx: put(tx, "c", 1))
    assert count(sql) == 1


def test_a_savepoint_undoes_what_was_done_inside_and_no_more(sql: Connection) -> None:
    def work(tx: Tx) -> None:
        put(tx, "before", 1)
        with pytest.raises(ConstraintViolated):
            twice(tx)
        put(tx, "after", 4)

    def twice(tx: Tx) -> None:
        with tx.savepoint():
            put(tx, "inside", 2)
            put(tx, "inside", 3)

    db.atomically(work)
    rows = sql.execute_simple("SELECT name FROM settings WHERE description = '' ORDER BY name").rows
    assert rows == [["after"], ["before"]]


def test_an_outer_savepoint_undoes_what_was_done_after_an_inner_one_failed(sql: Connection) -> None:
    def work(tx: Tx) -> None:
        put(tx, "before", 1)
        with pytest.raises(ZeroDivisionError):
            outer(tx)
        put(tx, "after", 2)

    def outer(tx: Tx) -> None:
        with tx.savepoint():
            put(tx, "outside", 3)
            with pytest.raises(ConstraintViolated):
                inner(tx)
            put(tx, "later", 5)
            raise ZeroDivisionError

    def inner(tx: Tx) -> None:
        with tx.savepoint():
            put(tx, "inside", 4)
            put(tx, "inside", 6)

    db.atomically(work)
    rows = sql.execute_simple("SELECT name FROM settings WHERE description = '' ORDER BY name").rows
    assert rows == [["after"], ["before"]]


def test_a_scalar_is_the_value_of_the_only_row(database: str) -> None:
    del database
    with db.transaction() as tx:
        assert tx.scalar(int, "SELECT count(*) FROM settings WHERE name = :kind", kind="none such") == 0
        assert tx.scalar(Usdt, "SELECT CAST(5 AS numeric)") == Usdt(5)
        assert tx.scalar(Tier, "SELECT 'vip'") is Tier.VIP
        assert tx.scalar(bytes, "SELECT CAST('ab' AS bytea)") == b"ab"
        assert tx.scalar_or_none(int, "SELECT CAST(NULL AS int)") is None
        assert tx.scalar_or_none(int, "SELECT 1 WHERE false") is None
        assert tx.scalar_or_none(int, "SELECT n FROM generate_series(7, 9) AS n") == 7
        assert tx.column(int, "SELECT n FROM generate_series(7, 9) AS n") == [7, 8, 9]
        assert tx.column(int, "SELECT 1 WHERE false") == []


UNFIT: Mapping[str, Callable[[Tx], object]] = {
    "no row": lambda tx: tx.scalar(int, "SELECT 1 WHERE false"),
    "two rows": lambda tx: tx.scalar(int, "SELECT generate_series(1, 2)"),
    "a null": lambda tx: tx.scalar(int, "SELECT CAST(NULL AS int)"),
    "a null among others": lambda tx: tx.column(int, "SELECT * FROM (VALUES (1), (NULL)) AS them"),
    "two columns": lambda tx: tx.column(int, "SELECT 1, 2"),
    "two columns, and none or one wanted": lambda tx: tx.scalar_or_none(int, "SELECT 1, 2"),
}


@pytest.mark.parametrize("work", UNFIT.values(), ids=UNFIT)
def test_a_scalar_or_column_that_is_not_there_is_a_fault(database: str, work: Callable[[Tx], object]) -> None:
    del database
    with pytest.raises(AssertionError, match=r"where (one|none) was expected|one column was expected"):
        db.atomically(work)


@pytest.mark.makes_deadlocks
def test_two_that_lock_each_other_out_both_get_done(sql: Connection) -> None:
    db.atomically(lambda tx: put(tx, "a", 0))
    db.atomically(lambda tx: put(tx, "b", 0))
    both_have_one = threading.Barrier(2)
    met = threading.local()

    def raise_both(first: str, second: str) -> Callable[[Tx], None]:
        def work(tx: Tx) -> None:
            add(tx, first)
            if not getattr(met, "yes", False):
                met.yes = True
                both_have_one.wait(10)
            add(tx, second)

        return work

    threads = [threading.Thread(target=db.atomically, args=(raise_both(*order),)) for order in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    rows = sql.execute_simple("SELECT name, value FROM settings WHERE description = '' ORDER BY name").rows
    assert [(name, int(value)) for name, value in rows] == [("a", 2), ("b", 2)]


def test_a_connection_that_the_server_has_closed_is_replaced(sql: Connection, database: str) -> None:
    db.atomically(lambda tx: put(tx, "a", 1))
    sql.execute_unnamed(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND usename = 'functions'",
        (database,),
    )
    db.atomically(lambda tx: put(tx, "b", 2))
    assert count(sql) == 2


def test_a_connection_lost_in_the_middle_is_noticed_and_the_work_done_again(sql: Connection, database: str) -> None:
    attempts = []

    def work(tx: Tx) -> None:
        attempts.append(1)
        put(tx, "a", 1)
        tx.one(Number, "SELECT 1 AS value")
        if len(attempts) == 1:
            sql.execute_unnamed(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND usename = 'functions'",
                (database,),
            )
        tx.one(Number, "SELECT 2 AS value")

    db.atomically(work)
    assert (len(attempts), count(sql)) == (2, 1)


def test_a_connection_lost_while_committing_is_not_guessed_about(sql: Connection, database: str) -> None:
    def work(tx: Tx) -> None:
        put(tx, "a", 1)
        tx.one(Number, "SELECT 1 AS value")
        sql.execute_unnamed(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND usename = 'functions'",
            (database,),
        )

    with pytest.raises(db.CommitUnknown):
        db.atomically(work)


def test_no_connection_is_lost_when_work_fails(platform: Platform, sql: Connection) -> None:
    del platform

    def fail(tx: Tx) -> None:
        put(tx, "a", 1)
        raise LookupError

    for _ in range(200):  # more than the pool holds
        with pytest.raises(LookupError):
            db.atomically(fail)
    db.atomically(lambda tx: put(tx, "b", 1))
    assert count(sql) == 1


def test_a_reply_is_made_of_a_row_whose_amounts_are_micro_usdt() -> None:
    row = "SELECT 'vip' AS tier, 'none' AS kind, 2500000 AS amount, CAST(NULL AS bigint) AS rest"
    other = "SELECT NULL AS tier, 'whale' AS kind, CAST(1 AS numeric) AS amount, 7 AS rest"

    found = [db.atomically(Tx.one, Shown, row), db.atomically(Tx.one, Shown, other)]

    assert found == [
        Shown(tier=Tier.VIP, kind="none", amount=Usdt(2_500_000), rest=None),
        Shown(tier=None, kind=Tier.WHALE, amount=Usdt(1), rest=Usdt(7)),
    ]


@pytest.mark.parametrize(
    "columns", ["amount, rest, kind", "tier, kind, amount, rest, 1 AS secret", "kind, tier, amount, rest"]
)
def test_a_reply_has_the_columns_of_the_query_and_no_other(columns: str) -> None:
    query = f"SELECT {columns} FROM (SELECT 'vip' AS tier, 'vip' AS kind, 1 AS amount, 1 AS rest) AS found"
    with pytest.raises(AssertionError, match="the query has"):
        db.atomically(lambda tx: tx.all(Shown, query))
