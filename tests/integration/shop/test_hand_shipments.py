"""Admins send an order themselves that the warehouse has refused; its parcels are as those of the warehouse."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from emulators.vendors import Vendors
from functions.payment_watch import disputes
from shared import clock, db
from shared.orders import rows, tasks
from shared.orders.states import CancelReason
from tests import factories
from tests.client import Answer, FunctionClient, refusal
from tests.fakes import order_views, parcel_views
from tests.fakes.dispute_rows import capture_of
from tests.fakes.order_admins import OrderAdmin, order_admin
from tests.fakes.order_driver import OrderDriver
from tests.fakes.order_views import Placed, standing
from tests.fakes.parcel_views import ParcelView, confirmed, parcels, told
from tests.fakes.shop_client import COFFEE, MINT

pytest_plugins = ["tests.fakes.order_jobs_plugin"]

Client = Callable[..., FunctionClient]

AT_ONCE = 16
NUMBER = "1Z999AA10123456784"


@pytest.fixture
def admin(client: Client, orders: OrderDriver) -> OrderAdmin:
    assert orders
    return order_admin(client)


@pytest.fixture
def order(orders: OrderDriver, shop_vendors: Vendors) -> Placed:
    """A paid order of three tins of one product and two of another, which the warehouse has refused."""
    placed = confirmed(orders)
    parcel_views.refused(orders, shop_vendors.warehouse, placed.id)
    return placed


def faults(answer: Answer) -> list[tuple[str, str]]:
    assert (answer.status, answer.problem) == (422, "not-valid"), answer.body
    return [(fault["field"], fault["message"]) for fault in answer.body["errors"]]


# ---------------------------------------------------------------------------------------------------- what is sent
def test_everything_that_is_left_leaves_in_one_commit_and_is_told(
    admin: OrderAdmin, order: Placed, shop_vendors: Vendors, sql: Connection
) -> None:
    answer = admin.ship(order.id, tracking_number=" 1z999-aa1 0123456784 ", carrier="UPS")

    assert (answer.status, answer.body["status"]) == (200, "shipped")
    assert parcels(order.id) == [ParcelView("shipped", f"2 x {COFFEE}, 3 x {MINT}")]
    assert (order_views.stock(MINT), order_views.stock(COFFEE)) == ((97, 0), (98, 0))
    assert told(order.id) == ["order_confirmed", "order_shipped"]
    mails = sql.execute_simple(
        "SELECT parameters ->> 'carrier', parameters ->> 'tracking_number', parameters ->> 'items' FROM mails "
        "WHERE template = 'order_shipped'"
    )
    assert mails.rows == [["UPS", NUMBER, "2 x BlakJaks Coffee 3 mg, 3 x BlakJaks Mint Ice 6 mg"]]
    assert len(shop_vendors.warehouse.orders()) == 1  # the one that it has refused


def test_a_part_leaves_and_the_rest_later(admin: OrderAdmin, order: Placed) -> None:
    first = admin.ship(order.id, tins={MINT: 2}).body
    assert (first["status"], order_views.stock(MINT), order_views.stock(COFFEE)) == ("fulfilled", (98, 1), (100, 2))

    second = admin.ship(order.id).body

    assert (second["status"], order_views.stock(MINT)) == ("shipped", (97, 0))
    assert [parcel.tins for parcel in parcels(order.id)] == [f"2 x {MINT}", f"2 x {COFFEE}, 1 x {MINT}"]
    assert parcel_views.fulfilments(order.id) == ["refused", "shipped"]
    assert told(order.id) == ["order_confirmed", "order_shipped", "order_shipped"]


def test_admins_and_the_member_see_who_has_sent_what_and_why(
    admin: OrderAdmin, client: Client, orders: OrderDriver, shop_vendors: Vendors, sql: Connection
) -> None:
    who = factories.member()
    order = order_views.bought(orders, who, {MINT: 3, COFFEE: 2})
    parcel_views.refused(orders, shop_vendors.warehouse, order.id)

    shown = admin.ship(order.id, tracking_number=NUMBER, tins={MINT: 3}).body
    refused, by_hand = shown["fulfilments"]
    (parcel,) = by_hand["parcels"]
    assert [(each["by_hand"], each["status"]) for each in (refused, by_hand)] == [(False, "refused"), (True, "packed")]
    assert (parcel["sent_by"], parcel["reason"]) == (str(admin.who.id), "The warehouse has none")
    assert parcel["lines"] == [{"sku": MINT, "tins": 3}]
    assert sql.execute_simple("SELECT action, changes FROM audit_logs").rows == [
        ["order.ship", {"parcel_id": parcel["id"], "carrier": "UPS", "tracking_number": NUMBER, "tins": {MINT: 3},
                        "reason": "The warehouse has none"}]
    ]  # fmt: skip
    assert ("act", "order.ship", "The warehouse has none") in [
        (entry["kind"], entry["what"], entry["reason"]) for entry in shown["diary"]
    ]
    seen = client(who.token).get(f"/v1/orders/{order.id}").body
    (told_,) = seen["parcels"]
    assert (told_["carrier"], told_["tracking_number"], told_["items"]) == (
        "UPS",
        NUMBER,
        [{"sku": MINT, "quantity": 3}],
    )
    assert (seen["status"], seen["partly_shipped"]) == ("fulfilled", True)


def test_an_order_that_the_warehouse_cancelled_by_itself_is_sent_by_hand(
    admin: OrderAdmin, orders: OrderDriver, shop_vendors: Vendors
) -> None:
    placed = confirmed(orders)
    asked = parcel_views.at_warehouse(shop_vendors.warehouse).external_id
    shop_vendors.warehouse.cancel(asked)
    db.atomically(tasks.fulfil_soon, UUID(asked), clock.now())
    orders.deliver()
    assert parcel_views.fulfilments(placed.id) == ["cancelled"]
    assert admin.ship(placed.id).body["status"] == "shipped"


def test_an_order_that_was_packed_and_then_refused_is_sent_by_hand(
    admin: OrderAdmin, orders: OrderDriver, shop_vendors: Vendors
) -> None:
    placed = confirmed(orders)
    place = shop_vendors.warehouse
    asked = parcel_views.at_warehouse(place).external_id
    place.pack(asked)
    db.atomically(tasks.fulfil_soon, UUID(asked), clock.now())
    orders.deliver()
    assert standing(placed.id).state == "fulfilled"
    parcel_views.refused(orders, place, placed.id)
    assert admin.ship(placed.id).body["status"] == "shipped"


# ------------------------------------------------------------------------------------------------- what is refused
def test_nothing_is_sent_while_the_warehouse_may_still_send_it(admin: OrderAdmin, orders: OrderDriver) -> None:
    placed = confirmed(orders)
    answer = admin.ship(placed.id)
    assert (refusal(answer), answer.body["fulfilment_status"]) == ((409, "fulfilment-not-refused"), "accepted")
    assert parcels(placed.id) == []


def test_an_order_that_is_not_paid_or_has_left_is_not_sent(admin: OrderAdmin, order: Placed) -> None:
    assert refusal(admin.ship(order_views.place().id)) == (409, "order-not-shippable")
    assert admin.ship(order.id).status == 200
    assert refusal(admin.ship(order.id)) == (409, "order-not-shippable")
    assert len(parcels(order.id)) == 1


def test_an_order_that_is_to_be_cancelled_is_not_sent(admin: OrderAdmin, orders: OrderDriver, order: Placed) -> None:
    db.atomically(rows.want_cancelled, order.id, CancelReason.MEMBER, clock.now())
    assert refusal(admin.ship(order.id)) == (409, "order-not-shippable")
    orders.begin(order.id)
    assert standing(order.id).state == "cancelled"
    assert refusal(admin.ship(order.id)) == (409, "order-not-shippable")


def test_a_disputed_order_is_not_sent_until_the_dispute_is_won(
    admin: OrderAdmin, order: Placed, shop_vendors: Vendors
) -> None:
    made = shop_vendors.card.open_dispute(capture_of(order.id))
    disputes.look(made.id)
    assert refusal(admin.ship(order.id)) == (409, "payment-disputed")
    shop_vendors.card.change_dispute(made.id, "won")
    disputes.look(made.id)
    assert admin.ship(order.id).status == 200


def test_nothing_is_sent_while_a_refund_waits_or_once_everything_was_paid_back(
    admin: OrderAdmin, client: Client, orders: OrderDriver, shop_vendors: Vendors
) -> None:
    placed = order_views.bought(orders, tins={MINT: 40})
    parcel_views.refused(orders, shop_vendors.warehouse, placed.id)
    asked = admin.refund(placed.id, amount=150).body
    assert (asked["status"], refusal(admin.ship(placed.id))) == ("waiting", (409, "refund-undecided"))
    second = order_admin(client)
    assert second.approve(placed.id, asked["id"]).status == 200
    rest = admin.refund(placed.id, amount=admin.order(placed.id)["left"]).body
    assert rest["status"] == "recorded"
    assert refusal(admin.ship(placed.id)) == (409, "order-not-shippable")
    assert parcels(placed.id) == []


def test_what_is_sent_is_named_rightly(admin: OrderAdmin, order: Placed) -> None:
    assert faults(admin.ship(order.id, tins={MINT: 4})) == [("/tins/0/tins", "must not be more than 3")]
    assert faults(admin.ship(order.id, tins={"CITRUS-6": 1})) == [("/tins/0/sku", "is not in this order")]
    twice = [{"sku": MINT, "tins": 1}, {"sku": MINT, "tins": 1}]
    assert [field for field, _ in faults(admin.ship(order.id, tins=twice))] == ["/tins"]
    for number in ("", "12345", "A" * 41, "1Z 99 äöü"):
        assert [field for field, _ in faults(admin.ship(order.id, tracking_number=number))] == ["/tracking_number"]
    assert [field for field, _ in faults(admin.ship(order.id, carrier="ups"))] == ["/carrier"]
    assert (parcels(order.id), order_views.stock(MINT)) == ([], (100, 3))


def test_a_number_of_another_parcel_is_refused(
    admin: OrderAdmin, orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    assert admin.ship(order.id, tracking_number=NUMBER).status == 200
    other = confirmed(orders)
    parcel_views.refused(orders, shop_vendors.warehouse, other.id)
    assert faults(admin.ship(other.id, tracking_number=NUMBER)) == [
        ("/tracking_number", "is the number of another parcel")
    ]
    assert (parcels(other.id), parcel_views.fulfilments(other.id)) == ([], ["refused"])
    assert admin.ship(other.id, tracking_number=NUMBER, carrier="FedEx").status == 200


def test_an_unknown_order_or_parcel_is_not_found(admin: OrderAdmin, orders: OrderDriver, order: Placed) -> None:
    assert admin.ship(uuid4()).status == 404
    assert admin.tell_parcel(order.id, uuid4(), "lost").status == 404
    admin.ship(order.id)
    other = confirmed(orders)
    assert admin.tell_parcel(other.id, parcel_of(admin, order.id), "lost").status == 404


# --------------------------------------------------------------------------------------------------- once, at once
def test_the_same_key_sends_it_once(admin: OrderAdmin, order: Placed, sql: Connection) -> None:
    key = str(uuid4())
    answers = [admin.ship(order.id, key=key, tracking_number=NUMBER, tins={MINT: 1}) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].body == answers[1].body
    assert parcels(order.id) == [ParcelView("shipped", f"1 x {MINT}")]
    assert sql.execute_simple("SELECT count(*) FROM mails WHERE template = 'order_shipped'").rows == [[1]]
    assert refusal(admin.ship(order.id, key=key, tracking_number=NUMBER)) == (409, "idempotency-key-reused")


def test_of_sixteen_at_once_one_is_sent(admin: OrderAdmin, order: Placed) -> None:
    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(lambda _: admin.ship(order.id), range(AT_ONCE)))
    assert sorted(answer.status for answer in answers) == [200] + [409] * (AT_ONCE - 1)
    assert {answer.problem for answer in answers} == {"", "order-not-shippable"}
    assert parcels(order.id) == [ParcelView("shipped", f"2 x {COFFEE}, 3 x {MINT}")]
    assert order_views.stock(MINT) == (97, 0)


def test_of_orders_that_are_sent_at_once_one_gets_the_number(
    admin: OrderAdmin, orders: OrderDriver, shop_vendors: Vendors
) -> None:
    many = [order_views.bought(orders, tins={MINT: 1}) for _ in range(4)]
    for placed in many:
        parcel_views.refused(orders, shop_vendors.warehouse, placed.id)
    with ThreadPoolExecutor(len(many)) as threads:
        answers = list(threads.map(lambda placed: admin.ship(placed.id, tracking_number=NUMBER), many))
    assert sorted(answer.status for answer in answers) == [200, 422, 422, 422]


# ------------------------------------------------------------------------------------------- what becomes of parcels
def parcel_of(admin: OrderAdmin, order_id: UUID) -> str:
    """The id of the newest parcel of the order's last fulfilment."""
    return str(admin.order(order_id)["fulfilments"][-1]["parcels"][-1]["id"])


def test_a_delivered_parcel_ends_the_order_and_is_told_once(admin: OrderAdmin, order: Placed, sql: Connection) -> None:
    admin.ship(order.id)
    parcel = parcel_of(admin, order.id)
    answer = admin.tell_parcel(order.id, parcel, "delivered")
    assert (answer.status, answer.body["status"]) == (200, "delivered")
    assert told(order.id) == ["order_confirmed", "order_shipped", "order_delivered"]
    ((delivered_at,),) = sql.execute_simple("SELECT delivered_at IS NOT NULL FROM parcels").rows
    assert delivered_at

    again = admin.tell_parcel(order.id, parcel, "delivered")

    assert (refusal(again), again.body["parcel_status"]) == ((409, "parcel-outcome-known"), "delivered")
    assert refusal(admin.tell_parcel(order.id, parcel, "lost")) == (409, "parcel-outcome-known")
    assert sql.execute_simple("SELECT action FROM audit_logs ORDER BY id").rows == [
        ["order.ship"], ["order.parcel_outcome"]
    ]  # fmt: skip
    assert "order.parcel_outcome" in [entry["what"] for entry in answer.body["diary"]]


def test_a_lost_parcel_keeps_its_order_until_its_tins_are_refunded(
    admin: OrderAdmin, orders: OrderDriver, order: Placed
) -> None:
    admin.ship(order.id)
    assert admin.tell_parcel(order.id, parcel_of(admin, order.id), "lost").body["status"] == "shipped"
    assert admin.refund(order.id, tins={MINT: 3, COFFEE: 2}, reason="lost").status == 201
    orders.begin(order.id)
    assert standing(order.id).state == "delivered"
    assert "order_delivered" not in told(order.id)


def test_a_lost_parcel_may_still_arrive_and_come_back(admin: OrderAdmin, order: Placed) -> None:
    admin.ship(order.id)
    parcel = parcel_of(admin, order.id)
    reached = [
        admin.tell_parcel(order.id, parcel, outcome).body["status"] for outcome in ("lost", "delivered", "returned")
    ]
    assert reached == ["shipped", "delivered", "delivered"]
    assert parcels(order.id)[0].status == "returned"
    assert order_views.stock(MINT) == (97, 0)  # what came back lies there once it is counted


def test_an_order_is_over_with_its_last_parcel(admin: OrderAdmin, order: Placed) -> None:
    admin.ship(order.id, tins={MINT: 3})
    first = parcel_of(admin, order.id)
    admin.ship(order.id)
    assert admin.tell_parcel(order.id, first, "delivered").body["status"] == "shipped"
    assert admin.tell_parcel(order.id, parcel_of(admin, order.id), "returned").body["status"] == "delivered"


def test_people_say_nothing_of_a_parcel_of_the_warehouse(
    admin: OrderAdmin, orders: OrderDriver, shop_vendors: Vendors
) -> None:
    placed = confirmed(orders)
    parcel_views.sent(orders, shop_vendors.warehouse, placed.id)
    parcel = parcel_of(admin, placed.id)
    assert refusal(admin.tell_parcel(placed.id, parcel, "delivered")) == (409, "parcel-not-by-hand")
    assert parcels(placed.id)[0].status == "shipped"
    assert admin.tell_parcel(placed.id, parcel, "in_transit").status == 422
