"""The pools get their shares of a sale once, by the order's state, and give them back with what is refunded."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection
from pg8000.exceptions import DatabaseError

from functions.sale_accrue import main, store
from shared import clock, db
from shared.comps import awards
from shared.db import ConstraintViolated, Tx
from shared.ledger import journals
from shared.orders import books, refunds, rows, tasks
from shared.orders.refunds import RefundReason
from shared.orders.rows import Order
from shared.orders.states import CancelReason
from shared.values.money import ZERO, Usdt
from tests import factories
from tests.factories import Somebody
from tests.fakes import accrual_rows, order_rows, order_views
from tests.fakes.accrual_rows import Paid, accrue, is_due, pools, totals
from tests.fakes.comp_records import award_for
from tests.fakes.crashes import Crash, crash
from tests.fakes.lock_waits import run_blocked
from tests.fakes.order_driver import OrderDriver
from tests.fakes.order_views import bought

pytest_plugins = ["tests.fakes.order_jobs_plugin"]

GOODS = Usdt.of("9.98")  # two tins
PROFIT = Usdt.of("5.98")  # they cost us 4.00
SHARES = {
    "pool:member": Usdt.of("2.99"),
    "pool:affiliate": Usdt.of("0.299"),
    "pool:wholesale": Usdt.of("0.299"),
    "profit:shop": Usdt.of("-3.588"),
}
FIRST = (1, GOODS, 2, PROFIT)
TAKEN_BACK = (2, ZERO, 0, ZERO)
AT_ONCE = 16
JOURNALS = "SELECT count(*) FROM ledger_journals WHERE ref LIKE 'accrual:%'"


@pytest.fixture
def stocked(database: str) -> None:
    assert database
    order_rows.counted(100)


@pytest.fixture
def order(stocked: None) -> Paid:
    assert stocked is None
    return accrual_rows.paid()


def journals_posted(sql: Connection) -> int:
    return int(sql.execute_simple(JOURNALS).rows[0][0])


def leave(order_id: UUID) -> None:
    db.atomically(lambda tx: rows.want_cancelled(tx, order_id, CancelReason.MEMBER, clock.now()))


def test_a_paid_order_gives_half_and_twice_a_twentieth_of_its_profit(orders: OrderDriver) -> None:
    order_id = bought(orders).id

    assert pools() == SHARES
    assert totals(order_id) == [FIRST]
    assert not is_due(order_id)


def test_a_refund_takes_all_back_from_when_it_is_recorded(orders: OrderDriver, sql: Connection) -> None:
    order_id = bought(orders).id
    leave(order_id)
    db.atomically(lambda tx: tasks.advance_soon(tx, order_id, clock.now()))
    orders.deliver()

    assert pools() == {}
    assert totals(order_id) == [FIRST, TAKEN_BACK]
    assert journals_posted(sql) == 2


def test_a_refund_that_the_provider_has_not_paid_counts(order: Paid) -> None:
    accrue(order.id)
    order_rows.refunded(order.id, order.payment_id, is_done=False)
    assert is_due(order.id)
    accrue(order.id)
    assert pools() == {}
    assert totals(order.id) == [FIRST, TAKEN_BACK]


def test_an_amount_takes_back_its_part_of_the_goods_and_keeps_the_tins(order: Paid) -> None:
    """72 cents of each dollar pay for goods; the other 28 pay for shipping and taxes."""
    accrue(order.id)
    accrual_rows.give_back(order, Usdt.of("1.00"))
    accrue(order.id)
    assert totals(order.id) == [FIRST, (2, Usdt.of("9.26"), 2, Usdt.of("5.26"))]
    assert pools()["pool:member"] == Usdt.of("2.63")
    accrual_rows.give_back(order)
    accrue(order.id)
    assert totals(order.id)[2:] == [(3, ZERO, 0, ZERO)]
    assert pools() == {}


def test_a_refunded_tin_takes_back_its_price_and_counts_no_more(order: Paid) -> None:
    accrue(order.id)
    accrual_rows.give_back_tins(order, 1)
    accrue(order.id)
    assert totals(order.id) == [FIRST, (2, Usdt.of("4.99"), 1, Usdt.of("2.99"))]


def test_what_is_refunded_before_it_accrued_gives_nothing(order: Paid, sql: Connection) -> None:
    accrual_rows.give_back(order)
    accrue(order.id)
    assert totals(order.id) == [(1, ZERO, 0, ZERO)]
    assert (pools(), journals_posted(sql), is_due(order.id)) == ({}, 0, False)


def test_an_order_that_was_never_paid_gives_nothing(orders: OrderDriver, sql: Connection) -> None:
    placed = order_views.place(card="declined")
    order_views.accept_age(placed.member_id)
    orders.begin(placed.id)
    leave(placed.id)
    orders.pass_time(2)
    accrue(placed.id)

    assert order_views.standing(placed.id).state == "cancelled"
    assert totals(placed.id) == []
    assert (pools(), journals_posted(sql), is_due(placed.id)) == ({}, 0, False)


def test_goods_that_cost_more_than_they_brought_give_and_take_nothing(stocked: None, sql: Connection) -> None:
    assert stocked is None
    order = accrual_rows.paid(cost=Usdt.of("5.00"))
    accrue(order.id)
    assert totals(order.id) == [(1, GOODS, 2, ZERO)]
    accrual_rows.give_back(order)
    accrue(order.id)
    assert totals(order.id) == [(1, GOODS, 2, ZERO), TAKEN_BACK]
    assert (pools(), journals_posted(sql)) == ({}, 0)


def test_a_task_that_comes_again_changes_nothing(orders: OrderDriver, sql: Connection) -> None:
    order_id = bought(orders).id
    for _ in range(3):
        assert orders.invoker.task("sale_accrue", "sale-accrue", {"order_id": str(order_id)}) == 204
    orders.pass_time(2)
    assert totals(order_id) == [FIRST]
    assert (pools(), journals_posted(sql)) == (SHARES, 1)


def test_an_unknown_order_is_given_up(orders: OrderDriver, sql: Connection) -> None:
    assert orders.invoker.task("sale_accrue", "sale-accrue", {"order_id": str(uuid4())}) == 204
    assert sql.execute_simple("SELECT job FROM job_faults").rows == [["sale_accrue"]]


def test_sixteen_at_once_are_one_row(order: Paid, sql: Connection) -> None:
    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(lambda _: accrue(order.id), range(AT_ONCE)))
    assert totals(order.id) == [FIRST]
    assert (pools(), journals_posted(sql)) == (SHARES, 1)


def test_a_refund_beside_accruals_ends_at_nothing(order: Paid) -> None:
    """Whichever comes first: the last accrual follows the refund, or the order is noted as due."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        refund = threads.submit(accrual_rows.give_back, order)
        list(threads.map(lambda _: accrue(order.id), range(AT_ONCE)))
        refund.result()
    assert is_due(order.id) == (pools() != {})
    accrue(order.id)
    assert (pools(), is_due(order.id)) == ({}, False)


KILLED = {
    "before the transaction": (db, "atomically", False),
    "before the row": (store, "insert", False),
    "after the row": (store, "insert", True),
    "before the journal": (journals, "post", False),
    "after the journal": (journals, "post", True),
    "after the commit": (db, "atomically", True),
}


@pytest.mark.parametrize(("owner", "name", "after"), KILLED.values(), ids=KILLED)
def test_a_job_that_is_killed_is_done_again_by_the_next(
    order: Paid, sql: Connection, owner: object, name: str, *, after: bool
) -> None:
    with crash(owner, name, at=1, after=after) as happened, pytest.raises(Crash):
        accrue(order.id)
    assert happened()
    is_committed = after and owner is db
    assert journals_posted(sql) == len(sql.execute_simple("SELECT 1 FROM sale_accruals").rows) == int(is_committed)
    assert is_due(order.id) != is_committed

    accrue(order.id)

    assert totals(order.id) == [FIRST]
    assert (pools(), journals_posted(sql)) == (SHARES, 1)


def test_a_task_that_is_lost_is_queued_by_the_sweep_after_a_minute(orders: OrderDriver, sql: Connection) -> None:
    order = accrual_rows.paid()
    lost = "SELECT count(*) FROM outbox WHERE function = 'sale_accrue'"
    orders.sweep()
    assert (sql.execute_simple(lost).rows, is_due(order.id)) == ([[0]], True)

    orders.pass_time(2)

    assert (totals(order.id), is_due(order.id)) == ([FIRST], False)
    orders.pass_time(3)
    assert sql.execute_simple(lost).rows == [[1]]


def test_sale_and_refund_queue_their_task_in_their_own_transaction(order: Paid) -> None:
    def work(tx: Tx, book: Callable[[Order], None]) -> int:
        held = rows.lock(tx, order.id)
        assert held
        book(held)
        return tx.scalar(int, "SELECT count(*) FROM outbox WHERE body ->> 'order_id' = :id", id=str(order.id))

    def sale(tx: Tx, held: Order) -> None:
        books.book_sale(tx, held, rows.newest_payment(tx, order.id), clock.now())

    def refund(tx: Tx, held: Order) -> None:
        refunds.refund_rest(tx, held, rows.newest_payment(tx, order.id), RefundReason.CANCELLED, clock.now())

    assert db.atomically(lambda tx: work(tx, lambda held: sale(tx, held))) == 0  # it is booked
    assert db.atomically(lambda tx: work(tx, lambda held: refund(tx, held))) == 1
    assert db.atomically(lambda tx: work(tx, lambda held: refund(tx, held))) == 1


# --------------------------------------------------------------------------------------------------- beside the scans
def award(winner: Somebody, amount: Usdt, *, lock_timeout: str = "5s") -> None:
    """Award a prize as a scan does, with the match of whoever referred the winner; no wait for a lock may be longer."""

    def work(tx: Tx) -> None:
        tx.scalar(str, "SELECT set_config('lock_timeout', :timeout, true)", timeout=lock_timeout)
        given = award_for(winner, amount, source=str(uuid4()))
        awards.award(tx, given, clock.now())

    db.atomically(work)


def test_no_award_waits_for_an_accrual_that_is_not_committed(order: Paid) -> None:
    """Each award comes to another shard of the pools, and all shards are there."""
    winner = factories.member(referred_by=factories.member())
    for number in range(AT_ONCE):
        lines = dict.fromkeys(("owed:member", "owed:affiliate", "pool:wholesale"), Usdt(1))
        lines |= {"pool:member": Usdt(-1), "pool:affiliate": Usdt(-1), "profit:shop": Usdt(-1)}
        db.atomically(journals.post, f"warm:{number}", lines, clock.now())
    with db.transaction() as tx:
        assert main.bring_up_to_date(tx, order.id, clock.now())
        tx.run("SELECT 1")  # takes the journal along
        for _ in range(2 * AT_ONCE):
            award(winner, Usdt.of(1), lock_timeout="50ms")
    assert totals(order.id) == [FIRST]
    assert pools()["pool:member"] == SHARES["pool:member"] - Usdt.of(1) * 2 * AT_ONCE - Usdt(AT_ONCE)


def test_an_accrual_and_an_award_in_one_shard_do_not_wait_for_each_other_in_turn(order: Paid, sql: Connection) -> None:
    """They share the pool of members alone: the prize's match is on an account of its own."""
    winner = factories.member(referred_by=factories.member())

    def prize(tx: Tx) -> None:
        _in_one_shard(tx)
        awards.award(tx, award_for(winner, Usdt.of(1), source=str(uuid4())), clock.now())
        tx.run("SELECT 1")

    def accrue_there(tx: Tx) -> None:
        _in_one_shard(tx)
        main.bring_up_to_date(tx, order.id, clock.now())

    run_blocked(sql, prize, lambda: db.atomically(accrue_there), before_the_end=prize)
    assert totals(order.id) == [FIRST]
    assert pools()["pool:affiliate"] == SHARES["pool:affiliate"]


def _in_one_shard(tx: Tx) -> None:
    tx.scalar(str, "SELECT set_config('ledger.forced_shard', '3', true)")


def test_accruals_and_awards_at_once_end_well(stocked: None) -> None:
    assert stocked is None
    made = [accrual_rows.paid() for _ in range(8)]
    winners = [factories.member(referred_by=factories.member()) for _ in range(8)]
    works: list[Callable[[], None]] = []
    for one, winner in zip(made, winners, strict=True):
        works += [partial(accrue, one.id), partial(award, winner, Usdt.of(1))]
    with ThreadPoolExecutor(len(works)) as threads:
        for done in [threads.submit(work) for work in works]:
            done.result()
    assert pools() == {
        "pool:member": SHARES["pool:member"] * 8 - Usdt.of(8),
        "pool:affiliate": SHARES["pool:affiliate"] * 8,
        "pool:wholesale": SHARES["pool:wholesale"] * 8,
        "profit:shop": SHARES["profit:shop"] * 8,
    }


# ------------------------------------------------------------------------------------------------------ what is refused
ROW = """
    INSERT INTO sale_accruals (order_id, sequence, turnover, tins, cost_per_tin, profit, member, affiliate, wholesale,
                               accrued_at)
    VALUES (:order_id, :sequence, :turnover, 2, 2000000, :profit, :member, :affiliate, :affiliate, :now)
    """


def put(
    order_id: UUID, posted: Mapping[str, Usdt], sequence: int = 1, turnover: Usdt = GOODS, member: Usdt | None = None
) -> None:
    """Write a row by hand, with a journal of these lines."""

    def work(tx: Tx) -> None:
        now, profit = clock.now(), turnover - Usdt.of("4.00")
        tx.run(
            ROW, order_id=order_id, sequence=sequence, turnover=turnover, profit=profit,
            member=member or profit.percent(50), affiliate=profit.percent(5), now=now,
        )  # fmt: skip
        if posted:
            journals.post(tx, f"accrual:{order_id}:{sequence}", posted, now)

    db.atomically(work)


TOO_MUCH = {**SHARES, "pool:wholesale": Usdt.of("0.30"), "profit:shop": Usdt.of("-3.589")}
TOO_FEW = {"pool:member": Usdt.of("2.99"), "pool:affiliate": Usdt.of("0.598"), "profit:shop": Usdt.of("-3.588")}
REFUSED: Mapping[str, tuple[str, Mapping[str, Usdt], Mapping[str, Any]]] = {
    "without a journal": ("accrual_posted", {}, {}),
    "with another amount in the ledger": ("accrual_posted", TOO_MUCH, {}),
    "without one of the pools": ("accrual_posted", TOO_FEW, {}),
    "of what was not sold": ("accrual_state", SHARES, {"turnover": Usdt.of("10.98")}),
    "out of sequence": ("accrual_sequence", SHARES, {"sequence": 2}),
    "with another share": ("sale_accruals_shares", SHARES, {"member": Usdt.of("3.00")}),
}


@pytest.mark.parametrize(("rule", "posted", "row"), REFUSED.values(), ids=REFUSED)
def test_the_schema_refuses_a_row(order: Paid, rule: str, posted: Mapping[str, Usdt], row: Mapping[str, Any]) -> None:
    with pytest.raises(ConstraintViolated) as refused:
        put(order.id, posted, **row)
    assert db.rule_of(refused.value) == rule
    assert pools() == {}


def test_the_schema_takes_the_right_row_and_keeps_it(order: Paid, sql: Connection) -> None:
    put(order.id, SHARES)
    assert totals(order.id) == [FIRST]
    for change in ("UPDATE sale_accruals SET tins = 1", "DELETE FROM sale_accruals"):
        with pytest.raises(DatabaseError) as refused:
            sql.execute_simple(change)
        assert refused.value.args[0]["n"] == "append_only"


def test_an_order_stays_noted_as_due_until_its_last_row_is_what_it_gives(order: Paid) -> None:
    for _ in range(2):
        with pytest.raises(ConstraintViolated) as refused:
            db.atomically(store.settle, order.id)
        assert db.rule_of(refused.value) == "accrual_due"
        accrue(order.id)
        db.atomically(store.settle, order.id)
        if not totals(order.id)[-1][2]:
            return
        accrual_rows.give_back(order)
    raise AssertionError("the refund has not accrued")


def test_an_order_whose_sale_is_not_booked_stays_due_and_gives_nothing(stocked: None, sql: Connection) -> None:
    assert stocked is None
    order_id = order_views.place().id
    sql.execute_unnamed("UPDATE orders SET accrual_due_at = $1 WHERE id = $2", (clock.now(), order_id))
    accrue(order_id)
    assert (totals(order_id), is_due(order_id)) == ([], True)
    with pytest.raises(ConstraintViolated) as refused:
        db.atomically(store.settle, order_id)
    assert db.rule_of(refused.value) == "accrual_due"
