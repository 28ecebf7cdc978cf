"""A dispute stops what has not left the warehouse, until it is won; and nothing is paid back twice."""

from collections.abc import Callable

import pytest

from emulators.card_books import CardDispute
from emulators.vendors import Vendors
from functions.payment_watch import disputes
from shared import clock
from tests import factories
from tests.client import FunctionClient, refusal
from tests.fakes import order_rows, order_views, parcel_views
from tests.fakes.dispute_rows import capture_of, heard
from tests.fakes.order_admins import order_admin
from tests.fakes.order_driver import OrderDriver
from tests.fakes.order_views import Placed, bought, standing
from tests.fakes.shop_client import MINT

pytest_plugins = ["tests.fakes.order_jobs_plugin"]

SOON = 3  # minutes: the warehouse is asked to cancel, and has answered
HOUR = 62
NEVER = 1e6  # seconds


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


def test_what_the_warehouse_stops_only_after_the_dispute_was_won_is_sent_again(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    (asked,) = shop_vendors.warehouse.orders()
    shop_vendors.warehouse.later_seconds = NEVER
    shop_vendors.warehouse.pack(asked.external_id)
    made = opened(orders, shop_vendors, order)
    orders.pass_time(SOON)
    assert (parcel_views.fulfilments(order.id), standing(order.id).state) == (["packed"], "fulfilled")
    decided(orders, shop_vendors, made, "won")
    shop_vendors.warehouse.stop_packed(asked.external_id)
    orders.pass_time(SOON)
    assert parcel_views.fulfilments(order.id) == ["cancelled", "accepted"]
    assert (standing(order.id).state, order_views.stock()) == ("fulfilled", (100, 2))


def test_what_was_stopped_is_sent_when_the_money_comes_back_after_the_dispute_was_won(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    made = opened(orders, shop_vendors, order)
    orders.pass_time(SOON)
    made.status = "won"  # the provider gives the money back a day later
    heard(orders, made.id)
    orders.pass_time(SOON)
    assert parcel_views.fulfilments(order.id) == ["cancelled"]
    decided(orders, shop_vendors, made, "won")
    orders.pass_time(SOON)
    assert parcel_views.fulfilments(order.id) == ["cancelled", "accepted"]


def test_what_the_warehouse_gave_up_by_itself_during_a_dispute_is_for_people(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    (asked,) = shop_vendors.warehouse.orders()
    shop_vendors.warehouse.cancel(asked.external_id)
    orders.pass_time(HOUR)
    assert parcel_views.fulfilments(order.id) == ["cancelled"]
    decided(orders, shop_vendors, opened(orders, shop_vendors, order), "won")
    orders.pass_time(SOON)
    assert parcel_views.fulfilments(order.id) == ["cancelled"]


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


def test_people_cancel_a_disputed_order_once_the_dispute_is_decided(
    client: Callable[..., FunctionClient], orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    """After a lost dispute they must, so that its tins are sold again."""
    admin = order_admin(client)
    made = opened(orders, shop_vendors, order)
    assert refusal(admin.cancel(order.id)) == (409, "payment-disputed")
    assert not admin.order(order.id)["cancel_wanted"]
    decided(orders, shop_vendors, made, "lost")
    assert admin.cancel(order.id).status == 200
    orders.deliver()
    assert (standing(order.id).state, order_views.stock()) == ("cancelled", (100, 0))


def test_what_is_disputed_is_not_left_to_be_refunded(
    client: Callable[..., FunctionClient], orders: OrderDriver, shop_vendors: Vendors
) -> None:
    admin, unpaid = order_admin(client), order_views.place()
    assert admin.order(unpaid.id)["left"] == 0
    order = bought(orders)
    assert admin.order(order.id)["left"] == 13.78
    made = opened(orders, shop_vendors, order)
    assert admin.order(order.id)["left"] == 0
    decided(orders, shop_vendors, made, "won")
    assert admin.order(order.id)["left"] == 13.78
