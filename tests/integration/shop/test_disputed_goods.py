"""A dispute stops what has not left the warehouse, until it is won; and nothing is paid back twice."""

from collections.abc import Callable
from uuid import UUID

import pytest

from emulators.card_books import CardDispute
from emulators.vendor import Fault
from emulators.vendors import Vendors
from functions.payment_watch import disputes
from shared import clock, db
from shared.orders import tasks
from tests import factories
from tests.client import FunctionClient, refusal
from tests.fakes import order_rows, order_views, parcel_views
from tests.fakes.dispute_rows import bought, capture_of, heard
from tests.fakes.order_admins import order_admin
from tests.fakes.order_driver import OrderDriver
from tests.fakes.order_views import Placed, standing
from tests.fakes.shop_client import MINT

pytest_plugins = ["tests.fakes.order_jobs_plugin"]

SOON = 3  # minutes: the warehouse is asked to cancel, and has answered
HOUR = 62


@pytest.fixture
def order(orders: OrderDriver) -> Placed:
    return bought(orders)


def opened(orders: OrderDriver, vendors: Vendors, order: Placed) -> CardDispute:
    """A dispute of the order, which we have looked at."""
    made = vendors.card.open_dispute(capture_of(order.id))
    heard(orders, made.id)
    return made


def decided(orders: OrderDriver, vendors: Vendors, dispute: CardDispute, state: str) -> None:
    vendors.card.change_dispute(dispute.id, state)
    heard(orders, dispute.id)


def sent(vendors: Vendors, tins: int) -> None:
    """Have the warehouse send so many tins of its only order."""
    (asked,) = vendors.warehouse.orders()
    vendors.warehouse.ship(asked.external_id, {MINT: tins})


def test_what_was_not_given_to_the_warehouse_waits_until_the_dispute_is_won(
    orders: OrderDriver, shop_vendors: Vendors
) -> None:
    who = factories.member()
    order_id = order_rows.placed(who, {MINT: 2}, at=clock.now())
    order_rows.paid(who, order_id)
    made = shop_vendors.card.books.open(str(capture_of(order_id)), 1378, inquiry=False, withdraw=True)
    disputes.look(made.id)  # before the fulfilment's task comes
    orders.pass_time(SOON)
    assert parcel_views.fulfilments(order_id) == ["recorded"]
    assert shop_vendors.warehouse.orders() == []
    decided(orders, shop_vendors, made, "won")
    orders.pass_time(HOUR)
    assert parcel_views.fulfilments(order_id) == ["accepted"]


def test_what_lies_at_the_warehouse_is_stopped_and_sent_when_the_dispute_is_won(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    made = opened(orders, shop_vendors, order)
    orders.pass_time(SOON)
    assert parcel_views.fulfilments(order.id) == ["cancelled"]
    assert (standing(order.id).state, order_views.stock()) == ("confirmed", (100, 2))
    decided(orders, shop_vendors, made, "won")
    orders.pass_time(SOON)
    assert parcel_views.fulfilments(order.id) == ["cancelled", "accepted"]
    assert shop_vendors.card.total("refund") == 0


def test_what_was_packed_is_stopped_and_sent_when_the_dispute_is_won(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    (asked,) = shop_vendors.warehouse.orders()
    shop_vendors.warehouse.pack(asked.external_id)
    db.atomically(tasks.fulfil_soon, UUID(asked.external_id), clock.now())
    orders.deliver()
    assert standing(order.id).state == "fulfilled"
    made = opened(orders, shop_vendors, order)
    orders.pass_time(SOON)
    assert parcel_views.fulfilments(order.id) == ["cancelled"]
    decided(orders, shop_vendors, made, "won")
    orders.pass_time(SOON)
    assert parcel_views.fulfilments(order.id) == ["cancelled", "accepted"]
    assert (standing(order.id).state, shop_vendors.card.total("refund")) == ("fulfilled", 0)


def test_what_the_warehouse_stops_after_the_dispute_is_won_is_sent_after_all(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    shop_vendors.warehouse.fail_next(1, Fault.UNANSWERED)  # it has not heard that it is to cancel
    made = opened(orders, shop_vendors, order)
    decided(orders, shop_vendors, made, "won")
    orders.pass_time(HOUR)
    assert parcel_views.fulfilments(order.id) == ["cancelled", "accepted"]


def test_the_rest_of_a_disputed_order_is_paid_back_only_when_the_dispute_is_won(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    sent(shop_vendors, 1)
    made = opened(orders, shop_vendors, order)
    orders.pass_time(SOON)
    assert parcel_views.fulfilments(order.id) == ["shipped"]  # and no more of it
    assert (parcel_views.refunds(order.id), order_views.stock()) == ([], (99, 1))
    decided(orders, shop_vendors, made, "won")
    orders.pass_time(SOON)
    assert (parcel_views.refunds(order.id), order_views.stock()) == (["short 1"], (99, 0))
    assert (standing(order.id).state, shop_vendors.card.total("refund")) == ("shipped", 530)


def test_the_rest_of_an_order_whose_money_is_gone_is_released_and_not_paid_back(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    sent(shop_vendors, 1)
    made = opened(orders, shop_vendors, order)
    orders.pass_time(SOON)
    decided(orders, shop_vendors, made, "lost")
    orders.pass_time(SOON)
    assert (parcel_views.refunds(order.id), order_views.stock()) == ([], (99, 0))
    assert (standing(order.id).state, shop_vendors.card.total("refund")) == ("shipped", 0)


def test_an_order_that_has_left_is_disputed_without_a_word_to_the_warehouse(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    parcel_views.sent(orders, shop_vendors.warehouse, order.id)
    made = opened(orders, shop_vendors, order)
    orders.pass_time(SOON)
    decided(orders, shop_vendors, made, "won")
    orders.pass_time(SOON)
    assert (parcel_views.fulfilments(order.id), standing(order.id).state) == (["shipped"], "shipped")


def test_people_refund_nothing_of_a_disputed_order(
    client: Callable[..., FunctionClient], orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    parcel_views.sent(orders, shop_vendors.warehouse, order.id)
    admin = order_admin(client)
    made = opened(orders, shop_vendors, order)
    assert refusal(admin.refund(order.id, tins={MINT: 1})) == (409, "payment-disputed")
    decided(orders, shop_vendors, made, "won")
    assert admin.refund(order.id, tins={MINT: 1}).status == 201
