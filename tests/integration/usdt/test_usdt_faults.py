"""Watchers that die, meet or are told lies, and nodes that lag: a deposit is booked once, and never from a lie."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from functions.deposit_watch import main as deposit_watch
from functions.deposit_watch import store
from functions.reconciliation import main as reconciliation
from shared import clock, db
from shared.db import ConstraintViolated, Tx
from shared.orders import machine as orders
from shared.orders import rows
from shared.orders.states import CancelReason
from shared.payouts import machine as payouts
from shared.payouts.states import Promise
from shared.values.money import Usdt
from tests.fakes.crashes import killed_after
from tests.fakes.lock_waits import run_blocked
from tests.fakes.usdt_driver import EXCHANGE, MICRO, WALLET, UsdtDriver, micro, wanted

pytest_plugins = ["tests.fakes.usdt_plugin"]

WATCHERS = 4
TRANSACTIONS_MAX = 30
NEGLECTED_SECONDS = 11 * 60


def rule_of(refused: pytest.ExceptionInfo[ConstraintViolated]) -> str:
    return str(refused.value.constraint)


def test_killed_after_each_transaction_it_ends_the_same(usdt: UsdtDriver) -> None:
    order = usdt.order()
    usdt.send(wanted(order) + 2 * MICRO)
    usdt.nodes.finish()

    for transactions in range(TRANSACTIONS_MAX):
        with killed_after(transactions):
            deposit_watch.sweep(clock.now())

    usdt.watch()
    assert usdt.seen(order)["status"] == "confirmed"
    assert usdt.pay_out() == [(WALLET, 2 * MICRO)]
    assert usdt.books()["treasury:shop"] == wanted(order)
    assert usdt.one("SELECT count(*) FROM usdt_deposits") == 1


def test_an_order_that_was_paid_and_whose_task_was_lost_is_confirmed_by_the_sweep(usdt: UsdtDriver) -> None:
    order = usdt.order()
    usdt.send(wanted(order))
    usdt.nodes.finish()
    deposit_watch.sweep(clock.now())
    usdt.sql.execute_simple("DELETE FROM outbox WHERE function = 'order_advance'")
    assert usdt.seen(order)["status"] == "payment_processing"

    usdt.advance_clock(NEGLECTED_SECONDS)
    usdt.sweep("order_advance")

    assert usdt.seen(order)["status"] == "confirmed"


def test_watchers_that_meet_book_a_deposit_once(usdt: UsdtDriver) -> None:
    order = usdt.order()
    usdt.send(wanted(order) + 2 * MICRO)
    usdt.nodes.finish()

    with ThreadPoolExecutor(WATCHERS) as threads:
        list(threads.map(lambda _: deposit_watch.sweep(clock.now()), range(WATCHERS)))

    usdt.watch()
    assert usdt.seen(order)["status"] == "confirmed"
    assert usdt.pay_out() == [(WALLET, 2 * MICRO)]
    assert usdt.one("SELECT received FROM usdt_requests") == wanted(order) + 2 * MICRO


def test_a_deposit_that_meets_the_end_of_its_request_waits_and_goes_back(usdt: UsdtDriver) -> None:
    order = usdt.order()
    usdt.send(5 * MICRO)
    usdt.watch()
    usdt.send(3 * MICRO)
    usdt.nodes.finish()
    deposit_watch._read()
    (deposit,) = db.atomically(store.unbooked, 10)

    def end(tx: Tx) -> None:
        rows.want_cancelled(tx, UUID(order["id"]), CancelReason.MEMBER, clock.now())
        orders.advance(tx, UUID(order["id"]), clock.now())

    run_blocked(usdt.sql, end, lambda: deposit_watch._book_one(deposit), before_the_end=lambda _: None)

    returned = usdt.sql.execute_simple("SELECT reason, amount FROM usdt_returns ORDER BY reason").rows
    assert [list(row) for row in returned] == [["late", 3 * MICRO], ["unused", 5 * MICRO]]


def test_what_the_reconciliation_has_read_is_found_as_well(usdt: UsdtDriver) -> None:
    order = usdt.order()
    usdt.send(wanted(order))
    usdt.nodes.finish()

    reconciliation.daily(clock.now())
    usdt.sweep("deposit_watch")

    assert usdt.seen(order)["status"] == "confirmed"


@pytest.mark.parametrize("fault", ["silent", "hides", "behind"])
def test_what_one_node_does_not_tell_is_not_believed(usdt: UsdtDriver, fault: str) -> None:
    order = usdt.order()
    transfer = usdt.send(wanted(order))
    usdt.nodes.finish()
    setattr(usdt.nodes.other, fault, {"silent": True, "hides": {transfer}, "behind": 11}[fault])

    usdt.sweep("deposit_watch")
    before = usdt.seen(order)["status"]
    setattr(usdt.nodes.other, fault, {"silent": False, "hides": set(), "behind": 0}[fault])
    usdt.sweep("deposit_watch")

    assert (before, usdt.seen(order)["status"]) == ("payment_processing", "confirmed")


def test_a_transfer_that_a_fork_takes_away_was_only_seen(usdt: UsdtDriver) -> None:
    order = usdt.order()
    usdt.send(wanted(order))
    usdt.sweep("deposit_watch")
    seen = usdt.seen(order)["payment"]["usdt"]["seen"]

    usdt.nodes.deposits.pop()
    usdt.nodes.chain.reorganise(1)
    usdt.watch()

    assert seen == wanted(order) / MICRO
    assert usdt.seen(order)["payment"]["usdt"]["seen"] == 0
    assert usdt.seen(order)["status"] == "payment_processing"


def test_without_an_answer_of_the_chain_refunds_go_on(usdt: UsdtDriver) -> None:
    order = usdt.order()
    usdt.send(wanted(order))
    usdt.watch()
    usdt.nodes.one.silent = True

    usdt.buyer.cancel(order["id"])
    usdt.deliver()

    assert usdt.one("SELECT amount FROM payouts WHERE source_kind = 'refund'") == micro(order["total"])


def test_a_payment_that_is_read_after_the_end_but_was_final_before_it_counts(usdt: UsdtDriver) -> None:
    """The sweep of orders comes first: it must wait for the chain."""
    order = usdt.order()
    usdt.send(wanted(order))
    usdt.advance_clock(121 * 60)
    usdt.nodes.chain.mine(12)

    usdt.sweep("order_advance", "deposit_watch", "order_advance")

    assert usdt.seen(order)["status"] == "confirmed"


def test_the_schema_refuses_an_end_before_the_chain_is_read(usdt: UsdtDriver) -> None:
    usdt.order()

    with pytest.raises(ConstraintViolated) as refused:
        db.atomically(lambda tx: tx.run("UPDATE orders SET cancel_wanted_at = now(), cancel_reason = 'expired'"))

    assert rule_of(refused) == "usdt_unread"


def test_the_schema_refuses_a_refund_that_nobody_has_recorded(usdt: UsdtDriver) -> None:
    order = usdt.order()
    usdt.send(wanted(order) + MICRO)
    usdt.watch()
    back = str(usdt.one("SELECT id FROM usdt_returns"))
    usdt.sql.execute_simple("SET session_replication_role = replica; DELETE FROM payouts")

    for treasury, source, amount, to in (
        ("shop", order["id"], MICRO, WALLET),
        ("shop", back, MICRO + 1, WALLET),
        ("shop", back, MICRO, EXCHANGE),
        ("member", back, MICRO, WALLET),
    ):
        promise = Promise(treasury, "refund", source, to, Usdt(amount), None, "refund", "another")
        with pytest.raises(ConstraintViolated) as refused:
            db.atomically(payouts.request, promise, clock.now())
        assert rule_of(refused) == "refund_payout"


def test_the_schema_counts_a_deposit_once_and_no_more_than_has_come(usdt: UsdtDriver) -> None:
    order = usdt.order()
    usdt.send(wanted(order))
    usdt.watch()

    with pytest.raises(ConstraintViolated):
        db.atomically(lambda tx: tx.run("UPDATE usdt_deposits SET payment_id = NULL, matched_by = NULL"))
    with pytest.raises(ConstraintViolated):
        db.atomically(lambda tx: tx.run("UPDATE usdt_deposits SET booked_at = now() + interval '1 second'"))
    with pytest.raises(ConstraintViolated):
        db.atomically(lambda tx: tx.run("UPDATE usdt_requests SET returned = 1"))
    with pytest.raises(ConstraintViolated):
        db.atomically(lambda tx: tx.run("UPDATE usdt_requests SET closed_at = NULL"))
    assert usdt.one("SELECT count(*) FROM usdt_deposits WHERE outcome = 'counted'") == 1
