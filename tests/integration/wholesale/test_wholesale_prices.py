"""Approved and active accounts see what a tin costs them; the server says it, and nobody else is told."""

from itertools import product

import pytest
from pg8000.dbapi import Connection

from shared import settings
from tests.client import refusal
from tests.fakes.wholesale_client import WholesaleClient
from tests.fakes.wholesale_rows import wholesale_account

pytest_plugins = ["tests.fakes.wholesale_plugin"]

FLAVORS = ("Blue Razz", "Bubblegum", "Cinnamon", "Citrus", "Coffee", "Mint Ice", "Spearmint", "Wintergreen")
PRODUCTS = "/v1/wholesale/products"


@pytest.mark.parametrize("statuses", [("approved",), ("approved", "active")])
def test_an_account_that_may_order_sees_all_products_at_its_price(
    desk: WholesaleClient, statuses: tuple[str, ...]
) -> None:
    wholesale_account(*statuses, member=desk.somebody)
    shown = desk.member.get(PRODUCTS).body
    assert shown["next_cursor"] is None
    assert [(item["flavor"], item["strength_mg"]) for item in shown["items"]] == list(product(FLAVORS, (3, 6, 9, 12)))
    assert {(item["price"], item["tins_min"], item["tins_step"]) for item in shown["items"]} == {(2.1, 100, 100)}


@pytest.mark.parametrize("statuses", [(), ("rejected",), ("approved", "suspended"), None])
def test_an_account_that_may_not_order_sees_no_price(desk: WholesaleClient, statuses: tuple[str, ...] | None) -> None:
    if statuses is not None:
        wholesale_account(*statuses, member=desk.somebody)
    answer = desk.member.get(PRODUCTS)
    assert refusal(answer) == (409, "account-not-approved")
    assert answer.body["account_status"] == (None if statuses is None else (statuses or ("pending",))[-1])


def test_the_price_and_the_numbers_of_tins_are_settings(desk: WholesaleClient, sql: Connection) -> None:
    wholesale_account("approved", member=desk.somebody)
    sql.execute_simple(
        """UPDATE settings SET value = '{"price": 1.95, "tins_min": 200, "tins_step": 50}'
           WHERE name = 'wholesale_terms'"""
    )
    settings.forget()
    shown = desk.member.get(PRODUCTS).body["items"]
    assert {(item["price"], item["tins_min"], item["tins_step"]) for item in shown} == {(1.95, 200, 50)}


def test_stock_and_sale_are_those_of_the_shop(desk: WholesaleClient) -> None:
    wholesale_account("approved", member=desk.somebody)
    body = {"quantity": 5000, "as_of": "2026-01-02T06:00:00Z", "reason": "Monthly count"}
    assert desk.admin.put("/v1/admin/stock/MINTICE-6", body).status == 200
    shop = {item["sku"]: item for item in desk.member.get("/v1/shop/products").body["items"]}
    for item in desk.member.get(PRODUCTS).body["items"]:
        for name in ("name", "availability", "on_sale", "picture"):
            assert item[name] == shop[item["sku"]][name]
    assert shop["MINTICE-6"]["availability"] == "in_stock"
