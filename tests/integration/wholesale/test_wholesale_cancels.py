"""A wholesale account cancels its orders by the same rules as members do."""

from datetime import timedelta
from uuid import UUID

from pg8000.dbapi import Connection

from emulators.vendors import Vendors
from shared import clock, db
from shared.orders import tasks
from tests import factories
from tests.client import refusal
from tests.fakes import order_rows
from tests.fakes.dispute_rows import capture_of, heard
from tests.fakes.order_driver import OrderDriver
from tests.fakes.order_views import standing
from tests.fakes.plain_rows import unchecked
from tests.fakes.shop_client import MINT
from tests.fakes.wholesale_buyer import WholesaleBuyer

pytest_plugins = ["tests.fakes.wholesale_order_plugin"]

DISPUTED = (409, "payment-disputed")


def paid(trade: WholesaleBuyer, orders: OrderDriver) -> UUID:
    """An order that was paid by card, and that the warehouse has."""
    trade.certify()
    order_id = trade.ordered(card="ok")
    orders.deliver()
    return order_id


def test_a_wish_that_came_too_late_is_shown_as_refused(
    trade: WholesaleBuyer, orders: OrderDriver, shop_vendors: Vendors
) -> None:
    order_id = paid(trade, orders)
    (asked,) = shop_vendors.warehouse.orders()
    shop_vendors.warehouse.ship(asked.external_id, {MINT: 40})

    answer = trade.cancel(order_id)
    assert (answer.body["cancel_wanted"], answer.body["cancel_refused"]) == (True, False)
    db.atomically(tasks.fulfil_soon, UUID(asked.external_id), clock.now())
    orders.deliver()

    shown = trade.shown(order_id)
    assert (shown["status"], shown["cancel_wanted"], shown["cancel_refused"]) == ("shipped", False, True)
    assert refusal(trade.cancel(order_id)) == (409, "order-not-cancellable")


def test_an_order_whose_payment_is_disputed_is_not_cancelled(
    trade: WholesaleBuyer, orders: OrderDriver, shop_vendors: Vendors
) -> None:
    order_id = paid(trade, orders)
    made = shop_vendors.card.open_dispute(capture_of(order_id))
    heard(orders, made.id)
    assert refusal(trade.cancel(order_id)) == DISPUTED
    shop_vendors.card.change_dispute(made.id, "lost")
    heard(orders, made.id)
    assert refusal(trade.cancel(order_id)) == DISPUTED
    assert not trade.shown(order_id)["cancel_wanted"]
    shop_vendors.card.change_dispute(made.id, "won")
    heard(orders, made.id)
    assert trade.cancel(order_id).status == 200


def test_twenty_one_thousand_tins_that_are_bought_and_cancelled_bring_no_permanent_tier(
    trade: WholesaleBuyer, orders: OrderDriver, sql: Connection
) -> None:
    """Only tins that have left bring the referrer a permanent tier, thirty days later."""
    order_rows.counted(30_000, at=clock.now() + timedelta(seconds=2))
    referrer = factories.member()
    trade.certify()
    order_id = trade.ordered(21_000, card="ok")
    with unchecked(sql):
        sql.execute_unnamed(
            "UPDATE members SET referred_by_id = $1 WHERE id = (SELECT member_id FROM orders WHERE id = $2)",
            (referrer.id, order_id),
        )
    orders.deliver()
    assert trade.shown(order_id)["status"] == "confirmed"
    assert trade.cancel(order_id).status == 200
    orders.pass_time(3)
    assert standing(order_id).state == "cancelled"

    orders.advance_clock(timedelta(days=31).total_seconds())
    for name in ("sweep", "settle"):
        assert orders.invoker.schedule("sales_count", name) == 204

    assert sql.execute_simple("SELECT count(*) FROM downline_entries").rows == [[0]]
    tier = sql.execute_unnamed("SELECT permanent_tier FROM members WHERE id = $1", (referrer.id,)).rows
    assert tier == [["standard"]]
