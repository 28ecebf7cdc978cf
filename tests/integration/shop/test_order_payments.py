"""An order is paid by the card's provider, once, whatever goes wrong on the way to it and back."""

from datetime import timedelta

import pytest
from pg8000.dbapi import Connection

from emulators.vendor import Fault
from emulators.vendors import Vendors
from functions.payment_watch import main as payment_watch
from functions.payment_watch import store
from shared import clock, db
from shared.orders import machine, rows
from shared.orders.states import CancelReason
from shared.ports.card import Done
from tests.fakes import order_views
from tests.fakes.order_driver import OrderDriver
from tests.fakes.order_views import Placed, of_age, standing

pytest_plugins = ["tests.fakes.order_jobs_plugin"]

PAID = ["authorize succeeded", "capture succeeded"]
CENTS = 1378
ALL = (Fault.UNANSWERED, Fault.DONE_UNANSWERED, Fault.NONSENSE, Fault.DONE_NONSENSE, Fault.FOREIGN_NOT_FOUND,
       Fault.INTERNAL_ERROR, Fault.DONE_INTERNAL_ERROR, Fault.TOO_MANY_REQUESTS)  # fmt: skip


def leave(order: Placed) -> None:
    db.atomically(lambda tx: rows.want_cancelled(tx, order.id, CancelReason.MEMBER, clock.now()))


def test_a_card_is_charged_once_and_the_order_is_confirmed(orders: OrderDriver, shop_vendors: Vendors) -> None:
    order = of_age()

    orders.begin(order.id)

    assert standing(order.id).state == "confirmed"
    assert standing(order.id).operations == PAID
    assert shop_vendors.card.total("capture") == CENTS
    assert [each.status for each in shop_vendors.card.operations()] == ["succeeded"] * 2


def test_the_card_is_kept_sealed_until_it_is_spent_and_then_gone(orders: OrderDriver, sql: Connection) -> None:
    order = of_age(card="ok:4242")
    (sealed,) = sql.execute_simple("SELECT token FROM payments").rows[0]
    assert b"4242" not in bytes(sealed)

    orders.begin(order.id)

    assert sql.execute_simple("SELECT token FROM payments").rows == [[None]]


def test_a_declined_card_is_told_and_the_order_waits(
    orders: OrderDriver, shop_vendors: Vendors, sql: Connection
) -> None:
    order = of_age(card="declined")

    orders.begin(order.id)
    orders.pass_time(2)

    assert standing(order.id).payment == "failed"
    assert standing(order.id).state == "payment_processing"
    assert sql.execute_simple("SELECT code FROM notifications").rows == [["order_declined"]]
    assert sql.execute_simple("SELECT reason IS NOT NULL, token FROM payments").rows == [[True, None]]
    assert shop_vendors.card.total("authorize") == 0
    orders.pass_time(30)
    assert standing(order.id).state == "cancelled"
    assert order_views.stock() == (100, 0)


@pytest.mark.parametrize("fault", ALL, ids=lambda fault: fault.name)
@pytest.mark.parametrize("calls", [1, 3])
def test_calls_that_fail_are_looked_up_and_charge_once(
    orders: OrderDriver, shop_vendors: Vendors, fault: Fault, calls: int
) -> None:
    """The first call fails, done or not, or the first three: asked once, and looked up twice."""
    order = of_age()
    shop_vendors.card.fail_next(calls, fault)

    orders.begin(order.id)
    orders.pass_time(8)

    assert standing(order.id).operations == PAID
    assert standing(order.id).state == "confirmed"
    assert shop_vendors.card.total("capture") == CENTS
    assert len(shop_vendors.card.operations()) == 2


@pytest.mark.parametrize("card", ["silent-done", "silent-undone", "late", "captures-late"])
def test_a_provider_that_is_silent_or_late_is_waited_for(orders: OrderDriver, shop_vendors: Vendors, card: str) -> None:
    order = of_age(card=card)

    orders.begin(order.id)
    for _ in range(2):
        orders.pass_time(4)
        for made in shop_vendors.card.operations():
            shop_vendors.card.decide(made.id)
    orders.pass_time(1)

    assert standing(order.id).state == "confirmed"
    assert shop_vendors.card.total("capture") == CENTS


def test_a_card_whose_bank_wants_to_see_the_buyer_waits_for_them(
    orders: OrderDriver, shop_vendors: Vendors, sql: Connection
) -> None:
    order = of_age(card="action")
    orders.begin(order.id)
    ((url,),) = sql.execute_simple("SELECT action_url FROM payments").rows
    assert url.startswith(shop_vendors.card.url)
    orders.pass_time(3)
    assert standing(order.id).operations == ["authorize sent"]

    (made,) = shop_vendors.card.operations()
    assert shop_vendors.card.decide(made.id)
    orders.pass_time(1)

    assert standing(order.id).state == "confirmed"
    assert sql.execute_simple("SELECT action_url FROM payments").rows == [[None]]


def test_a_buyer_who_never_comes_back_from_the_bank_leaves_no_stock_and_no_money(
    orders: OrderDriver, shop_vendors: Vendors
) -> None:
    order = of_age(card="action")
    orders.begin(order.id)

    orders.pass_time(33)

    assert standing(order.id).state == "cancelled"
    assert standing(order.id).operations == ["authorize failed"]
    assert [each.status for each in shop_vendors.card.operations()] == ["ended"]
    assert order_views.stock() == (100, 0)


def test_an_order_that_is_cancelled_while_its_money_is_held_lets_go_of_it(
    orders: OrderDriver, shop_vendors: Vendors
) -> None:
    order = of_age(card="late")
    orders.begin(order.id)
    leave(order)
    (made,) = shop_vendors.card.operations()
    shop_vendors.card.decide(made.id)

    orders.pass_time(2)

    assert standing(order.id).state == "cancelled"
    assert standing(order.id).operations == ["authorize succeeded", "void succeeded"]
    assert shop_vendors.card.total("capture") == 0


def test_a_confirmed_order_that_is_cancelled_is_paid_back_once(orders: OrderDriver, shop_vendors: Vendors) -> None:
    order = of_age()
    orders.begin(order.id)
    leave(order)
    shop_vendors.card.fail_next(1, Fault.DONE_UNANSWERED)

    orders.pass_time(8)

    assert standing(order.id).state == "cancelled"
    assert shop_vendors.card.total("refund") == CENTS
    assert len([each for each in shop_vendors.card.operations() if each.kind == "refund"]) == 1
    assert order_views.balances() == {}


def test_a_refund_that_the_provider_refuses_stays_owed(
    orders: OrderDriver, shop_vendors: Vendors, sql: Connection
) -> None:
    order = of_age()
    orders.begin(order.id)
    shop_vendors.card.decline_next("refund")
    leave(order)

    orders.pass_time(3)

    assert standing(order.id).state == "confirmed"
    assert standing(order.id).operations == [*PAID, "refund failed"]
    assert order_views.balances()["owed:refunds"] == -order.total
    assert sql.execute_simple("SELECT refund_open, refunded FROM payments").rows == [[0, 0]]


def test_an_operation_that_the_provider_has_forgotten_is_left_to_people(
    orders: OrderDriver, shop_vendors: Vendors, sql: Connection
) -> None:
    """After a day a repetition would be done a second time."""
    order = of_age(card="silent-undone")
    orders.begin(order.id)
    sql.execute_unnamed("UPDATE orders SET expires_at = expires_at + interval '3 days' WHERE id = $1", (order.id,))
    orders.advance_clock(24 * 3600)

    orders.pass_time(3)

    assert standing(order.id).operations == ["authorize sent"]
    assert shop_vendors.card.operations() == []


def test_a_task_that_comes_twice_changes_nothing(orders: OrderDriver, shop_vendors: Vendors, sql: Connection) -> None:
    order = of_age()
    orders.begin(order.id)
    ids = [str(one) for (one,) in sql.execute_simple("SELECT id FROM payment_operations").rows]

    for operation in ids * 2:
        assert orders.invoker.task("payment_watch", "payment-watch", {"operation_id": operation}) == 204

    assert len(shop_vendors.card.operations()) == 2
    assert order_views.balances()["takings:card"] == order.total


def test_an_answer_that_two_workers_bring_is_recorded_once(orders: OrderDriver, sql: Connection) -> None:
    """Both have asked before either has recorded the provider's word."""
    order = of_age()
    orders.begin(order.id)
    leave(order)
    orders.pass_time(2)
    ((refund, reference),) = sql.execute_simple(
        "SELECT id, reference FROM payment_operations WHERE kind = 'refund'"
    ).rows

    db.atomically(payment_watch._record, refund, Done(reference, order.total), "lookup", clock.now())

    assert sql.execute_unnamed("SELECT evidence FROM payment_operations WHERE id = $1", (refund,)).rows == [["reply"]]
    assert order_views.balances() == {}


def test_an_answer_of_another_amount_is_not_believed(orders: OrderDriver, shop_vendors: Vendors) -> None:
    order = of_age(card="silent-done")
    orders.begin(order.id)
    (made,) = shop_vendors.card.operations()
    made.amount -= 1

    orders.pass_time(3)

    assert standing(order.id).operations == ["authorize sent"]
    assert standing(order.id).state == "payment_processing"


def test_an_unknown_operation_or_order_is_hopeless_and_not_tried_again(orders: OrderDriver, sql: Connection) -> None:
    nobody = {"operation_id": "00000000-0000-4000-8000-000000000000"}
    assert orders.invoker.task("payment_watch", "payment-watch", nobody) == 204
    lost = {"order_id": "00000000-0000-4000-8000-000000000000"}
    assert orders.invoker.task("order_advance", "order-advance", lost) == 204
    assert sql.execute_simple("SELECT count(*) FROM job_faults").rows == [[2]]


def test_what_is_due_is_taken_longest_waiting_first_and_is_not_due_again_soon(orders: OrderDriver) -> None:
    placed = [of_age() for _ in range(3)]
    for order in placed:
        db.atomically(machine.advance, order.id, clock.now())
    now = clock.now() + timedelta(minutes=5)

    first = db.atomically(store.due, now, now + timedelta(seconds=30), 2)
    rest = db.atomically(store.due, now, now + timedelta(seconds=30), 9)

    assert (len(first), len(rest)) == (2, 1)
    assert db.atomically(store.due, now, now, 9) == []
    assert orders
