"""A wholesale account orders hundreds of tins at its price; the server says what they cost, and taxes them or not."""

from typing import Any
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from tests.client import Client, refusal
from tests.fakes import order_rows, order_views
from tests.fakes.order_client import OrderClient
from tests.fakes.order_driver import OrderDriver
from tests.fakes.shop_client import COFFEE, MINT
from tests.fakes.wholesale_buyer import CALIFORNIA, ORDERS, WholesaleBuyer, wholesale_buyer

pytest_plugins = ["tests.fakes.wholesale_order_plugin"]


def test_an_order_by_invoice_promises_its_tins_and_waits_for_a_transfer(
    trade: WholesaleBuyer, orders: OrderDriver
) -> None:
    trade.certify()
    answer = trade.order(300)
    assert answer.status == 201
    body = answer.body
    assert body["order_number"] == f"WO-{body['placed_at'][:4]}-{int(body['order_number'][8:]):04d}"
    assert (body["subtotal"], body["tax"], body["total"], body["tins"], body["is_exempt"]) == (630, 0, 630, 300, True)
    assert body["delivery"]["recipient"] == "Lovelace Tobacco LLC"
    assert body["delivery"]["address"]["state"] == "NV"
    assert body["invoice"]["due_at"] == body["expires_at"]
    assert order_views.stock() == (1000, 300)

    orders.deliver()

    shown = trade.shown(UUID(body["id"]))
    assert shown["status"] == "payment_processing"
    assert [step["status"] for step in shown["history"]] == ["pending", "payment_processing"]
    assert shown["payment"] == {
        "provider": "invoice", "status": "pending", "reason": None, "action_url": None, "refunded_amount": 0,
        "usdt": None,
    }  # fmt: skip
    assert order_views.standing(UUID(body["id"])).operations == ["capture recorded"]


def test_a_card_pays_an_order_without_an_age_check(trade: WholesaleBuyer, orders: OrderDriver, sql: Connection) -> None:
    trade.certify()
    order_id = trade.ordered(100, card="ok")
    orders.deliver()
    assert trade.shown(order_id)["status"] == "confirmed"
    assert sql.execute_simple("SELECT count(*) FROM age_checks").rows == [[0]]
    assert {name: str(sum_) for name, sum_ in order_views.balances().items()} == {
        "takings:card": "210.00", "turnover:shop": "-210.00",
    }  # fmt: skip


def test_a_declined_card_may_be_followed_by_another(trade: WholesaleBuyer, orders: OrderDriver) -> None:
    trade.certify()
    order_id = trade.ordered(100, card="declined")
    orders.deliver()
    assert trade.shown(order_id)["payment"]["status"] == "failed"
    assert trade.pay(order_id).status == 200
    orders.deliver()
    assert trade.shown(order_id)["status"] == "confirmed"


def test_declined_cards_count_together_with_those_of_the_members_own_orders(
    trade: WholesaleBuyer, orders: OrderDriver
) -> None:
    """Ten a day; an invoice is no card."""
    trade.certify()
    order_id = trade.ordered(card="declined")
    orders.deliver()
    mine = [order_rows.placed(trade.somebody, {MINT: 1}) for _ in range(9)]
    for own in mine:
        order_rows.taken_further(trade.somebody, own)
        order_rows.declined(own)
    refused = (429, "too-many-declines")
    assert refusal(trade.pay(order_id)) == refusal(trade.order(card="ok")) == refused
    assert refusal(OrderClient(trade.somebody, trade.member).pay(mine[0])) == refused
    assert order_views.stock() == (1000, 109), "nothing new was promised"
    assert trade.order().status == 201


def test_an_invoice_is_not_paid_by_card(trade: WholesaleBuyer, orders: OrderDriver) -> None:
    trade.certify()
    order_id = trade.ordered()
    orders.deliver()
    assert refusal(trade.pay(order_id)) == (409, "order-not-payable")


def test_without_a_certificate_the_goods_are_taxed_as_quoted(trade: WholesaleBuyer) -> None:
    quoted = trade.estimate(100, delivery_address=CALIFORNIA).body
    assert quoted["tax"] > 0
    assert not quoted["is_exempt"]
    assert sum(part["amount"] for part in quoted["breakdown"]) == pytest.approx(quoted["tax"])
    order = trade.order(100, delivery_address=CALIFORNIA).body
    assert (order["tax"], order["total"]) == (quoted["tax"], quoted["total"])
    assert order["delivery"]["address"]["city"] == "Oakland"


def test_an_address_that_the_tax_service_does_not_know_is_named_as_the_body_has_it(trade: WholesaleBuyer) -> None:
    nowhere = {**CALIFORNIA, "zip_code": "00000"}
    for answer in (
        trade.estimate(delivery_address=nowhere),
        trade.order(delivery_address=nowhere, expected_total=210),
    ):
        assert refusal(answer) == (422, "not-valid")
        assert [error["field"] for error in answer.body["errors"]] == ["/delivery_address"]


def test_an_order_is_cancelled_and_its_tins_are_free_again(
    trade: WholesaleBuyer, orders: OrderDriver, sql: Connection
) -> None:
    trade.certify()
    order_id = trade.ordered()
    orders.deliver()
    assert trade.cancel(order_id).body["cancel_wanted"] is True
    orders.deliver()
    assert trade.shown(order_id)["status"] == "cancelled"
    assert order_views.stock() == (1000, 0)
    assert sql.execute_simple("SELECT count(*) FROM carts").rows == [[0]], "no cart is filled"
    assert refusal(trade.cancel(order_id)) == (409, "order-not-cancellable")


@pytest.mark.parametrize("quantity", [0, 50, 150, -100, 1.5, "100", 1_000_000_000, True, None], ids=repr)
def test_other_numbers_of_tins_are_refused(trade: WholesaleBuyer, sql: Connection, quantity: object) -> None:
    answer = trade.order(items=[{"sku": MINT, "quantity": quantity}], expected_total=210)
    assert answer.status == 422
    assert answer.body["errors"][0]["field"] == "/items/0/quantity"
    assert sql.execute_simple("SELECT count(*) FROM orders").rows == [[0]]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"price": 0.01}, "/price"),
        ({"items": [{"sku": MINT, "quantity": 100, "unit_price": 0.01}]}, "/items/0/unit_price"),
        ({"items": []}, "/items"),
        ({"items": [{"sku": MINT, "quantity": 100}, {"sku": MINT, "quantity": 200}]}, "/items/1/sku"),
        ({"payment": {"provider": "card"}}, "/payment/token"),
        ({"payment": {"provider": "invoice", "token": "ok"}}, "/payment/token"),
        ({"payment": {"provider": "promise"}}, "/payment/provider"),
        ({"account_id": "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"}, "/account_id"),
    ],
)
def test_a_body_that_is_not_an_order_is_refused(trade: WholesaleBuyer, said: dict[str, Any], field: str) -> None:
    trade.certify()
    answer = trade.order(**({"expected_total": 210} | said))
    assert answer.status == 422
    assert answer.body["errors"][0]["field"] == field
    assert order_views.stock() == (1000, 0)


@pytest.mark.parametrize("expected", [0, 0.01, 2.1, 209.99, 420])
def test_the_price_is_the_servers(trade: WholesaleBuyer, expected: float) -> None:
    trade.certify()
    answer = trade.order(100, expected_total=expected)
    assert refusal(answer) == (409, "total-changed")
    assert answer.body["total"] == 210
    assert order_views.stock() == (1000, 0)


def test_what_cannot_be_sold_is_refused(trade: WholesaleBuyer, sql: Connection) -> None:
    trade.certify()
    unknown = [{"sku": "MINTICE-99", "quantity": 100}]
    assert refusal(trade.order(items=unknown, expected_total=210)) == (404, "product-unknown")
    short = trade.order(1100, expected_total=2310)
    assert refusal(short) == (409, "stock-short")
    assert short.body["items"] == [{"sku": MINT, "wanted": 1100, "left": 1000}]
    sql.execute_simple(f"UPDATE products SET on_sale = false WHERE sku = '{COFFEE}'")
    assert refusal(trade.order(items=[{"sku": COFFEE, "quantity": 100}], expected_total=210)) == (
        409, "product-not-on-sale",
    )  # fmt: skip
    texas = {**CALIFORNIA, "state": "TX"}
    assert refusal(trade.order(delivery_address=texas, expected_total=210)) == (409, "destination-not-served")


@pytest.mark.parametrize("statuses", [("rejected",), ("approved", "suspended")])
def test_an_account_that_may_not_order_does_not(
    client: Client, sql: Connection, orders: OrderDriver, statuses: tuple[str, ...]
) -> None:
    assert orders
    buyer = wholesale_buyer(client, sql, *statuses)
    answer = buyer.order(expected_total=210)
    assert refusal(answer) == (409, "account-not-approved")
    assert answer.body["account_status"] == statuses[-1]
    assert refusal(buyer.estimate()) == (409, "account-not-approved")


def test_unpaid_orders_of_an_account_are_capped_together(trade: WholesaleBuyer, sql: Connection) -> None:
    trade.certify()
    sql.execute_simple(
        """UPDATE settings SET value = '{"invoice_days": 7, "unpaid_max": 500}' WHERE name = 'wholesale_orders'"""
    )
    trade.ordered(200)
    answer = trade.order(100)
    assert refusal(answer) == (409, "limit-reached")
    assert (answer.body["limit"], answer.body["maximum"]) == ("unpaid_sum", 500)


def test_orders_are_of_their_account_alone(client: Client, trade: WholesaleBuyer, sql: Connection) -> None:
    trade.certify()
    first, second = trade.ordered(), trade.ordered()
    other = wholesale_buyer(client, sql)
    for path in (f"{ORDERS}/{first}", f"{ORDERS}/{first}/invoice"):
        assert refusal(other.member.get(path)) == (404, "not-found")
    assert refusal(other.cancel(first)) == refusal(other.pay(first)) == (404, "not-found")
    assert other.member.get(ORDERS).body["items"] == []
    assert {row["id"] for row in trade.member.get(ORDERS).body["items"]} == {str(first), str(second)}
    assert refusal(trade.member.get(f"/v1/orders/{first}")) == (404, "not-found"), "it is no order of the member's cart"
    assert trade.member.get("/v1/users/me/orders").body["items"] == []


def test_what_an_account_orders_takes_nothing_from_the_members_own_limits(
    trade: WholesaleBuyer, sql: Connection
) -> None:
    trade.certify()
    for _ in range(3):
        trade.ordered(300)
    trade.member.post("/v1/cart/add", {"sku": MINT, "quantity": 1})
    home = {"line1": "12 Main Street", "city": "New York", "state": "NY", "zip": "10001"}
    total = trade.member.post("/v1/tax/estimate", {"shipping_address": home}).body["total"]
    body = {"shipping_address": home, "payment": {"provider": "card", "token": "ok"}, "expected_total": total}
    answer = trade.member.post("/v1/orders/create", body, **{"Idempotency-Key": "mine"})
    assert answer.status == 201, answer.body
    assert sql.execute_simple("SELECT kind, count(*) FROM orders GROUP BY kind ORDER BY kind").rows == [
        ["retail", 1], ["wholesale", 3],
    ]  # fmt: skip
