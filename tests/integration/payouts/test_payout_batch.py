"""Payouts that are promised many at once follow the rules of a single one: each source once, under its own terms."""

from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from shared import clock, db
from shared.payouts import batch, machine
from shared.payouts.states import Promise, TermsDiffer
from shared.payouts.terms import PaysNobody
from shared.values.money import Usdt
from tests.fakes.payout_rows import RECIPIENT

pytest_plugins = ["tests.fakes.payout_plugin"]


def promise(source: str, *, amount: int = 1, key: str = "", recipient: str = RECIPIENT) -> Promise:
    return Promise("member", "test", source, recipient, Usdt(amount), None, "test", key or source)


def requested(*promises: Promise) -> list[UUID]:
    return db.atomically(lambda tx: batch.request_many(tx, promises, clock.now()))


def one(wanted: Promise) -> UUID:
    return db.atomically(machine.request, wanted, clock.now())


def tasks(sql: Connection) -> int:
    return int(sql.execute_simple("SELECT count(*) FROM outbox WHERE kind = 'task'").rows[0][0])


def test_each_is_promised_and_sent_once_however_often_it_is_asked_for(sql: Connection) -> None:
    first, second, third = (promise(str(uuid4())) for _ in range(3))
    before = requested(first, second)
    assert requested(second, third, first, third)[::2] == [before[1], before[0]]
    assert tasks(sql) == 3
    assert one(third) == requested(third)[0]
    assert tasks(sql) == 3


@pytest.mark.parametrize("single", [False, True])
def test_a_source_under_other_terms_or_a_key_of_another_is_refused(sql: Connection, *, single: bool) -> None:
    first, second = str(uuid4()), str(uuid4())
    requested(promise(first), promise(second))
    ask = one if single else requested
    for wrong in (promise(first, amount=2), promise(str(uuid4()), key=first), promise(first, key=second)):
        wanted = [wrong] if single else [promise(str(uuid4())), wrong]
        with pytest.raises(TermsDiffer):
            ask(*wanted)
    assert (tasks(sql), sql.execute_simple("SELECT count(*) FROM payouts").rows) == (2, [[2]])


def test_impossible_terms_of_one_promise_none(sql: Connection) -> None:
    with pytest.raises(PaysNobody):
        requested(promise(str(uuid4())), promise(str(uuid4()), recipient="0x" + "0" * 40))
    assert sql.execute_simple("SELECT count(*) FROM payouts").rows == [[0]]
