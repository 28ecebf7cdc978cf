"""People refund tins, shipping and amounts: some alone, more with a second person, and never more than was paid."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from emulators.vendors import Vendors
from shared import clock, db
from shared.db import Tx
from shared.orders import machine, refunds, rows
from shared.orders.states import CancelReason
from shared.values.money import Usdt
from tests import factories
from tests.client import Answer, FunctionClient
from tests.fakes import accrual_rows, order_views, parcel_views
from tests.fakes.accrual_rows import Paid
from tests.fakes.order_admins import OrderAdmin, order_admin, signed_in_again
from tests.fakes.order_driver import OrderDriver
from tests.fakes.paid_order_plugin import bought
from tests.fakes.shop_client import COFFEE, MINT

pytest_plugins = ["tests.fakes.paid_order_plugin"]

Client = Callable[..., FunctionClient]

TIN = Usdt.of("5.30")  # 4.99 and its tax
SHIPPING = Usdt.of("3.18")  # 2.99 and its tax
TOTAL = Usdt.of("13.78")  # two tins
AT_ONCE = 64
LATER_SECONDS = 1e6  # the test decides what is late, and no timer


@pytest.fixture
def second(client: Client) -> OrderAdmin:
    return order_admin(client)


@pytest.fixture
def sent(orders: OrderDriver, shop_vendors: Vendors, paid: Paid) -> Paid:
    """An order of two tins that the warehouse has sent."""
    parcel_views.sent(orders, shop_vendors.warehouse, paid.id)
    assert order_views.standing(paid.id).state == "shipped"
    return paid


def left(order_id: UUID) -> Usdt:
    return db.atomically(lambda tx: refunds.charge(tx, order_id).left)


# ----------------------------------------------------------------------------------------------------- what is refunded
def test_a_tin_is_refunded_with_its_tax(
    admin: OrderAdmin, orders: OrderDriver, sent: Paid, shop_vendors: Vendors
) -> None:
    answer = admin.refund(sent.id, tins={MINT: 1})
    assert (answer.status, answer.body["status"], answer.body["amount"]) == (201, "recorded", 5.3)
    orders.deliver()

    order = admin.order(sent.id)
    assert shop_vendors.card.total("refund") == 530
    assert (order["refunded_amount"], order["left"], order["items"][0]["refunded"]) == (5.3, 8.48, 1)
    assert (order["status"], order["payment"]) == ("shipped", "captured")
    assert accrual_rows.totals(sent.id)[-1] == (2, Usdt.of("4.99"), 1, Usdt.of("2.99"))
    assert order_views.balances()["takings:card"] == TOTAL - TIN


def test_tins_that_have_not_left_are_refunded_by_cancelling(
    admin: OrderAdmin, orders: OrderDriver, paid: Paid, shop_vendors: Vendors
) -> None:
    refused = admin.refund(paid.id, tins={MINT: 1})
    assert (refused.status, refused.problem, refused.body["sent"]) == (409, "tins-not-sent", {MINT: 0})
    parcel_views.sent(orders, shop_vendors.warehouse, paid.id)
    assert admin.refund(paid.id, tins={MINT: 1}).status == 201
    assert admin.refund(paid.id, tins={MINT: 2}).problem == "refund-exceeds-payment"
    assert admin.cancel(paid.id).problem == "order-not-cancellable"


def test_shipping_is_refunded_once(admin: OrderAdmin, orders: OrderDriver, paid: Paid) -> None:
    assert admin.refund(paid.id).body["amount"] == 3.18
    again = admin.refund(paid.id)
    assert (again.status, again.problem, again.body["left"]) == (409, "refund-exceeds-payment", 10.6)
    orders.deliver()
    assert order_views.balances()["takings:card"] == TOTAL - SHIPPING


def test_an_amount_is_taken_of_everything_and_the_rest_is_what_is_left(
    admin: OrderAdmin, orders: OrderDriver, sent: Paid, shop_vendors: Vendors
) -> None:
    admin.refund(sent.id, amount=1)
    admin.refund(sent.id, tins={MINT: 2})
    assert admin.refund(sent.id, amount=3.01).problem == "refund-exceeds-payment"
    answer = admin.refund(sent.id, amount=float(left(sent.id).decimal))
    assert answer.status == 201
    orders.deliver()

    order = admin.order(sent.id)
    assert (order["left"], order["payment"]) == (0, "refunded")
    assert shop_vendors.card.total("refund") == 1378
    assert order_views.balances() == {}
    assert accrual_rows.pools() == {}


def test_refunds_correct_the_receipt_and_are_mailed(
    admin: OrderAdmin, client: Client, orders: OrderDriver, sql: Connection, shop_vendors: Vendors
) -> None:
    who = factories.member()
    placed = order_views.place(who, {MINT: 1, COFFEE: 1})
    order_views.accept_age(who.id)
    orders.begin(placed.id)
    parcel_views.sent(orders, shop_vendors.warehouse, placed.id)
    admin.refund(placed.id, tins={MINT: 1})
    orders.deliver()

    (refund,) = client(who.token).get(f"/v1/orders/{placed.id}/receipt").body["refunds"]
    assert refund["items"] == [
        {"sku": MINT, "product_name": "BlakJaks Mint Ice", "tins": 1, "goods": 4.99, "tax": 0.31}
    ]
    assert (refund["reason"], refund["amount"]) == ("faulty", 5.3)
    assert refund["paid_at"] is not None
    ((to, said),) = sql.execute_simple("SELECT to_email, parameters FROM mails WHERE template = 'order_refund'").rows
    assert to == sql.execute_unnamed("SELECT email FROM members WHERE id = $1", (who.id,)).rows[0][0]
    assert {name: said[name] for name in ("total", "goods", "tax")} == {"total": "5.30", "goods": "4.99", "tax": "0.31"}


# ---------------------------------------------------------------------------------------------------- who may refund it
def test_more_than_a_hundred_dollars_wait_for_a_second_person(
    admin: OrderAdmin, second: OrderAdmin, orders: OrderDriver, shop_vendors: Vendors
) -> None:
    order = bought(orders, tins=20)
    parcel_views.sent(orders, shop_vendors.warehouse, order.id)
    asked = admin.refund(order.id, tins={MINT: 19})
    assert (asked.status, asked.body["status"], asked.body["needs_approval"]) == (201, "waiting", True)
    orders.deliver()
    assert shop_vendors.card.total("refund") == 0
    assert [item["id"] for item in second.client.get("/v1/admin/refunds?status=waiting").body["items"]] == [
        asked.body["id"]
    ]
    own = admin.approve(order.id, asked.body["id"])
    assert (own.status, own.problem) == (403, "refund-of-own-request")

    approved = second.approve(order.id, asked.body["id"])

    assert (approved.status, approved.body["status"]) == (200, "recorded")
    assert approved.body["decided_by"] == str(second.who.id)
    orders.deliver()
    assert shop_vendors.card.total("refund") == 19 * 530
    assert second.approve(order.id, asked.body["id"]).problem == "refund-decided"


def test_exactly_a_hundred_dollars_are_refunded_alone(admin: OrderAdmin, orders: OrderDriver) -> None:
    order = bought(orders, tins=40)
    assert admin.refund(order.id, amount=100).body["status"] == "recorded"
    assert admin.refund(order.id, amount=100.01).body["status"] == "waiting"


def test_the_sixth_of_a_day_waits_and_the_first_of_the_next_does_not(
    admin: OrderAdmin, second: OrderAdmin, client: Client, orders: OrderDriver, paid: Paid
) -> None:
    said = [admin.refund(paid.id, amount=0.01).body["status"] for _ in range(6)]
    assert said == ["recorded"] * 5 + ["waiting"]
    assert second.refund(paid.id, amount=0.01).body["status"] == "recorded"
    orders.advance_clock(24 * 3600)
    assert signed_in_again(admin, client).refund(paid.id, amount=0.01).body["status"] == "recorded"


def test_refunds_that_are_asked_for_at_once_are_counted(admin: OrderAdmin, orders: OrderDriver) -> None:
    many = [bought(orders).id for _ in range(4)]
    with ThreadPoolExecutor(16) as threads:
        said = list(threads.map(lambda at: admin.refund(many[at % 4], amount=0.01).body["status"], range(16)))
    assert sorted(said) == ["recorded"] * 5 + ["waiting"] * 11


def test_a_rejected_refund_is_never_paid(
    admin: OrderAdmin, second: OrderAdmin, orders: OrderDriver, shop_vendors: Vendors
) -> None:
    order = bought(orders, tins=40)
    asked = admin.refund(order.id, amount=150).body["id"]
    assert second.reject(order.id, asked).body["status"] == "rejected"
    assert second.approve(order.id, asked).problem == "refund-decided"
    orders.pass_time(2)
    assert shop_vendors.card.total("refund") == 0


def test_a_refund_that_would_be_another_now_is_not_approved(
    admin: OrderAdmin, second: OrderAdmin, orders: OrderDriver, shop_vendors: Vendors
) -> None:
    order = bought(orders, tins=40)
    parcel_views.sent(orders, shop_vendors.warehouse, order.id)
    tins = admin.refund(order.id, tins={MINT: 30}).body["id"]
    all_of_them = admin.refund(order.id, tins={MINT: 40}).body["id"]
    admin.refund(order.id, amount=40)
    assert second.approve(order.id, tins).problem == "refund-changed"
    second.refund(order.id, tins={MINT: 1})
    assert second.approve(order.id, all_of_them).problem == "refund-exceeds-payment"


def test_a_request_of_somebody_who_lost_the_role_is_not_approved(
    admin: OrderAdmin, second: OrderAdmin, orders: OrderDriver, sql: Connection
) -> None:
    order = bought(orders, tins=40)
    asked = admin.refund(order.id, amount=150).body["id"]
    sql.execute_unnamed("UPDATE members SET role = NULL WHERE id = $1", (admin.who.id,))
    assert second.approve(order.id, asked).problem == "refund-without-requester"


def test_nobody_refunds_an_order_of_their_own(admin: OrderAdmin, orders: OrderDriver) -> None:
    placed = order_views.place(admin.who)
    order_views.accept_age(admin.who.id)
    orders.begin(placed.id)
    assert admin.refund(placed.id, amount=1).problem == "own-interest"
    assert admin.cancel(placed.id).problem == "own-interest"


def test_what_is_not_paid_is_not_refunded(admin: OrderAdmin) -> None:
    placed = order_views.place()
    answer = admin.refund(placed.id, amount=1)
    assert (answer.status, answer.problem, answer.body["left"]) == (409, "refund-exceeds-payment", 0)


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"kind": "tins"}, "/tins"),
        ({"kind": "amount"}, "/amount"),
        ({"kind": "shipping", "amount": 1}, "/amount"),
        ({"amount": 0.005}, "/amount"),
        ({"amount": 0}, "/amount"),
        ({"amount": -1}, "/amount"),
        ({"tins": {MINT: 1}, "reason": "goodwill"}, "/reason"),
        ({"tins": {MINT: 0}}, "/tins/0/tins"),
        ({"amount": 1, "reason": "cancelled"}, "/reason"),
    ],
)
def test_a_refund_without_its_own_terms_is_not_valid(
    admin: OrderAdmin, paid: Paid, terms: dict[str, Any], field: str
) -> None:
    answer = admin.refund(paid.id, **terms)
    assert answer.status == 422
    assert field in [error["field"] for error in answer.body["errors"]]


def test_other_products_and_orders_are_refused(admin: OrderAdmin, second: OrderAdmin, paid: Paid) -> None:
    assert admin.refund(paid.id, tins={COFFEE: 1}).problem == "refund-exceeds-payment"
    assert admin.refund(uuid4(), amount=1).status == 404
    assert second.approve(paid.id, uuid4()).status == 404
    assert second.reject(paid.id, uuid4()).status == 404


def test_a_refund_under_one_key_is_one(admin: OrderAdmin, paid: Paid, sql: Connection) -> None:
    key = str(uuid4())
    first, again = (admin.refund(paid.id, key=key, amount=1) for _ in range(2))
    assert first.body == again.body
    assert sql.execute_simple("SELECT count(*) FROM refunds").rows == [[1]]


# ---------------------------------------------------------------------------------------------------------- all at once
def test_64_refunds_of_the_rest_are_one(
    client: Client, orders: OrderDriver, paid: Paid, shop_vendors: Vendors, sql: Connection
) -> None:
    admins = [order_admin(client) for _ in range(16)]

    def refund(at: int) -> Answer:
        return admins[at % len(admins)].refund(paid.id, amount=13.78)

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(refund, range(AT_ONCE)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * (AT_ONCE - 1)
    assert {answer.problem for answer in answers} == {"", "refund-exceeds-payment"}
    orders.deliver()
    assert shop_vendors.card.total("refund") == 1378
    assert sql.execute_simple("SELECT count(*) FROM refunds").rows == [[1]]


def test_a_refund_beside_the_members_cancellation_gives_back_everything_once(
    admin: OrderAdmin, orders: OrderDriver, shop_vendors: Vendors
) -> None:
    many = [bought(orders) for _ in range(8)]

    def leave(order: Paid) -> None:
        def work(tx: Tx) -> None:
            rows.want_cancelled(tx, order.id, CancelReason.MEMBER, clock.now())

        db.atomically(work)
        db.atomically(machine.advance, order.id, clock.now())

    with ThreadPoolExecutor(16) as threads:
        left_ = [threads.submit(leave, order) for order in many]
        asked = [threads.submit(admin.refund, order.id, amount=1) for order in many]
        assert {each.result().status for each in asked} <= {201, 409}
        for each in left_:
            each.result()
    orders.pass_time(3)
    assert {order_views.standing(order.id).state for order in many} == {"cancelled"}
    assert shop_vendors.card.total("refund") == 8 * 1378
    assert order_views.balances() == {}


def test_a_refund_before_the_cancellation_leaves_it_the_rest(
    admin: OrderAdmin, orders: OrderDriver, paid: Paid, shop_vendors: Vendors, sql: Connection
) -> None:
    admin.refund(paid.id, amount=1)
    assert admin.cancel(paid.id).status == 200
    orders.pass_time(2)
    assert order_views.standing(paid.id).state == "cancelled"
    assert shop_vendors.card.total("refund") == 1378
    assert sql.execute_simple("SELECT reason, amount FROM refunds ORDER BY recorded_at").rows == [
        ["goodwill", 1_000_000],
        ["cancelled", 12_780_000],
    ]
    assert admin.refund(paid.id, amount=0.01).problem == "refund-exceeds-payment"


def test_an_order_that_expires_while_it_is_refunded_is_paid_back_once(
    admin: OrderAdmin, client: Client, orders: OrderDriver, shop_vendors: Vendors
) -> None:
    """The capture is answered after the order has expired: the machine pays it back, and people find nothing left."""
    shop_vendors.card.later_seconds = LATER_SECONDS
    placed = order_views.bought(orders, card="captures-late")
    assert admin.refund(placed.id, amount=1).problem == "refund-exceeds-payment"
    orders.pass_time(31)
    for made in shop_vendors.card.operations():
        shop_vendors.card.decide(made.id)
    orders.pass_time(3)
    assert order_views.standing(placed.id).state == "cancelled"
    assert signed_in_again(admin, client).refund(placed.id, amount=1).problem == "refund-exceeds-payment"
    assert shop_vendors.card.total("refund") == shop_vendors.card.total("capture") == 1378
