"""A cart remembers what is put in, says what it costs now and what has changed, and belongs to one member."""

from typing import Any
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from shared import settings
from tests import factories
from tests.client import Answer, Client, refusal
from tests.fakes.shop_client import COFFEE, MINT, ShopClient
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.shop_plugin"]

EMPTY: dict[str, Any] = {"id": None, "revision": 0, "items": [], "subtotal": 0, "shipping": 0, "free_shipping_in": 50,
         "total_before_tax": 0}  # fmt: skip
SUMS = ("subtotal", "shipping", "free_shipping_in", "total_before_tax")
NO_QUANTITIES = (0, -1, 1.5, 100, 10**9, "2", True, None, [1])


def sums(cart: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(cart[name] for name in SUMS)


def test_there_is_no_cart_until_something_is_put_in(shop: ShopClient, sql: Connection) -> None:
    assert shop.cart() == EMPTY
    assert sql.execute_simple("SELECT count(*) FROM carts").rows == [[0]]


def test_what_is_put_in_is_shown_with_its_sums(shop: ShopClient) -> None:
    shop.count(500)
    shown = shop.add(MINT, 3).body
    (item,) = shown["items"]
    assert item == {
        "id": item["id"], "sku": MINT, "name": "BlakJaks Mint Ice", "flavor": "Mint Ice", "strength_mg": 6,
        "picture": None, "quantity": 3, "unit_price": 4.99, "added_price": 4.99, "line_total": 14.97, "marks": [],
        "left": None,
    }  # fmt: skip
    assert sums(shown) == (14.97, 2.99, 35.03, 17.96)
    assert (shown["revision"], shop.cart()) == (1, shown)


def test_the_same_product_is_one_item_and_another_one_comes_after_it(shop: ShopClient) -> None:
    shop.add(MINT, 3)
    shop.add(COFFEE, 1)
    shown = shop.add(MINT, 2).body
    assert [(item["sku"], item["quantity"]) for item in shown["items"]] == [(MINT, 5), (COFFEE, 1)]
    assert shown["revision"] == 3


@pytest.mark.parametrize(
    ("tins", "expected"),
    [(10, (49.90, 2.99, 0.10, 52.89)), (11, (54.89, 0, None, 54.89)), (1, (4.99, 2.99, 45.01, 7.98))],
)
def test_shipping_is_free_from_fifty_dollars_of_goods(
    shop: ShopClient, tins: int, expected: tuple[float | None, ...]
) -> None:
    assert sums(shop.add(MINT, tins).body) == expected


@pytest.mark.parametrize(("price", "expected"), [(49.99, (49.99, 2.99, 0.01, 52.98)), (50.00, (50.00, 0, None, 50.00))])
def test_a_cent_below_fifty_dollars_is_not_free(
    shop: ShopClient, price: float, expected: tuple[float | None, ...]
) -> None:
    shop.change(price=price)
    assert sums(shop.add(MINT, 1).body) == expected


def test_shipping_and_the_sum_from_which_it_is_free_are_settings(shop: ShopClient, sql: Connection) -> None:
    sql.execute_simple(
        """UPDATE settings SET value = '{"cost": 3.5, "free_from": 4.99}' WHERE name = 'shop_shipping'"""
    )
    settings.forget()
    assert sums(shop.add().body) == (4.99, 0, None, 4.99)
    sql.execute_simple("""UPDATE settings SET value = '{"cost": 3.5, "free_from": 5}' WHERE name = 'shop_shipping'""")
    settings.forget()
    assert sums(shop.cart()) == (4.99, 3.5, 0.01, 8.49)


def test_a_quantity_is_changed_and_an_item_removed(shop: ShopClient) -> None:
    shop.add(MINT, 3)
    shop.add(COFFEE, 1)
    shown = shop.update(shop.item(MINT)["id"], 7).body
    assert [item["quantity"] for item in shown["items"]] == [7, 1]
    shown = shop.remove(shop.item(MINT)["id"]).body
    assert [item["sku"] for item in shown["items"]] == [COFFEE]
    assert shown["revision"] == 4
    emptied = shop.remove(shop.item(COFFEE)["id"]).body
    assert emptied == EMPTY | {"id": shown["id"], "revision": 5}
    assert shop.add().body["id"] == shown["id"]


def test_more_than_ninety_nine_of_a_product_are_refused_and_change_nothing(shop: ShopClient, sql: Connection) -> None:
    shop.add(MINT, 60)
    before = rows_of_all_tables(sql)
    answer = shop.add(MINT, 40)
    assert refusal(answer) == (422, "not-valid")
    assert [error["field"] for error in answer.body["errors"]] == ["/quantity"]
    assert "60" in answer.body["errors"][0]["message"]
    assert rows_of_all_tables(sql) == before
    assert shop.add(MINT, 39).body["items"][0]["quantity"] == 99
    assert shop.add(COFFEE, 99).status == 200


@pytest.mark.parametrize("quantity", NO_QUANTITIES, ids=repr)
def test_what_is_no_quantity_is_refused_and_changes_nothing(
    shop: ShopClient, sql: Connection, quantity: object
) -> None:
    shop.add(MINT, 3)
    item, before = shop.item()["id"], rows_of_all_tables(sql)
    for answer in (shop.add(MINT, quantity), shop.add(COFFEE, quantity), shop.update(item, quantity)):
        assert refusal(answer) == (422, "not-valid")
        assert [error["field"] for error in answer.body["errors"]] == ["/quantity"]
    assert rows_of_all_tables(sql) == before


def test_unknown_fields_and_parameters_are_refused(shop: ShopClient, sql: Connection) -> None:
    shop.add(MINT, 3)
    item, before = shop.item()["id"], rows_of_all_tables(sql)
    answers = (
        shop.member.post("/v1/cart/add", {"sku": MINT, "quantity": 1, "price": 0.01}),
        shop.member.put("/v1/cart/update", {"item_id": item, "quantity": 1, "unit_price": 0.01}),
        shop.member.delete(f"/v1/cart/remove?item_id={item}&all=1"),
        shop.member.delete("/v1/cart/remove"),
        shop.member.delete("/v1/cart/remove?item_id=1"),
        shop.member.get("/v1/cart?member_id=1"),
    )
    assert [refusal(answer) for answer in answers] == [(422, "not-valid")] * len(answers)
    assert rows_of_all_tables(sql) == before


@pytest.mark.parametrize("sku", ["NOTHING-6", "mintice-6", "MINTICE-6' --", "💥"])
def test_an_unknown_product_is_not_found(shop: ShopClient, sql: Connection, sku: str) -> None:
    before = rows_of_all_tables(sql)
    assert refusal(shop.add(sku)) == (404, "product-unknown")
    assert rows_of_all_tables(sql) == before


def test_a_product_off_sale_is_not_put_in(shop: ShopClient, sql: Connection) -> None:
    assert shop.change(on_sale=False).status == 200
    before = rows_of_all_tables(sql)
    assert refusal(shop.add()) == (409, "product-not-on-sale")
    assert rows_of_all_tables(sql) == before


def test_what_goes_off_sale_is_marked_and_does_not_count(shop: ShopClient) -> None:
    shop.count(500)
    shop.count(500, COFFEE)
    shop.add(MINT, 10)
    shop.add(COFFEE, 1)
    assert shop.cart()["free_shipping_in"] is None
    shop.change(COFFEE, on_sale=False)
    shown = shop.cart()
    assert [(item["marks"], item["line_total"]) for item in shown["items"]] == [([], 49.90), (["off_sale"], 0)]
    assert sums(shown) == (49.90, 2.99, 0.10, 52.89)
    assert refusal(shop.add(COFFEE)) == (409, "product-not-on-sale")
    shop.change(COFFEE, on_sale=True)
    assert shop.item(COFFEE)["marks"] == []
    shop.change(COFFEE, on_sale=False)
    assert shop.remove(shop.item(COFFEE)["id"]).status == 200


def test_a_changed_price_is_marked_until_it_is_the_same_again_or_more_is_put_in(shop: ShopClient) -> None:
    shop.count(500)
    shop.add(MINT, 2)
    shop.change(price=5.49)
    item = shop.item()
    assert (item["unit_price"], item["added_price"], item["line_total"]) == (5.49, 4.99, 10.98)
    assert item["marks"] == ["price_changed"]
    assert shop.cart()["subtotal"] == 10.98

    (changed,) = shop.update(item["id"], 3).body["items"]
    assert (changed["added_price"], changed["marks"]) == (4.99, ["price_changed"])

    shop.change(price=4.99)
    assert shop.item()["marks"] == []
    shop.change(price=5.49)
    (more,) = shop.add(MINT, 1).body["items"]
    assert (more["quantity"], more["added_price"], more["marks"]) == (4, 5.49, [])


def test_more_than_there_is_may_be_put_in_and_is_marked_with_what_is_left(shop: ShopClient) -> None:
    shop.count(5)
    assert shop.add(MINT, 5).body["items"][0]["marks"] == []
    (item,) = shop.add(MINT, 1).body["items"]
    assert (item["marks"], item["left"], item["line_total"]) == (["short_of_stock"], 5, 29.94)
    (item,) = shop.add(COFFEE, 1).body["items"][1:]
    assert (item["marks"], item["left"]) == (["short_of_stock"], 0)


def test_all_that_is_wrong_is_marked(shop: ShopClient) -> None:
    shop.add(MINT, 1)
    shop.change(price=5.49, on_sale=False)
    assert shop.item()["marks"] == ["price_changed", "off_sale", "short_of_stock"]


def test_somebody_elses_item_is_not_there(shop: ShopClient, client: Client, sql: Connection) -> None:
    shop.add(MINT, 3)
    item = shop.item()["id"]
    without_cart, with_cart = (ShopClient(client(factories.member().token), shop.admin) for _ in range(2))
    with_cart.add(MINT, 1)
    before = rows_of_all_tables(sql)
    tried: list[Answer] = []
    for stranger in (without_cart, with_cart):
        tried += [stranger.update(item, 5), stranger.remove(item), stranger.update(str(uuid4()), 5)]
    assert [refusal(answer) for answer in tried] == [(404, "not-in-cart")] * len(tried)
    assert rows_of_all_tables(sql) == before
    assert with_cart.cart()["items"][0]["quantity"] == 1
    assert shop.cart()["items"][0]["quantity"] == 3


def test_an_item_is_removed_once(shop: ShopClient) -> None:
    shop.add()
    item = shop.item()["id"]
    assert shop.remove(item).status == 200
    assert refusal(shop.remove(item)) == (404, "not-in-cart")
    assert refusal(shop.update(item, 2)) == (404, "not-in-cart")


def test_a_cart_that_was_ordered_is_not_touched_and_the_next_one_is_new(shop: ShopClient, sql: Connection) -> None:
    first = shop.add(MINT, 3).body
    sql.execute_simple("UPDATE carts SET status = 'ordered', ordered_at = now()")
    assert shop.cart() == EMPTY
    item = first["items"][0]["id"]
    assert refusal(shop.update(item, 5)) == refusal(shop.remove(item)) == (404, "not-in-cart")
    second = shop.add(COFFEE, 1).body
    assert second["id"] != first["id"]
    assert [item["sku"] for item in second["items"]] == [COFFEE]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE cart_items SET quantity = 5",
        "DELETE FROM cart_items",
        "INSERT INTO cart_items SELECT gen_random_uuid(), cart_id, 'COFFEE-3', 1, 499, added_at FROM cart_items",
    ],
)
def test_the_schema_refuses_to_change_a_cart_that_was_ordered(
    shop: ShopClient, sql: Connection, statement: str
) -> None:
    shop.add(MINT, 3)
    sql.execute_simple("UPDATE carts SET status = 'ordered', ordered_at = now()")
    with pytest.raises(Exception, match="cart_ordered"):
        sql.execute_simple(statement)


@pytest.mark.parametrize("column", ["sku = 'COFFEE-3'", "cart_id = gen_random_uuid()", "id = gen_random_uuid()"])
def test_an_item_stays_what_it_is(shop: ShopClient, sql: Connection, column: str) -> None:
    shop.add(MINT, 3)
    with pytest.raises(Exception, match="cart_item_fixed"):
        sql.execute_simple(f"UPDATE cart_items SET {column}")


def test_the_schema_lets_a_member_have_one_open_cart(shop: ShopClient, sql: Connection) -> None:
    shop.add()
    with pytest.raises(Exception, match="carts_open"):
        sql.execute_simple("INSERT INTO carts SELECT gen_random_uuid(), member_id, 'open', 0, now(), now() FROM carts")
