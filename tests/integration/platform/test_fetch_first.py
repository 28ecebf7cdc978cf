"""Work that lacks something far away is undone, the thing is fetched with no transaction open, the work is repeated."""

import pytest
from pg8000.dbapi import Connection

from shared import db
from shared.db import FetchFirst, Tx

OPEN = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'"


def test_it_is_fetched_outside_the_transaction_and_the_work_is_done_once(sql: Connection) -> None:
    seen: list[list[list[int]]] = []

    def fetch() -> None:
        seen.append(sql.execute_simple(OPEN).rows)

    def work(tx: Tx) -> str:
        tx.run("INSERT INTO leases (name, holder, held_until) VALUES ('x', gen_random_uuid(), '2026-11-22T12:00:00Z')")
        if not seen:
            raise FetchFirst(fetch)
        return "done"

    assert db.atomically(work) == "done"
    assert seen == [[[0]]]
    assert sql.execute_simple("SELECT count(*) FROM leases").rows == [[1]]


def test_what_cannot_be_fetched_fails_and_nothing_is_done(sql: Connection) -> None:
    def fetch() -> None:
        raise ConnectionRefusedError

    def work(tx: Tx) -> None:
        tx.run("INSERT INTO leases (name, holder, held_until) VALUES ('x', gen_random_uuid(), '2026-11-22T12:00:00Z')")
        raise FetchFirst(fetch)

    with pytest.raises(ConnectionRefusedError):
        db.atomically(work)
    assert sql.execute_simple("SELECT count(*) FROM leases").rows == [[0]]


@pytest.mark.usefixtures("database")
def test_it_is_not_fetched_for_ever() -> None:
    fetched: list[int] = []

    def work(_: Tx) -> None:
        raise FetchFirst(lambda: fetched.append(1))

    with pytest.raises(FetchFirst):
        db.atomically(work)
    assert len(fetched) == db.ATTEMPTS_MAX - 1
