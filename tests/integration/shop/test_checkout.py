"""An order is what is in the cart, at the prices and the tax that the member has seen, or none."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.exceptions import InvalidTag
from pg8000.dbapi import Connection

from emulators.tax import TaxStandIn
from shared import db, settings
from shared.orders import addresses, card_tokens
from tests import factories
from tests.client import Answer, Client, refusal
from tests.fakes import order_rows
from tests.fakes.order_client import ADDRESS, OrderClient, order_client
from tests.fakes.shop_client import COFFEE, MINT
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.order_plugin"]


def one(sql: Connection, query: str) -> Any:
    ((value,),) = sql.execute_simple(query).rows
    return value


def limits(sql: Connection, text: str) -> None:
    sql.execute_unnamed("UPDATE settings SET value = CAST($1 AS jsonb) WHERE name = 'shop_limits'", (text,))
    settings.forget()


@pytest.fixture
def nothing_ordered(sql: Connection) -> Iterator[None]:
    """Check that the test has neither ordered nor promised anything."""
    yield
    assert one(sql, "SELECT count(*) FROM orders") == 0
    assert one(sql, "SELECT sum(promised) FROM stock") == 0


def test_an_order_holds_what_the_cart_was_and_what_the_member_has_seen(buyer: OrderClient) -> None:
    buyer.add(MINT, 3)
    buyer.add(COFFEE, 2)
    seen = buyer.estimate().body
    answer = buyer.create(seen["total"])
    assert answer.status == 201, answer.body
    made = answer.body
    assert made == buyer.order(made["id"])
    assert (made["status"], made["cancel_wanted"], made["confirmed_at"], made["age_check"]) == (
        "pending",
        False,
        None,
        None,
    )
    for name in ("subtotal", "shipping", "tax", "total"):
        assert made[name] == seen[name]
    assert [(item["sku"], item["quantity"], item["line_total"], item["tax"]) for item in made["items"]] == [
        (item["sku"], item["quantity"], item["line_total"], item["tax"])
        for item in sorted(seen["items"], key=lambda item: str(item["sku"]))
    ]
    assert made["shipping_address"] == {**ADDRESS, "recipient": "Test Member"}
    assert made["payment"] == {
        "provider": "card", "status": "pending", "reason": None, "action_url": None, "refunded_amount": 0, "usdt": None,
    }  # fmt: skip
    assert [(step["status"], step["reason"]) for step in made["history"]] == [("pending", None)]
    life = datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["placed_at"])
    assert life == timedelta(minutes=30)
    assert made["order_number"].startswith("SO-")


def test_an_order_closes_the_cart_and_promises_its_tins(buyer: OrderClient, sql: Connection) -> None:
    buyer.add(MINT, 3)
    made = buyer.create().body
    assert buyer.member.get("/v1/cart").body["id"] is None
    assert one(sql, "SELECT status FROM carts") == "ordered"
    assert sql.execute_simple("SELECT sku, promised FROM stock WHERE promised > 0").rows == [[MINT, 3]]
    assert one(sql, "SELECT count(*) FROM stock_moves WHERE kind = 'promise'") == 1
    queued = sql.execute_simple(
        "SELECT CAST(outbox AS text) FROM outbox WHERE CAST(outbox AS text) LIKE '%order%'"
    ).rows
    assert [made["id"] in row for (row,) in queued] == [True]


@pytest.mark.parametrize(("tins", "subtotal", "shipping"), [(10, 49.90, 2.99), (11, 54.89, 0)])
def test_shipping_is_decided_with_the_order(
    buyer: OrderClient, sql: Connection, tins: int, subtotal: float, shipping: float
) -> None:
    buyer.add(MINT, tins)
    made = buyer.create().body
    assert (made["subtotal"], made["shipping"]) == (subtotal, shipping)
    assert made["total"] == round(subtotal + shipping + made["tax"], 2)
    assert (one(sql, "SELECT shipping_tax FROM orders") > 0) == (shipping > 0)
    sql.execute_simple("""UPDATE settings SET value = '{"cost": 9, "free_from": 500}' WHERE name = 'shop_shipping'""")
    settings.forget()
    assert buyer.order(made["id"])["shipping"] == shipping


def test_the_cost_of_a_tin_is_that_of_the_moment(buyer: OrderClient, sql: Connection) -> None:
    buyer.add(MINT, 1)
    buyer.create()
    sql.execute_simple("UPDATE settings SET value = '1.50' WHERE name = 'shop_cost_per_tin'")
    settings.forget()
    buyer.add(MINT, 1)
    buyer.create()
    rows = sql.execute_simple("SELECT cost_per_tin FROM orders ORDER BY number").rows
    assert rows == [[2_000_000], [1_500_000]]


def test_address_and_card_are_sealed_and_each_opens_for_its_own_row_alone(buyer: OrderClient, sql: Connection) -> None:
    buyer.add(MINT, 1)
    order_id = UUID(buyer.create(card="tok_secret").body["id"])
    ((sealed, door),) = sql.execute_simple("SELECT address, doorstep FROM orders").rows
    ((payment_id, token),) = sql.execute_simple("SELECT id, token FROM payments").rows
    assert db.atomically(addresses.unseal, order_id, bytes(sealed)) == order_rows.HOME
    assert db.atomically(card_tokens.unseal, payment_id, bytes(token)) == "tok_secret"
    with pytest.raises(InvalidTag):
        db.atomically(addresses.unseal, uuid4(), bytes(sealed))
    stored = str(rows_of_all_tables(sql))
    for secret in ("tok_secret", "12 Main Street", "Apartment 4"):
        assert secret not in stored
        assert secret.encode() not in bytes(sealed) + bytes(token) + bytes(door)


def test_the_tax_of_the_estimate_is_used_without_asking_again(buyer: OrderClient, tax_service: TaxStandIn) -> None:
    buyer.add(MINT, 3)
    buyer.create()
    assert tax_service.estimates == 1


def test_an_order_without_an_estimate_asks_for_the_tax_itself(buyer: OrderClient, tax_service: TaxStandIn) -> None:
    buyer.add(MINT, 3)
    wrong = buyer.create(1)
    assert refusal(wrong) == (409, "total-changed")
    assert buyer.create(wrong.body["total"]).status == 201
    assert tax_service.estimates == 1


@pytest.mark.usefixtures("nothing_ordered")
def test_a_price_that_has_changed_meanwhile_is_told(buyer: OrderClient, sql: Connection) -> None:
    buyer.add(MINT, 3)
    seen = buyer.total()
    sql.execute_simple("UPDATE products SET price_cents = 549 WHERE sku = 'MINTICE-6'")
    answer = buyer.create(seen)
    assert refusal(answer) == (409, "total-changed")
    told = {name: answer.body[name] for name in ("subtotal", "shipping", "tax", "total")}
    assert (told["subtotal"], told["shipping"]) == (16.47, 2.99)
    assert round(told["subtotal"] + told["shipping"] + told["tax"], 2) == told["total"] == buyer.total()


@pytest.mark.usefixtures("nothing_ordered")
@pytest.mark.parametrize("total", [0, -1, 0.01, 19.555, 10**12])
def test_another_total_than_the_real_one_orders_nothing(buyer: OrderClient, total: float) -> None:
    buyer.add(MINT, 3)
    assert refusal(buyer.create(total)) == (409, "total-changed")


@pytest.mark.usefixtures("nothing_ordered")
def test_an_empty_cart_is_not_ordered(buyer: OrderClient) -> None:
    assert refusal(buyer.create(1)) == (409, "cart-empty")


@pytest.mark.usefixtures("nothing_ordered")
def test_what_has_gone_off_sale_in_the_cart_is_named(buyer: OrderClient, sql: Connection) -> None:
    buyer.add(MINT, 3)
    buyer.add(COFFEE, 1)
    total = buyer.total()
    sql.execute_simple("UPDATE products SET on_sale = false WHERE sku = 'MINTICE-6'")
    for answer in (buyer.estimate(), buyer.create(total)):
        assert refusal(answer) == (409, "product-not-on-sale")
        assert answer.body["skus"] == [MINT]


@pytest.mark.usefixtures("nothing_ordered")
def test_each_product_that_is_short_is_named_with_what_is_left(buyer: OrderClient) -> None:
    order_rows.counted(2, MINT)
    order_rows.counted(0, COFFEE)
    cart = buyer.add(MINT, 3).body
    buyer.add(COFFEE, 1)
    answer = buyer.create()
    assert refusal(answer) == (409, "stock-short")
    assert sorted(answer.body["items"], key=lambda item: str(item["sku"])) == [
        {"sku": COFFEE, "wanted": 1, "left": 0},
        {"sku": MINT, "wanted": 3, "left": 2},
    ]
    assert buyer.member.get("/v1/cart").body["id"] == cart["id"]


def test_an_ordered_cart_names_its_order(buyer: OrderClient) -> None:
    cart = buyer.add(MINT, 3).body
    total = buyer.total()
    made = buyer.create(total).body
    for again in (buyer.create(total), buyer.create(total, cart_id=cart["id"])):
        assert refusal(again) == (409, "cart-already-ordered")
        assert again.body["order_id"] == made["id"]


def test_the_same_request_is_the_same_order(buyer: OrderClient, sql: Connection) -> None:
    buyer.add(MINT, 3)
    total = buyer.total()
    first, again = (buyer.create(total, key="once") for _ in range(2))
    assert (first.status, first.body) == (again.status, again.body)
    assert one(sql, "SELECT count(*) FROM orders") == 1
    assert refusal(buyer.create(total + 1, key="once")) == (409, "idempotency-key-reused")


def test_a_named_cart_is_ordered_or_none(buyer: OrderClient) -> None:
    """A device that repeats an old cart does not order the new one; nobody orders somebody else's."""
    old = buyer.add(MINT, 3).body["id"]
    made = buyer.create(cart_id=old).body
    buyer.add(MINT, 3)
    total = buyer.total()
    again = buyer.create(total, cart_id=old)
    assert (refusal(again), again.body["order_id"]) == ((409, "cart-already-ordered"), made["id"])
    assert refusal(buyer.create(total, cart_id=uuid4())) == (409, "cart-empty")
    assert buyer.create(total).status == 201


def test_two_devices_share_one_cart_and_make_one_order(buyer: OrderClient, client: Client) -> None:
    other = OrderClient(buyer.who, client(buyer.who.token))
    buyer.add(MINT, 2)
    other.add(COFFEE, 1)
    total = other.total()
    assert buyer.create(total).status == 201
    assert refusal(other.create(total)) == (409, "cart-already-ordered")


def test_a_key_is_required(buyer: OrderClient) -> None:
    buyer.add(MINT, 3)
    body = {"shipping_address": ADDRESS, "payment": {"provider": "card", "token": "ok"}, "expected_total": 1}
    answer = buyer.member.post("/v1/orders/create", body)
    assert refusal(answer) == (422, "not-valid")
    assert answer.body["errors"][0]["field"] == "Idempotency-Key"


BAD: dict[str, tuple[str, object]] = {
    "no payment": ("payment", None),
    "another provider": ("payment", {"provider": "paypal", "token": "ok"}),
    "no token": ("payment", {"provider": "card"}),
    "an empty token": ("payment", {"provider": "card", "token": ""}),
    "a token with a blank": ("payment", {"provider": "card", "token": "a b"}),
    "a card's number beside the token": ("payment", {"provider": "card", "token": "ok", "number": "4242"}),
    "no total": ("expected_total", None),
    "a total in words": ("expected_total", "19.20"),
    "an unknown field": ("discount", 5),
    "items of its own": ("items", [{"sku": MINT, "quantity": 1}]),
    "a cart that is no id": ("cart_id", "1"),
}


@pytest.mark.usefixtures("nothing_ordered")
@pytest.mark.parametrize(("name", "value"), BAD.values(), ids=list(BAD))
def test_what_is_no_order_is_refused(buyer: OrderClient, name: str, value: object) -> None:
    buyer.add(MINT, 3)
    body = {"shipping_address": ADDRESS, "payment": {"provider": "card", "token": "ok"}, "expected_total": 1}
    assert refusal(buyer.send({**body, name: value})) == (422, "not-valid")


def test_a_member_has_two_unpaid_orders_at_most(buyer: OrderClient) -> None:
    for _ in range(2):
        buyer.add(MINT, 1)
        assert buyer.create().status == 201
    buyer.add(MINT, 1)
    answer = buyer.create()
    assert (refusal(answer), answer.body["limit"], answer.body["maximum"]) == ((409, "limit-reached"), "unpaid", 2)


@pytest.mark.usefixtures("nothing_ordered")
def test_an_order_has_two_hundred_tins_at_most(buyer: OrderClient) -> None:
    skus = (MINT, COFFEE, "COFFEE-6")
    order_rows.counted(500, *skus)
    for sku, tins in zip(skus, (99, 99, 3), strict=True):
        buyer.add(sku, tins)
    answer = buyer.create()
    assert (refusal(answer), answer.body["limit"], answer.body["maximum"]) == ((409, "limit-reached"), "tins", 200)


def tins_refused(answer: Answer) -> bool:
    return refusal(answer) == (409, "limit-reached") and answer.body["limit"] == "tins_in_30_days"


def test_tins_of_thirty_days_are_limited_by_member(buyer: OrderClient, sql: Connection) -> None:
    limits(sql, '{"unpaid": 9, "tins": 200, "tins_in_30_days": 10}')
    old = datetime.now(UTC) - timedelta(days=31)
    order_rows.placed(buyer.who, {MINT: 9}, at=old)
    buyer.add(MINT, 8)
    assert buyer.create().status == 201
    buyer.add(MINT, 3)
    assert tins_refused(buyer.create(line1="99 Other Street"))
    buyer.member.put("/v1/cart/update", {"item_id": buyer.member.get("/v1/cart").body["items"][0]["id"], "quantity": 2})
    assert buyer.create(line1="99 Other Street").status == 201


@pytest.mark.parametrize(
    "spelling",
    [{"line1": "12 main st."}, {"line2": "#4"}, {"line1": "12, MAIN STREET"}, {"zip": "10001-1234"}, {"city": "NYC"}],
    ids=str,
)
def test_tins_of_thirty_days_are_limited_by_door_however_it_is_spelled(
    buyer: OrderClient, sql: Connection, spelling: dict[str, str]
) -> None:
    limits(sql, '{"unpaid": 9, "tins": 200, "tins_in_30_days": 10}')
    order_rows.placed(factories.member(), {MINT: 8})
    buyer.add(MINT, 3)
    assert tins_refused(buyer.create(**spelling))
    assert buyer.create(line2="Apt 5").status == 201


def test_what_was_cancelled_counts_no_more(buyer: OrderClient, sql: Connection) -> None:
    limits(sql, '{"unpaid": 1, "tins": 200, "tins_in_30_days": 3}')
    order_id = order_rows.placed(buyer.who, {MINT: 3})
    buyer.add(MINT, 3)
    total = buyer.total()
    assert refusal(buyer.create(total)) == (409, "limit-reached")
    order_rows.ended(order_id)
    assert buyer.create(total).status == 201


def test_ten_orders_an_hour(buyer: OrderClient, sql: Connection) -> None:
    limits(sql, '{"unpaid": 99, "tins": 200, "tins_in_30_days": 600}')
    for minute in range(10):
        order_rows.placed(buyer.who, {MINT: 1}, at=datetime.now(UTC) - timedelta(minutes=50 - minute))
    buyer.add(MINT, 1)
    answer = buyer.create(key="eleventh")
    assert refusal(answer) == (429, "too-many-orders")
    assert 540 <= int(answer.headers["Retry-After"]) <= 601
    sql.execute_simple("SET session_replication_role = replica")
    sql.execute_simple("UPDATE orders SET placed_at = placed_at - interval '1 hour'")
    assert buyer.create(key="eleventh").status == 201


def test_somebody_elses_order_is_not_there(buyer: OrderClient, client: Client) -> None:
    buyer.add(MINT, 1)
    order_id = buyer.create().body["id"]
    other = order_client(client)
    answers = (
        other.member.get(f"/v1/orders/{order_id}"),
        other.member.get(f"/v1/orders/{order_id}/receipt"),
        other.cancel(order_id),
        other.pay(order_id),
    )
    assert {refusal(answer) for answer in answers} == {(404, "not-found")}
    assert other.member.get("/v1/users/me/orders").body["items"] == []
