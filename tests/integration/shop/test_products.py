"""Thirty-two products with a price each, which an admin changes version by version."""

from itertools import product

import pytest
from pg8000.dbapi import Connection

from shared import settings
from tests.client import Client, refusal
from tests.fakes.shop_client import COFFEE, MINT, ShopClient
from tests.rows import WRITTEN_BY_REFUSALS, rows_of_all_tables

pytest_plugins = ["tests.fakes.shop_plugin"]

FLAVORS = ("Blue Razz", "Bubblegum", "Cinnamon", "Citrus", "Coffee", "Mint Ice", "Spearmint", "Wintergreen")
STRENGTHS = (3, 6, 9, 12)
NO_PRICES = (0, -1, 0.005, 4.999, 0.001, 1000.01, 10**12, "4.99", True, None)
NO_PICTURES = (
    "", "pictures/mint.webp", "//evil.example/mint.webp", "https://evil.example/x", "/../secret", "/a/../b", "/A.webp",
    "/a b", "/a\n", "/" + "a" * 62, "/a/b/c/d", "javascript:alert(1)", 5,
)  # fmt: skip
PICTURE = "/pictures/mint-ice_6.webp"


def test_all_products_are_listed_by_flavor_and_strength(shop: ShopClient) -> None:
    shown = shop.member.get("/v1/shop/products").body
    assert shown["next_cursor"] is None
    assert [(item["flavor"], item["strength_mg"]) for item in shown["items"]] == list(product(FLAVORS, STRENGTHS))
    assert {(item["price"], item["on_sale"], item["picture"]) for item in shown["items"]} == {(4.99, True, None)}
    for path in ("/v1/admin/products", "/v1/admin/stock"):
        listed = shop.admin.get(path).body
        assert [item["sku"] for item in listed["items"]] == [item["sku"] for item in shown["items"]]
        assert listed["next_cursor"] is None


def test_every_product_has_its_row_of_stock(sql: Connection) -> None:
    """A migration that adds a product adds it, or the product is in no list."""
    missing = "SELECT sku FROM products WHERE sku NOT IN (SELECT sku FROM stock)"
    assert sql.execute_simple(missing).rows == []
    assert sql.execute_simple("SELECT count(*) FROM products").rows == [[32]]


def test_how_much_there_is_of_a_product_is_said_in_a_word(shop: ShopClient, sql: Connection) -> None:
    for number, (tins, expected) in enumerate([(0, "out"), (1, "low"), (99, "low"), (100, "in_stock")]):
        sku = f"COFFEE-{STRENGTHS[number]}"
        assert shop.count(tins, sku).body["availability"] == expected
        listed = {item["sku"]: item for item in shop.member.get("/v1/shop/products").body["items"]}
        assert listed[sku]["availability"] == expected
    assert listed[MINT]["availability"] == "out"  # nobody has counted it
    sql.execute_simple("UPDATE settings SET value = '101' WHERE name = 'stock_low'")
    settings.forget()
    assert shop.level("COFFEE-12")["availability"] == "low"


def test_the_list_is_for_those_who_are_signed_in(client: Client) -> None:
    assert client().get("/v1/shop/products").status == 401


def test_a_product_is_changed_and_shown_everywhere(shop: ShopClient) -> None:
    answer = shop.change(price=5.49, on_sale=False, picture=PICTURE)
    changed = answer.body
    assert (changed["price"], changed["on_sale"], changed["picture"], changed["revision"]) == (5.49, False, PICTURE, 2)
    assert answer.headers["ETag"] == '"2"'
    assert shop.product() == changed
    shown = {item["sku"]: item for item in shop.member.get("/v1/shop/products").body["items"]}
    assert [shown[MINT][name] for name in ("price", "on_sale", "picture")] == [5.49, False, PICTURE]
    assert [shown[COFFEE][name] for name in ("price", "on_sale", "picture")] == [4.99, True, None]
    assert shop.change(picture=None).body["picture"] is None


def test_a_change_names_the_version_that_was_read(shop: ShopClient, sql: Connection) -> None:
    shop.change(price=5.49)
    before = rows_of_all_tables(sql)
    assert refusal(shop.change(price=6, version='"1"')) == (412, "precondition-failed")
    body = {"price": 6, "on_sale": True, "picture": None}
    assert refusal(shop.admin.put(f"/v1/admin/products/{MINT}", body)) == (428, "precondition-required")
    assert rows_of_all_tables(sql) == before
    assert shop.change(price=6, version="*").body["revision"] == 3


@pytest.mark.parametrize("price", NO_PRICES, ids=repr)
def test_what_is_no_price_is_refused(shop: ShopClient, sql: Connection, price: object) -> None:
    before = rows_of_all_tables(sql)
    answer = shop.change(price=price)
    assert refusal(answer) == (422, "not-valid")
    assert [error["field"] for error in answer.body["errors"]] == ["/price"]
    assert rows_of_all_tables(sql) == before


@pytest.mark.parametrize("price", [0.01, 1, 4.9, 999.99, 1000])
def test_prices_are_exact(shop: ShopClient, price: float) -> None:
    assert shop.change(price=price).body["price"] == price
    assert shop.add(MINT, 99).body["subtotal"] == round(price * 99, 2)


@pytest.mark.parametrize("picture", NO_PICTURES, ids=repr)
def test_what_is_no_path_of_a_picture_is_refused(shop: ShopClient, sql: Connection, picture: object) -> None:
    before = rows_of_all_tables(sql)
    answer = shop.change(picture=picture)
    assert refusal(answer) == (422, "not-valid")
    assert [error["field"] for error in answer.body["errors"]] == ["/picture"]
    assert rows_of_all_tables(sql) == before


def test_the_schema_takes_no_other_pictures_and_prices_either(sql: Connection) -> None:
    for change in ("picture = '//evil.example/x'", "picture = '/a/../b'", "price_cents = 0", "price_cents = 100001"):
        with pytest.raises(Exception, match="products_"):
            sql.execute_simple(f"UPDATE products SET {change}")


def test_all_fields_are_said_and_no_others(shop: ShopClient, sql: Connection) -> None:
    whole = {"price": 5.49, "on_sale": True, "picture": None}
    before = rows_of_all_tables(sql)
    for body in ({**whole, "name": "x"}, *({key: whole[key] for key in whole if key != left} for left in whole)):
        assert refusal(shop.put(f"/v1/admin/products/{MINT}", body, "*")) == (422, "not-valid")
    assert refusal(shop.put("/v1/admin/products/NOTHING-6", whole, "*")) == (404, "not-found")
    assert rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS) == {
        table: digest for table, digest in before.items() if table not in WRITTEN_BY_REFUSALS
    }


def test_a_change_is_in_the_audit_log(shop: ShopClient, sql: Connection) -> None:
    shop.change(price=5.49)
    rows = sql.execute_simple("SELECT action, resource_type, resource_id, changes FROM audit_logs").rows
    before = {"price_cents": 499, "on_sale": True, "picture": None, "revision": 1}
    after = before | {"price_cents": 549, "revision": 2}
    assert rows == [["product.change", "product", MINT, {"before": before, "after": after}]]
