"""Tins count as sold on the day on which they left, less what was given back; and once, later, for the referrer."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from emulators.vendors import Vendors
from emulators.warehouse import WarehouseStandIn
from functions.sales_count import main
from shared import clock, db, settings
from shared.comps import sales
from shared.orders.refunds import RefundReason
from tests import factories
from tests.fakes import order_views
from tests.fakes.asked_refunds import refund_tins
from tests.fakes.order_driver import OrderDriver
from tests.fakes.parcel_views import at_warehouse, confirmed, leave
from tests.fakes.plain_rows import unchecked
from tests.fakes.shop_client import COFFEE, MINT

pytest_plugins = ["tests.fakes.order_jobs_plugin"]

QUARTER = 16  # minutes
DAY = 86_400.0


@pytest.fixture
def place(shop_vendors: Vendors) -> WarehouseStandIn:
    return shop_vendors.warehouse


def count(orders: OrderDriver) -> None:
    assert orders.invoker.schedule("sales_count", "sweep") == 204


def settle(orders: OrderDriver) -> None:
    assert orders.invoker.schedule("sales_count", "settle") == 204


def sold(sql: Connection) -> list[int]:
    """The tins of each day, first day first."""
    rows_ = sql.execute_simple("SELECT tins FROM tins_sold_daily WHERE source = 'shop' ORDER BY day").rows
    return [int(tins) for (tins,) in rows_]


def give_back(order_id: UUID, tins: int, reason: RefundReason = RefundReason.RETURNED) -> None:
    refund_tins(order_id, {MINT: tins}, reason)


def test_tins_count_on_the_day_on_which_they_left(
    orders: OrderDriver, place: WarehouseStandIn, sql: Connection
) -> None:
    confirmed(orders)
    count(orders)
    assert sold(sql) == []
    place.ship(at_warehouse(place).external_id, {MINT: 1})
    orders.pass_time(QUARTER)
    count(orders)
    assert sold(sql) == [1]
    orders.advance_clock(DAY)
    place.ship(at_warehouse(place).external_id)
    orders.pass_time(QUARTER)

    for _ in range(3):
        count(orders)

    assert sold(sql) == [1, 4]
    today = datetime.now(UTC).date()
    assert sql.execute_simple("SELECT min(day) FROM tins_sold_daily").rows[0][0] in (today, today + timedelta(days=1))


def test_what_was_given_back_is_taken_from_the_first_days(
    orders: OrderDriver, place: WarehouseStandIn, sql: Connection
) -> None:
    order = confirmed(orders)
    place.ship(at_warehouse(place).external_id, {MINT: 2})
    orders.pass_time(QUARTER)
    orders.advance_clock(DAY)
    place.ship(at_warehouse(place).external_id)
    orders.pass_time(QUARTER)
    count(orders)
    assert sold(sql) == [2, 3]

    give_back(order.id, 1)
    count(orders)
    assert sold(sql) == [1, 3]
    give_back(order.id, 2, RefundReason.FAULTY)
    count(orders)
    assert sold(sql) == [0, 2]


def test_what_never_left_was_never_sold(orders: OrderDriver, place: WarehouseStandIn, sql: Connection) -> None:
    order = confirmed(orders)
    place.ship(at_warehouse(place).external_id, {MINT: 1})
    place.cancel(at_warehouse(place).external_id)
    orders.pass_time(QUARTER)
    assert order_views.standing(order.id).state == "shipped"

    count(orders)

    assert sold(sql) == [1]


def test_a_cancelled_order_counts_nothing(orders: OrderDriver, sql: Connection) -> None:
    order = confirmed(orders)
    leave(order, orders)
    assert order_views.standing(order.id).state == "cancelled"

    count(orders)

    assert sold(sql) == []
    assert sql.execute_simple("SELECT volume_due_at FROM orders").rows == [[None]]


def test_a_run_that_dies_before_its_commit_is_made_up_for(
    orders: OrderDriver, place: WarehouseStandIn, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirmed(orders)
    place.ship(at_warehouse(place).external_id)
    orders.pass_time(QUARTER)

    def die(*_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched, db.acting_for("sales_count"):
        patched.setattr(sales, "record", die)
        with pytest.raises(ExceptionGroup):
            main.sweep(clock.now())
    assert sold(sql) == []
    assert sql.execute_simple("SELECT count(*) FROM order_tins_sold").rows == [[0]]

    count(orders)

    assert sold(sql) == [5]


def test_an_order_is_not_called_counted_while_it_is_not(
    orders: OrderDriver, place: WarehouseStandIn, sql: Connection
) -> None:
    confirmed(orders)
    place.ship(at_warehouse(place).external_id)
    orders.pass_time(QUARTER)
    with pytest.raises(Exception, match="volume_due"):
        sql.execute_simple("UPDATE orders SET volume_due_at = NULL")


def delivered(orders: OrderDriver, place: WarehouseStandIn, sql: Connection) -> tuple[UUID, UUID]:
    """An order of a member whom somebody has referred, on its way; returns its id and the referrer."""
    order, referrer = confirmed(orders), factories.member()
    with unchecked(sql):
        sql.execute_unnamed("UPDATE members SET referred_by_id = $2 WHERE id = $1", (order.member_id, referrer.id))
    place.ship(at_warehouse(place).external_id)
    orders.pass_time(QUARTER)
    return order.id, referrer.id


def downline(sql: Connection) -> list[list[object]]:
    return [list(row) for row in sql.execute_simple("SELECT source_id, affiliate_id, tins FROM downline_entries").rows]


def test_tins_count_for_the_referrer_once_thirty_days_after_they_left(
    orders: OrderDriver, place: WarehouseStandIn, sql: Connection
) -> None:
    order, referrer = delivered(orders, place, sql)
    give_back(order, 2)
    orders.advance_clock(30 * DAY - 3_600)
    settle(orders)
    assert downline(sql) == []

    orders.advance_clock(3_600)
    for _ in range(2):
        settle(orders)

    assert downline(sql) == [[f"order:{order}", referrer, 3]]
    give_back(order, 1)
    orders.advance_clock(DAY)
    settle(orders)
    assert downline(sql) == [[f"order:{order}", referrer, 3]]  # a tier stays
    with pytest.raises(Exception, match="order_settled"):
        sql.execute_simple("UPDATE orders SET settled_at = NULL")


def test_a_setting_says_after_how_many_days(orders: OrderDriver, place: WarehouseStandIn, sql: Connection) -> None:
    delivered(orders, place, sql)
    sql.execute_simple("UPDATE settings SET value = '2' WHERE name = 'tins_settle_days'")
    settings.forget()
    orders.advance_clock(2 * DAY)

    settle(orders)

    assert len(downline(sql)) == 1


def test_an_order_whose_last_parcel_left_later_waits_for_it(
    orders: OrderDriver, place: WarehouseStandIn, sql: Connection
) -> None:
    order = confirmed(orders)
    place.ship(at_warehouse(place).external_id, {COFFEE: 2})
    orders.pass_time(QUARTER)
    orders.advance_clock(6 * DAY)
    place.ship(at_warehouse(place).external_id)
    orders.pass_time(QUARTER)
    assert order_views.standing(order.id).state == "shipped"
    orders.advance_clock(25 * DAY)

    settle(orders)

    assert sql.execute_simple("SELECT settled_at FROM orders").rows == [[None]]


def test_a_buyer_whom_nobody_has_referred_counts_for_nobody(
    orders: OrderDriver, place: WarehouseStandIn, sql: Connection
) -> None:
    confirmed(orders)
    place.ship(at_warehouse(place).external_id)
    orders.pass_time(QUARTER)
    orders.advance_clock(31 * DAY)

    settle(orders)

    assert downline(sql) == []
    assert sql.execute_simple("SELECT count(*) FROM orders WHERE settled_at IS NOT NULL").rows == [[1]]
