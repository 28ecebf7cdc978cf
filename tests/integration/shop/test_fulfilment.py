"""A paid order is sent by the warehouse, once, whatever goes wrong on the way; its parcels take it to its end."""

import io
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from emulators.vendor import Fault
from emulators.vendors import Vendors
from emulators.warehouse import WarehouseStandIn
from functions.order_fulfil import store
from shared import clock, db
from shared.db import Tx
from shared.orders import fulfilments, refunds, rows, tasks
from shared.orders.refunds import RefundReason
from tests import factories
from tests.fakes import order_rows, order_views, parcel_views
from tests.fakes.order_driver import OrderDriver
from tests.fakes.order_views import standing
from tests.fakes.parcel_views import ParcelView, at_warehouse, confirmed, parcels, told
from tests.fakes.shop_client import COFFEE, MINT
from tests.logs import log_lines

pytest_plugins = ["tests.fakes.log_plugin", "tests.fakes.order_jobs_plugin"]

SILENT = (Fault.UNANSWERED, Fault.DONE_UNANSWERED, Fault.NONSENSE, Fault.DONE_NONSENSE, Fault.FOREIGN_NOT_FOUND,
          Fault.INTERNAL_ERROR, Fault.DONE_INTERNAL_ERROR, Fault.TOO_MANY_REQUESTS)  # fmt: skip
QUARTER = 16  # minutes: what the warehouse has not told is looked up by then


def said(output: io.StringIO) -> list[str]:
    """The lines by which people are woken."""
    return [line["message"] for line in log_lines(output) if line["severity"] == "ERROR"]


@pytest.fixture
def place(shop_vendors: Vendors) -> WarehouseStandIn:
    return shop_vendors.warehouse


def test_the_warehouse_is_asked_for_what_was_ordered_and_where_to(
    orders: OrderDriver, place: WarehouseStandIn, sql: Connection
) -> None:
    order = confirmed(orders)

    sent = at_warehouse(place)
    assert sent.items == {MINT: 3, COFFEE: 2}
    assert sent.asked["ship_to"] == {
        "name": "Test Member", "street_1": "12 Main Street", "street_2": "Apartment 4", "city": "New York",
        "state": "NY", "postal_code": "10001", "country": "US",
    }  # fmt: skip
    assert sql.execute_simple("SELECT CAST(id AS text), status, reference FROM fulfilments").rows == [
        [sent.external_id, "accepted", sent.id]
    ]
    assert standing(order.id).state == "confirmed"


@pytest.mark.parametrize("fault", SILENT, ids=lambda fault: fault.name)
@pytest.mark.parametrize("calls", [1, 3])
def test_calls_that_fail_are_looked_up_and_send_it_once(
    orders: OrderDriver, place: WarehouseStandIn, fault: Fault, calls: int
) -> None:
    place.fail_next(calls, fault)

    order = confirmed(orders)
    orders.pass_time(10)

    assert len(place.orders()) == 1
    assert parcel_views.fulfilments(order.id) == ["accepted"]


def test_an_order_is_packed_shipped_and_delivered(
    orders: OrderDriver, place: WarehouseStandIn, sql: Connection
) -> None:
    order = confirmed(orders)
    external_id = at_warehouse(place).external_id
    reached = []
    for act in (
        lambda: place.pack(external_id),
        lambda: place.ship(external_id),
        lambda: place.journey(at_warehouse(place).shipments[0].tracking_number, "delivered"),
    ):
        act()
        orders.pass_time(QUARTER)
        orders.advance_clock(6 * 3600)
        orders.pass_time(1)
        reached.append(standing(order.id).state)
    assert reached == ["fulfilled", "shipped", "delivered"]
    assert parcels(order.id) == [ParcelView("delivered", f"2 x {COFFEE}, 3 x {MINT}")]
    assert order_views.stock(MINT) == (97, 0)
    assert order_views.stock(COFFEE) == (98, 0)
    assert told(order.id) == ["order_confirmed", "order_shipped", "order_delivered"]
    number = at_warehouse(place).shipments[0].tracking_number
    mails = sql.execute_simple(
        "SELECT template, parameters ->> 'tracking_number', parameters ->> 'items' FROM mails ORDER BY queued_at"
    )
    assert mails.rows == [
        ["order_receipt", None, "2 x BlakJaks Coffee 3 mg, 3 x BlakJaks Mint Ice 6 mg"],
        ["order_shipped", number, "2 x BlakJaks Coffee 3 mg, 3 x BlakJaks Mint Ice 6 mg"],
        ["order_delivered", None, None],
    ]
    assert sql.execute_simple("SELECT look_at FROM fulfilments").rows == [[None]]


def test_an_order_that_leaves_in_parts_is_shipped_with_the_last(orders: OrderDriver, place: WarehouseStandIn) -> None:
    order = confirmed(orders)
    external_id = at_warehouse(place).external_id
    place.ship(external_id, {MINT: 2})
    orders.pass_time(QUARTER)
    assert standing(order.id).state == "fulfilled"
    assert order_views.stock(MINT) == (98, 1)

    place.ship(external_id)
    orders.pass_time(QUARTER)

    assert standing(order.id).state == "shipped"
    assert [parcel.tins for parcel in parcels(order.id)] == [f"2 x {MINT}", f"2 x {COFFEE}, 1 x {MINT}"]
    assert told(order.id) == ["order_confirmed", "order_shipped", "order_shipped"]
    assert order_views.stock(MINT) == (97, 0)


def test_steps_that_were_missed_are_skipped(orders: OrderDriver, place: WarehouseStandIn) -> None:
    order = confirmed(orders)
    parcel = place.ship(at_warehouse(place).external_id)
    place.journey(parcel.tracking_number, "delivered")

    orders.pass_time(QUARTER)

    assert standing(order.id).state == "delivered"
    assert told(order.id) == ["order_confirmed", "order_delivered", "order_shipped"]


def test_a_parcel_that_was_called_delivered_too_early_is_under_way(
    orders: OrderDriver, place: WarehouseStandIn
) -> None:
    """The warehouse takes its word back, and still names the moment."""
    order = confirmed(orders)
    parcel = place.ship(at_warehouse(place).external_id)
    for status in ("delivered", "in_transit"):
        place.journey(parcel.tracking_number, status)

    orders.pass_time(QUARTER)

    assert parcels(order.id)[0].status == "in_transit"
    assert standing(order.id).state == "shipped"


def test_an_order_whose_parcels_all_came_back_is_over_and_nobody_is_told_that_it_arrived(
    orders: OrderDriver, place: WarehouseStandIn
) -> None:
    order = confirmed(orders)
    parcel = place.ship(at_warehouse(place).external_id)
    place.journey(parcel.tracking_number, "returned")

    orders.pass_time(QUARTER)

    assert standing(order.id).state == "delivered"
    assert told(order.id) == ["order_confirmed", "order_shipped"]
    assert order_views.stock(MINT) == (97, 0)  # what came back lies there once it is counted


def test_what_the_warehouse_never_sends_is_paid_back_and_released(
    orders: OrderDriver, place: WarehouseStandIn, shop_vendors: Vendors
) -> None:
    order = confirmed(orders)
    external_id = at_warehouse(place).external_id
    place.ship(external_id, {MINT: 2})
    place.cancel(external_id)  # the warehouse has no more of it

    orders.pass_time(QUARTER)

    assert standing(order.id).state == "shipped"
    assert parcel_views.refunds(order.id) == ["short 3"]
    assert shop_vendors.card.total("refund") == 3 * (499 + 31)
    assert (order_views.stock(MINT), order_views.stock(COFFEE)) == ((98, 0), (100, 0))
    assert told(order.id) == ["order_confirmed", "order_shipped", "order_short"]


def test_an_order_of_which_the_warehouse_sends_nothing_is_cancelled_and_paid_back(
    orders: OrderDriver, place: WarehouseStandIn, shop_vendors: Vendors
) -> None:
    order = confirmed(orders)
    at_warehouse(place).status = "shipped"

    orders.pass_time(QUARTER + 2)

    assert standing(order.id).state == "cancelled"
    assert shop_vendors.card.total("refund") * 10_000 == order.total.micro
    assert order_views.stock(MINT) == (100, 0)
    assert told(order.id) == ["order_confirmed", "order_refunded"]


def test_a_rest_that_is_not_out_after_seven_days_is_given_up(orders: OrderDriver, place: WarehouseStandIn) -> None:
    order = confirmed(orders)
    place.ship(at_warehouse(place).external_id, {MINT: 2})
    orders.pass_time(QUARTER)
    orders.advance_clock(timedelta(days=7, minutes=-30).total_seconds())
    orders.pass_time(2)
    assert standing(order.id).state == "fulfilled"

    orders.pass_time(30)

    assert standing(order.id).state == "shipped"
    assert at_warehouse(place).status == "shipped"
    assert parcel_views.refunds(order.id) == ["short 3"]


def test_people_decide_about_an_order_that_the_warehouse_refuses(
    orders: OrderDriver, place: WarehouseStandIn, log_output: io.StringIO
) -> None:
    """It stays confirmed, and its buyer may still cancel it."""
    order = confirmed(orders)
    place.refuse(at_warehouse(place).external_id, "address_not_valid")
    orders.pass_time(QUARTER)
    orders.advance_clock(8 * 86400)
    orders.pass_time(1)
    assert parcel_views.fulfilments(order.id) == ["refused"]
    assert standing(order.id).state == "confirmed"
    assert said(log_output) == ["the warehouse does not send an order"]

    parcel_views.leave(order, orders)

    assert standing(order.id).state == "cancelled"


def test_more_tins_than_were_ordered_are_recorded_for_nobody(
    orders: OrderDriver, place: WarehouseStandIn, log_output: io.StringIO
) -> None:
    order = confirmed(orders)
    at_warehouse(place).items.update({MINT: 5, "CITRUS-6": 1})
    place.ship(at_warehouse(place).external_id)

    orders.pass_time(QUARTER)

    assert parcels(order.id) == [ParcelView("shipped", f"2 x {COFFEE}, 3 x {MINT}")]
    assert standing(order.id).state == "shipped"
    assert said(log_output) == ["the warehouse has sent what no order waits for"]


def test_a_parcel_without_news_is_lost_and_may_still_arrive(
    orders: OrderDriver, place: WarehouseStandIn, log_output: io.StringIO, sql: Connection
) -> None:
    order = confirmed(orders)
    parcel = place.ship(at_warehouse(place).external_id)
    orders.pass_time(QUARTER)
    for _ in range(14 * 4):
        orders.advance_clock(6 * 3600)
        orders.pass_time(1)
    assert parcels(order.id)[0].status == "lost"
    assert said(log_output) == ["a parcel is lost"]
    assert standing(order.id).state == "shipped"

    place.journey(parcel.tracking_number, "delivered")
    db.atomically(tasks.fulfil_soon, sql.execute_simple("SELECT id FROM fulfilments").rows[0][0], clock.now())
    orders.deliver()

    assert standing(order.id).state == "delivered"


def test_an_order_whose_lost_parcel_was_refunded_is_over(
    orders: OrderDriver, place: WarehouseStandIn, sql: Connection
) -> None:
    order = confirmed(orders)
    place.ship(at_warehouse(place).external_id)
    orders.pass_time(QUARTER)
    sql.execute_simple("UPDATE parcels SET status = 'lost'")
    for tins in ({MINT: 3, COFFEE: 1}, {COFFEE: 1}):
        orders.begin(order.id)
        assert standing(order.id).state == "shipped"
        db.atomically(give_back, order.id, tins)

    orders.begin(order.id)

    assert standing(order.id).state == "delivered"
    assert "order_delivered" not in told(order.id)


def give_back(tx: Tx, order_id: UUID, tins: Mapping[str, int]) -> None:
    held = rows.lock(tx, order_id)
    assert held is not None
    refunds.refund_tins(tx, held, rows.newest_payment(tx, order_id), tins, RefundReason.LOST, now=clock.now())


def test_no_parcel_is_lost_while_the_warehouse_does_not_answer(orders: OrderDriver, place: WarehouseStandIn) -> None:
    order = confirmed(orders)
    place.ship(at_warehouse(place).external_id)
    orders.pass_time(QUARTER)
    place.fail_next(1000, Fault.INTERNAL_ERROR)
    orders.advance_clock(20 * 86400)

    orders.pass_time(2)

    assert parcels(order.id)[0].status == "shipped"


def test_a_parcel_that_left_before_the_last_count_lowers_only_what_is_promised(
    orders: OrderDriver, place: WarehouseStandIn
) -> None:
    order = confirmed(orders)
    place.ship(at_warehouse(place).external_id)
    orders.advance_clock(60)
    order_rows.counted(50, MINT)

    orders.pass_time(QUARTER)

    assert standing(order.id).state == "shipped"
    assert order_views.stock(MINT) == (50, 0)


def test_what_is_to_be_looked_after_is_taken_by_one_sweep_longest_waiting_first(orders: OrderDriver) -> None:
    assert orders
    fulfilled = []
    for _ in range(3):
        member = factories.member()
        order_id = order_rows.placed(member, {MINT: 1}, at=clock.now())
        order_rows.paid(member, order_id)
        fulfilled.append(db.atomically(fulfilments.newest, order_id))
    now = clock.now() + timedelta(minutes=5)

    first = db.atomically(store.due, now, now + timedelta(seconds=30), 2)
    rest = db.atomically(store.due, now, now + timedelta(seconds=30), 9)

    assert sorted(first) == sorted(each.id for each in fulfilled[:2] if each)
    assert rest == [each.id for each in fulfilled[2:] if each]
    assert db.atomically(store.due, now, now, 9) == []


def test_two_sweeps_at_once_take_nothing_twice(orders: OrderDriver, sql: Connection) -> None:
    """A row that another sweep holds is left to it."""
    assert orders
    member = factories.member()
    order_rows.paid(member, order_rows.placed(member, {MINT: 1}, at=clock.now()))
    now = clock.now() + timedelta(minutes=5)
    sql.execute_simple("BEGIN")
    sql.execute_simple("SELECT FROM fulfilments FOR NO KEY UPDATE")

    assert db.atomically(store.due, now, now, 9) == []

    sql.execute_simple("ROLLBACK")
    assert len(db.atomically(store.due, now, now, 9)) == 1
