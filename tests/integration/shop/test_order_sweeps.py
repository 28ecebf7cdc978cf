"""The sweep of orders finds what was left behind, and what people must decide takes nobody's turn."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from pg8000.dbapi import Connection

from emulators.vendors import Vendors
from functions.order_advance import store
from shared import clock, db
from shared.orders import rows
from shared.orders.addresses import DeliveryAddress
from shared.orders.states import CancelReason
from tests.fakes import order_views
from tests.fakes.order_driver import OrderDriver
from tests.fakes.order_views import Placed, of_age, standing

pytest_plugins = ["tests.fakes.order_jobs_plugin"]


def leave(order: Placed) -> None:
    db.atomically(rows.want_cancelled, order.id, CancelReason.MEMBER, clock.now())


def found(find: Callable[..., object]) -> object:
    return db.atomically(find, clock.now() + timedelta(hours=3), 1)


def stuck_with_its_money(orders: OrderDriver, shop_vendors: Vendors) -> Placed:
    """An order that is over, while its provider refuses to let go of the money."""
    order = of_age()
    shop_vendors.card.decline_next("capture")
    shop_vendors.card.decline_next("void")
    orders.begin(order.id)
    assert standing(order.id).operations == ["authorize succeeded", "capture failed", "void failed"]
    return order


def test_a_refund_that_people_must_pay_takes_no_other_orders_turn(orders: OrderDriver, shop_vendors: Vendors) -> None:
    stuck = of_age()
    orders.begin(stuck.id)
    shop_vendors.card.decline_next("refund")
    leave(stuck)
    orders.pass_time(2)
    assert standing(stuck.id).operations[-1] == "refund failed"
    lost = of_age()
    leave(lost)

    assert found(store.leaving) == [lost.id]


@pytest.mark.parametrize("find", [store.leaving, store.overdue], ids=["leaving", "overdue"])
def test_money_that_is_not_let_go_of_takes_no_other_orders_turn(
    orders: OrderDriver, shop_vendors: Vendors, find: Callable[..., object]
) -> None:
    stuck = stuck_with_its_money(orders, shop_vendors)
    orders.pass_time(32)
    assert standing(stuck.id).state == "payment_processing"
    lost = of_age()
    if find is store.leaving:
        leave(lost)

    assert found(find) == [lost.id]


def test_a_payment_that_is_not_let_go_of_takes_no_other_payments_turn(
    orders: OrderDriver, shop_vendors: Vendors, sql: Connection
) -> None:
    stuck_with_its_money(orders, shop_vendors)
    lost = of_age()
    sql.execute_unnamed(
        "UPDATE orders SET state = 'payment_processing', age_check_id = "
        "(SELECT id FROM age_checks WHERE member_id = $2) WHERE id = $1", (lost.id, lost.member_id),
    )  # fmt: skip

    assert found(store.unasked_payments) == [lost.id]


def test_a_check_that_nobody_waits_for_any_more_is_not_looked_for(orders: OrderDriver, sql: Connection) -> None:
    photo = DeliveryAddress("Ann Photo", "12 Main Street", "", "Springfield", "IL", "62704")
    given_up = order_views.place(address=photo)
    orders.begin(given_up.id)
    orders.pass_time(62)
    assert standing(given_up.id).state == "cancelled"
    assert sql.execute_simple("SELECT status FROM age_checks").rows == [["pending"]]
    waiting = order_views.place(address=photo)
    orders.begin(waiting.id)

    assert found(store.unseen_checks) == [waiting.id]
