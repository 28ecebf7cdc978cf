"""The tax of a cart is the tax service's word: asked once for the same cart and address, and never guessed."""

from collections.abc import Mapping
from typing import Any

import pytest
from pg8000.dbapi import Connection

from emulators.tax import TaxStandIn
from emulators.vendor import Fault
from tests.client import Client, refusal
from tests.fakes.order_client import ADDRESS, OrderClient, order_client
from tests.fakes.shop_client import COFFEE, MINT

pytest_plugins = ["tests.fakes.order_plugin"]


def quotes(sql: Connection) -> int:
    return int(sql.execute_simple("SELECT count(*) FROM tax_quotes").rows[0][0])


def age(sql: Connection, minutes: int) -> None:
    """Make all quotes so much older."""
    sql.execute_unnamed(
        """
        UPDATE tax_quotes SET quoted_at = quoted_at - make_interval(mins => $1),
               expires_at = expires_at - make_interval(mins => $1)
        """,
        (minutes,),
    )


def test_the_sums_of_a_cart_with_its_tax(buyer: OrderClient) -> None:
    buyer.add(MINT, 3)
    cart = buyer.add(COFFEE, 2).body
    shown = buyer.estimate()
    assert shown.status == 200, shown.body
    body = shown.body
    assert (body["cart_id"], body["revision"]) == (cart["id"], cart["revision"])
    assert [(item["sku"], item["quantity"], item["unit_price"], item["line_total"]) for item in body["items"]] == [
        (MINT, 3, 4.99, 14.97),
        (COFFEE, 2, 4.99, 9.98),
    ]
    assert (body["subtotal"], body["shipping"], body["tax"], body["total"]) == (24.95, 2.99, 2.48, 30.42)
    assert round(sum(item["tax"] for item in body["items"]) + body["shipping_tax"], 2) == body["tax"]
    assert round(sum(part["amount"] for part in body["breakdown"]), 2) == body["tax"]
    assert body["breakdown"][0] == {"name": "New York", "rate": 0.04, "amount": body["breakdown"][0]["amount"]}


@pytest.mark.parametrize(("tins", "shipping"), [(10, 2.99), (11, 0)])
def test_shipping_is_free_from_fifty_dollars_and_then_has_no_tax(
    buyer: OrderClient, tins: int, shipping: float
) -> None:
    buyer.add(MINT, tins)
    body = buyer.estimate().body
    assert (body["shipping"], body["shipping_tax"] > 0) == (shipping, shipping > 0)


def test_the_same_question_is_asked_once(buyer: OrderClient, tax_service: TaxStandIn, sql: Connection) -> None:
    """Capitals and blanks make no other address."""
    buyer.add(MINT, 3)
    first = buyer.estimate().body
    assert buyer.estimate(line1="12  MAIN street", city="new york").body == first
    assert (tax_service.estimates, quotes(sql)) == (1, 1)


@pytest.mark.parametrize(
    "other",
    [{"zip": "10002"}, {"state": "CA"}, {"line2": "Apt 5"}, {"line2": None}],
    ids=lambda other: next(iter(other)),
)
def test_another_address_is_asked_anew(buyer: OrderClient, tax_service: TaxStandIn, other: dict[str, Any]) -> None:
    buyer.add(MINT, 3)
    buyer.estimate()
    assert buyer.estimate(**other).status == 200
    assert tax_service.estimates == 2


def test_another_cart_or_price_is_asked_anew(buyer: OrderClient, tax_service: TaxStandIn, sql: Connection) -> None:
    buyer.add(MINT, 3)
    buyer.estimate()
    buyer.add(MINT, 1)
    buyer.estimate()
    sql.execute_simple("UPDATE products SET price_cents = 549 WHERE sku = 'MINTICE-6'")
    assert buyer.estimate().body["subtotal"] == 21.96
    assert tax_service.estimates == 3


@pytest.mark.parametrize(("minutes", "asked"), [(29, 1), (31, 2)])
def test_a_quote_is_good_for_thirty_minutes(
    buyer: OrderClient, tax_service: TaxStandIn, sql: Connection, minutes: int, asked: int
) -> None:
    buyer.add(MINT, 3)
    buyer.estimate()
    age(sql, minutes)
    assert buyer.estimate().status == 200
    assert tax_service.estimates == asked


def test_nobody_uses_the_quote_of_another_member(
    buyer: OrderClient, tax_service: TaxStandIn, sql: Connection, client: Client
) -> None:
    for somebody in (buyer, order_client(client)):
        somebody.add(MINT, 3)
        assert somebody.estimate().status == 200
    assert (tax_service.estimates, quotes(sql)) == (2, 2)


FAULTS = (Fault.UNANSWERED, Fault.INTERNAL_ERROR, Fault.NONSENSE, Fault.TOO_MANY_REQUESTS, Fault.UNAUTHORIZED)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_service_that_does_not_answer_gives_no_tax_at_all(
    buyer: OrderClient, tax_service: TaxStandIn, sql: Connection, fault: Fault
) -> None:
    """The refusal is not kept under the key, so that the same request gets the tax once the service is back."""
    buyer.add(MINT, 3)
    key = {"Idempotency-Key": "again"}
    tax_service.fail_next(1, fault)
    body = {"shipping_address": ADDRESS}
    answer = buyer.member.post("/v1/tax/estimate", body, **key)
    assert refusal(answer) == (503, "tax-unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert quotes(sql) == 0
    assert buyer.member.post("/v1/tax/estimate", body, **key).body["tax"] > 0


def test_an_order_without_a_tax_is_not_taken(buyer: OrderClient, tax_service: TaxStandIn, sql: Connection) -> None:
    buyer.add(MINT, 3)
    tax_service.fail_next(1, Fault.INTERNAL_ERROR)
    answer = buyer.create(17.96, key="order")
    assert refusal(answer) == (503, "tax-unavailable")
    assert sql.execute_simple("SELECT count(*) FROM orders").rows == [[0]]
    assert refusal(buyer.create(17.96, key="order")) == (409, "total-changed")


def test_a_cart_that_changes_while_its_tax_is_asked_for_is_not_ordered(
    buyer: OrderClient, tax_service: TaxStandIn, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal is not kept under the key, so that the same request is judged anew."""
    buyer.add(MINT, 3)
    answered = tax_service.estimate

    def slow(asked: Mapping[str, Any]) -> dict[str, Any]:
        buyer.add(COFFEE, 1)
        return answered(asked)

    with monkeypatch.context() as patched:
        patched.setattr(tax_service, "estimate", slow)
        answer = buyer.create(19.55, key="order")
    assert refusal(answer) == (409, "quote-stale")
    assert answer.headers["Retry-After"] == "1"
    assert sql.execute_simple("SELECT count(*) FROM orders").rows == [[0]]
    again = buyer.create(19.55, key="order")
    assert refusal(again) == (409, "total-changed")
    assert again.body["subtotal"] == 19.96


def test_an_address_that_the_service_does_not_know_is_not_valid(buyer: OrderClient, sql: Connection) -> None:
    buyer.add(MINT, 3)
    answer = buyer.estimate(zip="00000")
    assert refusal(answer) == (422, "not-valid")
    assert answer.body["errors"][0]["field"] == "/shipping_address"
    assert refusal(buyer.create(17.96, zip="00000")) == (422, "not-valid")
    assert quotes(sql) == 0


def test_jurisdictions_that_do_not_sum_are_made_to(buyer: OrderClient) -> None:
    buyer.add(MINT, 3)
    body = buyer.estimate(zip="00001").body
    assert round(sum(part["amount"] for part in body["breakdown"]), 2) == body["tax"]


def test_a_state_without_a_sales_tax_has_none(buyer: OrderClient) -> None:
    buyer.add(MINT, 3)
    assert buyer.estimate(state="OR", zip="97201").body["tax"] == 0


def test_a_state_that_nobody_has_judged_is_not_served(buyer: OrderClient, tax_service: TaxStandIn) -> None:
    buyer.add(MINT, 3)
    for answer in (buyer.estimate(state="UT"), buyer.create(17.96, state="UT")):
        assert refusal(answer) == (409, "destination-not-served")
        assert answer.body["state"] == "UT"
    assert tax_service.estimates == 0


def test_an_empty_cart_has_no_tax(buyer: OrderClient, tax_service: TaxStandIn) -> None:
    assert refusal(buyer.estimate()) == (409, "cart-empty")
    buyer.add(MINT, 1)
    buyer.member.delete(f"/v1/cart/remove?item_id={buyer.member.get('/v1/cart').body['items'][0]['id']}")
    assert refusal(buyer.estimate()) == (409, "cart-empty")
    assert tax_service.estimates == 0


def test_sixty_estimates_an_hour(buyer: OrderClient, tax_service: TaxStandIn) -> None:
    buyer.add(MINT, 3)
    assert {buyer.estimate().status for _ in range(60)} == {200}
    assert refusal(buyer.estimate()) == (429, "too-many-estimates")
    assert tax_service.estimates == 1


BAD: dict[str, dict[str, Any]] = {
    "no state": {"state": None},
    "a state's name": {"state": "New York"},
    "a digit for a state": {"state": "N1"},
    "four digits": {"zip": "1000"},
    "letters in the ZIP": {"zip": "1000A"},
    "a street of 10 kB": {"line1": "x" * 10_000},
    "a blank street": {"line1": "   "},
    "no city": {"city": ""},
    "writing turned around": {"line1": "12 \u202eMain"},
    "two lines in one": {"line1": "12 Main\nStreet"},
    "a number": {"zip": 10001},
    "an unknown field": {"country": "US"},
    "another recipient": {"recipient": "Somebody Else"},
}


@pytest.mark.parametrize("change", BAD.values(), ids=list(BAD))
def test_what_is_no_address_is_refused(buyer: OrderClient, tax_service: TaxStandIn, change: dict[str, Any]) -> None:
    buyer.add(MINT, 3)
    sent = {"shipping_address": {**ADDRESS, **change}}
    order = sent | {"payment": {"provider": "card", "token": "ok"}, "expected_total": 1}
    for answer in (buyer.member.post("/v1/tax/estimate", sent), buyer.send(order)):
        assert refusal(answer) == (422, "not-valid")
        (error,) = answer.body["errors"]
        assert error["field"] == f"/shipping_address/{next(iter(change))}"
    assert tax_service.estimates == 0


def test_an_address_may_be_typed_as_people_type(buyer: OrderClient, tax_service: TaxStandIn) -> None:
    buyer.add(MINT, 3)
    first = buyer.estimate().body
    typed = buyer.estimate(state=" ny ", zip="\uff11\uff10\uff10\uff10\uff11 ", line1="  12 Main\tStreet ").body
    assert typed == first
    assert tax_service.estimates == 1
