"""People have sent an order by hand; then come its rest, refunds, disputes, and late words of the warehouse."""

import io
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from emulators.vendor import Fault
from emulators.vendors import Vendors
from emulators.warehouse import Parcel
from functions.payment_watch import disputes
from shared import clock, db
from shared.orders import rows, tasks
from shared.orders.states import CancelReason
from tests.client import FunctionClient, refusal
from tests.fakes import order_views, parcel_views
from tests.fakes.dispute_rows import capture_of, heard
from tests.fakes.order_admins import PATH, OrderAdmin, order_admin, signed_in_again
from tests.fakes.order_driver import OrderDriver
from tests.fakes.order_views import Placed, standing
from tests.fakes.parcel_views import ParcelView, at_warehouse, confirmed, parcels, told
from tests.fakes.shop_client import COFFEE, MINT
from tests.logs import log_lines

pytest_plugins = ["tests.fakes.log_plugin", "tests.fakes.order_jobs_plugin"]

WEEK = timedelta(days=7)


@pytest.fixture
def admin(client: Callable[..., FunctionClient], orders: OrderDriver) -> OrderAdmin:
    assert orders
    return order_admin(client)


@pytest.fixture
def order(orders: OrderDriver, shop_vendors: Vendors) -> Placed:
    """A paid order of three tins of one product and two of another, which the warehouse has refused."""
    placed = confirmed(orders)
    parcel_views.refused(orders, shop_vendors.warehouse, placed.id)
    return placed


def asked(orders: OrderDriver, fulfilment_id: object) -> None:
    """A message of the warehouse about a fulfilment arrives."""
    db.atomically(tasks.fulfil_soon, UUID(str(fulfilment_id)), clock.now())
    orders.deliver()


def sold(sql: Connection) -> list[int]:
    found = sql.execute_simple("SELECT tins FROM tins_sold_daily WHERE source = 'shop' ORDER BY day").rows
    return [int(tins) for (tins,) in found]


# ----------------------------------------------------------------------------------------------------------- the rest
def test_a_rest_that_nobody_sends_within_seven_days_is_paid_back(
    admin: OrderAdmin, orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    admin.ship(order.id, tins={MINT: 2})
    orders.advance_clock((WEEK - timedelta(minutes=5)).total_seconds())
    orders.pass_time(2)
    assert (standing(order.id).state, parcel_views.refunds(order.id)) == ("fulfilled", [])

    orders.pass_time(5)

    assert (standing(order.id).state, parcel_views.refunds(order.id)) == ("shipped", ["short 3"])
    assert shop_vendors.card.total("refund") == 3 * (499 + 31)
    assert (order_views.stock(MINT), order_views.stock(COFFEE)) == ((98, 0), (100, 0))
    assert parcel_views.fulfilments(order.id) == ["refused", "cancelled"]
    assert told(order.id) == ["order_confirmed", "order_shipped", "order_short"]


def test_a_lost_task_is_made_up_for_when_the_rest_is_given_up(
    admin: OrderAdmin, orders: OrderDriver, order: Placed
) -> None:
    admin.ship(order.id, tins={MINT: 2})
    orders.advance_clock(WEEK.total_seconds())
    assert orders.invoker.schedule("order_fulfil", "sweep") == 204
    orders.deliver(lost="order_fulfil")
    assert parcel_views.refunds(order.id) == []
    orders.pass_time(2)
    assert parcel_views.refunds(order.id) == ["short 3"]


def test_after_seven_days_nothing_more_is_sent(
    admin: OrderAdmin, client: Callable[..., FunctionClient], orders: OrderDriver, order: Placed
) -> None:
    admin.ship(order.id, tins={MINT: 2})
    orders.advance_clock(WEEK.total_seconds())
    orders.pass_time(2)
    assert refusal(signed_in_again(admin, client).ship(order.id)) == (409, "order-not-shippable")
    assert parcels(order.id) == [ParcelView("shipped", f"2 x {MINT}")]


# ------------------------------------------------------------------------------------------- resend, cancel, refunds
def test_what_people_have_begun_to_send_is_not_given_to_the_warehouse_again(
    admin: OrderAdmin, orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    admin.ship(order.id, tins={MINT: 2})
    again = admin.client.post(f"{PATH}/{order.id}/resend", {"reason": "It is there again"})
    assert refusal(again) == (409, "order-not-resendable")
    orders.pass_time(20)
    assert len(shop_vendors.warehouse.orders()) == 1


def test_what_was_given_to_the_warehouse_again_is_not_sent_by_hand(
    admin: OrderAdmin, orders: OrderDriver, order: Placed
) -> None:
    admin.client.post(f"{PATH}/{order.id}/resend", {"reason": "It is there again"})
    assert refusal(admin.ship(order.id)) == (409, "fulfilment-not-refused")
    orders.deliver()
    assert refusal(admin.ship(order.id)) == (409, "fulfilment-not-refused")


def test_an_order_of_which_people_have_sent_a_part_is_not_cancelled(
    admin: OrderAdmin, orders: OrderDriver, order: Placed
) -> None:
    admin.ship(order.id, tins={MINT: 2})
    assert refusal(admin.cancel(order.id)) == (409, "order-not-cancellable")

    db.atomically(rows.want_cancelled, order.id, CancelReason.MEMBER, clock.now())  # noted beside it
    orders.begin(order.id)

    assert standing(order.id).state == "fulfilled"
    assert told(order.id) == ["order_confirmed", "order_shipped", "order_not_cancelled"]
    assert admin.ship(order.id).body["status"] == "shipped"


def test_a_parcel_that_arrives_while_a_wish_to_cancel_waits_refuses_the_wish(admin: OrderAdmin, order: Placed) -> None:
    admin.ship(order.id, tins={MINT: 2})
    parcel = admin.order(order.id)["fulfilments"][-1]["parcels"][0]["id"]
    db.atomically(rows.want_cancelled, order.id, CancelReason.MEMBER, clock.now())

    assert admin.tell_parcel(order.id, parcel, "delivered").status == 200

    assert standing(order.id).state == "fulfilled"
    assert told(order.id) == ["order_confirmed", "order_shipped", "order_not_cancelled"]


def test_only_tins_that_people_have_sent_are_refunded(
    admin: OrderAdmin, orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    admin.ship(order.id, tins={MINT: 2})
    assert refusal(admin.refund(order.id, tins={MINT: 3})) == (409, "tins-not-sent")
    assert admin.refund(order.id, tins={MINT: 2}).status == 201
    orders.advance_clock(WEEK.total_seconds())
    orders.pass_time(2)
    assert parcel_views.refunds(order.id) == ["faulty 2", "short 3"]
    assert shop_vendors.card.total("refund") == 5 * (499 + 31)


# ----------------------------------------------------------------------------------------------- the warehouse's words
def test_a_late_word_of_the_warehouse_sends_nothing_twice(
    admin: OrderAdmin, orders: OrderDriver, order: Placed, shop_vendors: Vendors, log_output: io.StringIO
) -> None:
    """It says that it has sent what it had refused, after people have sent it."""
    admin.ship(order.id)
    late = at_warehouse(shop_vendors.warehouse)
    late.status = "shipped"
    late.shipments.append(Parcel("USPS", "9400111", "shipped", clock.now().isoformat(), None, {MINT: 3, COFFEE: 2}))

    asked(orders, late.external_id)

    assert parcels(order.id) == [ParcelView("shipped", f"2 x {COFFEE}, 3 x {MINT}")]
    assert parcel_views.fulfilments(order.id) == ["refused", "shipped"]
    assert (order_views.stock(MINT), standing(order.id).state) == ((97, 0), "shipped")
    assert told(order.id) == ["order_confirmed", "order_shipped"]
    assert "the warehouse has sent what no order waits for" in [
        line["message"] for line in log_lines(log_output) if line["severity"] == "ERROR"
    ]


def test_the_warehouse_is_never_asked_about_what_people_send(
    admin: OrderAdmin, orders: OrderDriver, order: Placed, shop_vendors: Vendors, sql: Connection
) -> None:
    admin.ship(order.id, tins={MINT: 2})
    ((by_hand,),) = sql.execute_simple("SELECT id FROM fulfilments WHERE by_hand").rows
    shop_vendors.warehouse.fail_next(1, Fault.INTERNAL_ERROR)
    for _ in range(3):
        asked(orders, by_hand)
        orders.pass_time(20)
    assert shop_vendors.warehouse.next_fault() is Fault.INTERNAL_ERROR  # for a call, and there was none
    assert parcel_views.fulfilments(order.id) == ["refused", "packed"]
    assert sql.execute_simple("SELECT answered_at = sent_at FROM fulfilments WHERE by_hand").rows == [[True]]


# ----------------------------------------------------------------------------------------------- disputes, lost parcels
def test_the_rest_of_a_disputed_order_waits_and_is_sent_once_the_dispute_is_won(
    admin: OrderAdmin, orders: OrderDriver, order: Placed, shop_vendors: Vendors, sql: Connection
) -> None:
    admin.ship(order.id, tins={MINT: 2})
    made = shop_vendors.card.open_dispute(capture_of(order.id))
    heard(orders, made.id)
    orders.pass_time(3)
    assert refusal(admin.ship(order.id)) == (409, "payment-disputed")
    assert parcel_views.fulfilments(order.id) == ["refused", "packed"]
    assert sql.execute_simple("SELECT cancel_wanted_at FROM fulfilments WHERE by_hand").rows == [[None]]
    shop_vendors.card.change_dispute(made.id, "won")
    heard(orders, made.id)
    assert admin.ship(order.id).body["status"] == "shipped"


def test_a_rest_that_is_given_up_while_it_is_disputed_is_paid_back_when_the_dispute_is_won(
    admin: OrderAdmin, orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    admin.ship(order.id, tins={MINT: 2})
    made = shop_vendors.card.open_dispute(capture_of(order.id))
    disputes.look(made.id)
    orders.advance_clock(WEEK.total_seconds())
    orders.pass_time(2)
    assert parcel_views.fulfilments(order.id) == ["refused", "cancelled"]
    assert (parcel_views.refunds(order.id), order_views.stock(MINT)) == ([], (98, 1))
    shop_vendors.card.change_dispute(made.id, "won")
    heard(orders, made.id)
    assert (parcel_views.refunds(order.id), order_views.stock(MINT)) == (["short 3"], (98, 0))
    assert standing(order.id).state == "shipped"


def test_a_parcel_of_which_nobody_has_said_anything_for_14_days_is_lost(
    admin: OrderAdmin, orders: OrderDriver, order: Placed, log_output: io.StringIO, sql: Connection
) -> None:
    admin.ship(order.id)
    orders.advance_clock(timedelta(days=14, minutes=-5).total_seconds())
    orders.pass_time(2)
    assert parcels(order.id)[0].status == "shipped"
    orders.pass_time(5)
    assert parcels(order.id)[0].status == "lost"
    assert [line["message"] for line in log_lines(log_output)].count("a parcel is lost") == 1
    assert standing(order.id).state == "shipped"
    assert sql.execute_simple("SELECT look_at FROM fulfilments WHERE by_hand").rows == [[None]]


# ------------------------------------------------------------------------------------------------------ what it causes
def test_tins_that_people_have_sent_are_sold_and_count_for_the_referrer(
    admin: OrderAdmin, orders: OrderDriver, order: Placed, sql: Connection
) -> None:
    assert orders.invoker.schedule("sales_count", "sweep") == 204
    assert sold(sql) == []
    admin.ship(order.id, tins={MINT: 2})
    assert orders.invoker.schedule("sales_count", "sweep") == 204
    assert sold(sql) == [2]
    admin.ship(order.id)
    assert orders.invoker.schedule("sales_count", "sweep") == 204
    assert sold(sql) == [5]

    orders.advance_clock(timedelta(days=31).total_seconds())
    assert orders.invoker.schedule("sales_count", "settle") == 204

    assert sql.execute_simple("SELECT settled_at IS NOT NULL FROM orders").rows == [[True]]
