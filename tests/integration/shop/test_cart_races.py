"""Sixty-four at once: a cart adds up exactly, and what is counted last holds."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from pg8000.dbapi import Connection

from tests.client import refusal
from tests.fakes.shop_client import COFFEE, MINT, ShopClient, hours

pytest_plugins = ["tests.fakes.shop_plugin"]

AT_ONCE = 64


def test_sixty_four_tins_put_in_at_once_are_sixty_four(shop: ShopClient, sql: Connection) -> None:
    """The first of them opens the cart."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(lambda _: shop.add(), range(AT_ONCE)))
    assert {answer.status for answer in answers} == {200}
    assert sorted(answer.body["items"][0]["quantity"] for answer in answers) == list(range(1, AT_ONCE + 1))
    shown = shop.cart()
    assert (shown["items"][0]["quantity"], shown["revision"], shown["subtotal"]) == (AT_ONCE, AT_ONCE, 319.36)
    assert sql.execute_simple("SELECT count(*) FROM carts").rows == [[1]]


def test_of_those_that_come_to_more_than_ninety_nine_as_many_as_fit_are_put_in(shop: ShopClient) -> None:
    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(lambda _: shop.add(MINT, 2), range(AT_ONCE)))
    assert Counter(refusal(answer) for answer in answers if answer.status != 200) == {(422, "not-valid"): AT_ONCE - 49}
    assert shop.item()["quantity"] == 98


def test_one_request_that_is_sent_many_times_is_one(shop: ShopClient) -> None:
    body, key = {"sku": MINT, "quantity": 3}, {"Idempotency-Key": "again"}
    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(lambda _: shop.member.post("/v1/cart/add", body, **key), range(AT_ONCE)))
    first = answers[0].body
    assert all(answer.body == first for answer in answers)
    assert shop.item()["quantity"] == 3


def test_an_item_is_removed_by_one_of_many(shop: ShopClient) -> None:
    shop.add(COFFEE, 1)
    shop.add(MINT, 1)
    item = shop.item()["id"]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(lambda _: shop.remove(item), range(AT_ONCE)))
    assert Counter(answer.status for answer in answers) == {200: 1, 404: AT_ONCE - 1}
    shown = shop.cart()
    assert ([entry["sku"] for entry in shown["items"]], shown["revision"]) == ([COFFEE], 3)


def price_of(number: int) -> float:
    return round(5 + number / 100, 2)


def test_of_many_who_change_one_version_of_a_product_one_does(shop: ShopClient, sql: Connection) -> None:
    def change(number: int) -> int:
        body = {"price": price_of(number), "on_sale": True, "picture": None}
        return shop.put(f"/v1/admin/products/{MINT}", body, '"1"').status

    with ThreadPoolExecutor(AT_ONCE) as threads:
        statuses = list(threads.map(change, range(AT_ONCE)))
    assert Counter(statuses) == {200: 1, 412: AT_ONCE - 1}
    assert shop.product()["price"] == price_of(statuses.index(200))
    assert sql.execute_simple("SELECT count(*) FROM audit_logs WHERE action = 'product.change'").rows == [[1]]


def test_counts_that_arrive_at_once_end_with_the_newest(shop: ShopClient, sql: Connection) -> None:
    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(lambda number: shop.count(number, at=hours(number)), range(AT_ONCE)))
    assert {refusal(answer) for answer in answers if answer.status != 200} <= {(409, "stock-count-old")}
    assert shop.level()["on_hand"] == AT_ONCE - 1
    recorded = sql.execute_simple("SELECT quantity FROM stock_moves ORDER BY moved_at").rows
    assert [[number] for number, answer in enumerate(answers) if answer.status == 200] == recorded


def test_counts_of_different_products_do_not_refuse_each_other(shop: ShopClient) -> None:
    skus = [level["sku"] for level in shop.admin.get("/v1/admin/stock").body["items"]]
    with ThreadPoolExecutor(len(skus)) as threads:
        answers = list(threads.map(lambda sku: shop.count(7, sku), skus))
    assert {answer.status for answer in answers} == {200}
