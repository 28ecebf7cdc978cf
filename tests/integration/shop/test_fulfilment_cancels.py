"""A paid order is cancelled when the warehouse says that it sends nothing; then everything is paid back, once."""

from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from emulators.vendor import Fault
from emulators.vendors import Vendors
from emulators.warehouse import WarehouseStandIn
from functions.order_fulfil import main as order_fulfil
from shared import clock, db
from shared.events import FulfilOrder
from shared.orders import tasks
from shared.ports import warehouse
from tests import factories
from tests.client import Client, refusal
from tests.factories import Somebody
from tests.fakes import order_views, parcel_views
from tests.fakes.order_client import OrderClient
from tests.fakes.order_driver import OrderDriver
from tests.fakes.order_views import Placed, standing
from tests.fakes.parcel_views import at_warehouse, confirmed, leave, told
from tests.fakes.shop_client import COFFEE, MINT

pytest_plugins = ["tests.fakes.order_jobs_plugin"]

NEVER = 1e6  # seconds: a packed order is stopped by the test
QUARTER = 16  # minutes


@pytest.fixture
def place(shop_vendors: Vendors) -> WarehouseStandIn:
    return shop_vendors.warehouse


def is_paid_back(order: Placed, vendors: Vendors) -> bool:
    """True if the provider has paid everything back, and nothing is left of the order."""
    returned = vendors.card.total("refund") * 10_000 == order.total.micro
    return returned and order_views.balances() == {} and standing(order.id).state == "cancelled"


@pytest.mark.parametrize("packed", [False, True], ids=["accepted", "packed"])
def test_the_warehouse_cancels_and_then_everything_is_paid_back(
    orders: OrderDriver, place: WarehouseStandIn, shop_vendors: Vendors, *, packed: bool
) -> None:
    order = confirmed(orders)
    place.later_seconds = NEVER
    if packed:
        place.pack(at_warehouse(place).external_id)
        orders.pass_time(QUARTER)
        assert standing(order.id).state == "fulfilled"

    leave(order, orders)
    if packed:
        orders.pass_time(QUARTER)
        assert (standing(order.id).state, shop_vendors.card.total("refund")) == ("fulfilled", 0)
        place.stop_packed(at_warehouse(place).external_id)
        orders.pass_time(2)

    assert at_warehouse(place).status == "cancelled"
    assert parcel_views.fulfilments(order.id) == ["cancelled"]
    assert is_paid_back(order, shop_vendors)
    assert (order_views.stock(MINT), order_views.stock(COFFEE)) == ((100, 0), (100, 0))
    assert told(order.id) == ["order_confirmed", "order_refunded"]


def test_a_packed_order_that_leaves_though_it_was_told_to_be_cancelled_is_not_paid_back(
    orders: OrderDriver, place: WarehouseStandIn, shop_vendors: Vendors
) -> None:
    order = confirmed(orders)
    place.later_seconds = NEVER
    place.pack(at_warehouse(place).external_id)
    leave(order, orders)
    place.ship(at_warehouse(place).external_id)
    orders.pass_time(2)
    assert (standing(order.id).state, shop_vendors.card.total("refund")) == ("shipped", 0)
    assert "order_not_cancelled" in told(order.id)


def test_nothing_is_paid_back_before_the_warehouse_has_answered(
    orders: OrderDriver, place: WarehouseStandIn, shop_vendors: Vendors
) -> None:
    order = confirmed(orders)
    place.fail_next(1, Fault.UNANSWERED)
    leave(order, orders)
    assert standing(order.id).state == "confirmed"
    assert shop_vendors.card.total("refund") == 0

    orders.pass_time(QUARTER)

    assert is_paid_back(order, shop_vendors)


def test_what_nobody_has_sent_ends_without_the_warehouse(
    orders: OrderDriver, place: WarehouseStandIn, shop_vendors: Vendors
) -> None:
    order = order_views.place()
    order_views.accept_age(order.member_id)
    db.atomically(tasks.advance_soon, order.id, clock.now())
    orders.deliver(lost="order_fulfil")
    assert parcel_views.fulfilments(order.id) == ["recorded"]

    leave(order, orders)

    assert is_paid_back(order, shop_vendors)
    assert place.orders() == []
    assert parcel_views.fulfilments(order.id) == ["cancelled"]


def test_an_order_that_the_warehouse_has_never_heard_of_is_given_to_it_and_cancelled(
    orders: OrderDriver, place: WarehouseStandIn, shop_vendors: Vendors
) -> None:
    """Its submission may still be under way: once the id is used, it changes nothing any more."""
    place.fail_next(1, Fault.UNANSWERED)
    order = confirmed(orders)
    assert parcel_views.fulfilments(order.id) == ["sent"]
    leave(order, orders)
    orders.pass_time(4)
    assert standing(order.id).state == "confirmed"

    orders.pass_time(4)

    assert is_paid_back(order, shop_vendors)
    assert at_warehouse(place).status == "cancelled"


def test_an_order_that_has_left_meanwhile_goes_on_and_the_wish_is_answered_once(
    orders: OrderDriver, place: WarehouseStandIn, shop_vendors: Vendors
) -> None:
    order = confirmed(orders)
    place.ship(at_warehouse(place).external_id)

    leave(order, orders)
    leave(order, orders)
    orders.pass_time(QUARTER)

    assert standing(order.id).state == "shipped"
    assert shop_vendors.card.total("refund") == 0
    assert told(order.id) == ["order_confirmed", "order_not_cancelled", "order_shipped"]


def test_of_an_order_that_has_left_in_part_the_rest_is_paid_back(orders: OrderDriver, place: WarehouseStandIn) -> None:
    order = confirmed(orders)
    place.ship(at_warehouse(place).external_id, {MINT: 1})

    leave(order, orders)
    orders.pass_time(2)

    assert standing(order.id).state == "shipped"
    assert parcel_views.refunds(order.id) == ["short 4"]
    assert (order_views.stock(MINT), order_views.stock(COFFEE)) == ((99, 0), (100, 0))


def test_an_answer_of_before_takes_nothing_back(
    orders: OrderDriver, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that began before the cancel is answered after it."""
    order = confirmed(orders)
    (fulfilment,) = sql.execute_simple("SELECT id FROM fulfilments").rows[0]
    before = warehouse.find(fulfilment)
    leave(order, orders)

    with monkeypatch.context() as patched:
        patched.setattr(warehouse, "find", lambda _: before)
        order_fulfil.fulfil(FulfilOrder(fulfilment_id=fulfilment), clock.now())

    assert parcel_views.fulfilments(order.id) == ["cancelled"]
    assert standing(order.id).state == "cancelled"


def test_a_parcel_of_what_the_warehouse_had_cancelled_is_recorded_for_nobody(
    orders: OrderDriver, place: WarehouseStandIn, shop_vendors: Vendors, sql: Connection
) -> None:
    """Also while the money is still on its way back, and the tins are promised."""
    order = confirmed(orders)
    shop_vendors.card.fail_next(1, Fault.UNANSWERED)
    leave(order, orders)
    assert parcel_views.fulfilments(order.id) == ["cancelled"]
    assert standing(order.id).state == "confirmed"
    at_warehouse(place).status = "accepted"
    place.ship(at_warehouse(place).external_id)
    (fulfilment,) = sql.execute_simple("SELECT id FROM fulfilments").rows[0]

    with db.acting_for("order_fulfil"):
        order_fulfil.fulfil(FulfilOrder(fulfilment_id=fulfilment), clock.now())
    orders.pass_time(QUARTER)

    assert parcel_views.parcels(order.id) == []
    assert is_paid_back(order, shop_vendors)


@pytest.fixture
def buyer() -> Somebody:
    return factories.member()


def test_a_member_cancels_until_it_has_left(
    orders: OrderDriver, place: WarehouseStandIn, client: Client, buyer: Somebody
) -> None:
    member = OrderClient(buyer, client(buyer.token))
    kept, gone = (order_views.place(buyer, {MINT: 2}) for _ in range(2))
    order_views.accept_age(buyer.id)
    for order in (kept, gone):
        orders.begin(order.id)
    sent = {each.external_id: each for each in place.orders()}
    assert len(sent) == 2

    assert member.cancel(kept.id).body["cancel_wanted"]
    orders.deliver()
    (open_one,) = [each for each in place.orders() if each.status == "accepted"]
    parcel = place.ship(open_one.external_id, {MINT: 1})
    db.atomically(tasks.fulfil_soon, UUID(open_one.external_id), clock.now())
    orders.deliver()

    assert member.order(kept.id)["status"] == "cancelled"
    assert refusal(member.cancel(gone.id)) == (409, "order-not-cancellable")
    seen = member.order(gone.id)
    assert (seen["status"], seen["partly_shipped"], seen["cancel_wanted"]) == ("fulfilled", True, False)
    (shown,) = seen["parcels"]
    assert (shown["tracking_number"], shown["status"]) == (parcel.tracking_number, "shipped")
    assert shown["items"] == [{"sku": MINT, "quantity": 1}]
