"""Sixty-four at once: one cart is one order, the last tin is sold once, and everybody else is told why."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pg8000.dbapi import Connection

from shared import settings
from tests.client import Answer, Client, refusal
from tests.fakes import order_rows
from tests.fakes.order_client import OrderClient, order_client
from tests.fakes.shop_client import COFFEE, MINT

pytest_plugins = ["tests.fakes.order_plugin"]

AT_ONCE = 64


def told(answers: list[Answer]) -> Counter[tuple[int, str]]:
    return Counter(refusal(answer) for answer in answers)


def one(sql: Connection, query: str) -> Any:
    ((value,),) = sql.execute_simple(query).rows
    return value


def test_one_cart_that_is_sent_many_times_is_one_order(buyer: OrderClient, sql: Connection) -> None:
    """Each with a key of its own, all of them are told which order it became."""
    buyer.add(MINT, 3)
    total = buyer.total()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(lambda _: buyer.create(total), range(AT_ONCE)))
    assert told(answers) == {(201, ""): 1, (409, "cart-already-ordered"): AT_ONCE - 1}
    assert len({answer.body.get("order_id") or answer.body["id"] for answer in answers}) == 1
    assert one(sql, "SELECT count(*) FROM orders") == one(sql, "SELECT count(*) FROM payments") == 1
    assert one(sql, "SELECT sum(promised) FROM stock") == 3


def test_one_request_that_is_sent_many_times_is_one_order(buyer: OrderClient, sql: Connection) -> None:
    """All with one key, all of them get the order itself."""
    buyer.add(MINT, 3)
    total = buyer.total()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(lambda _: buyer.create(total, key="once"), range(AT_ONCE)))
    assert told(answers) == {(201, ""): AT_ONCE}
    assert {answer.body["id"] for answer in answers} == {str(one(sql, "SELECT id FROM orders"))}


def test_the_last_tin_is_sold_once(client: Client, buyer: OrderClient, sql: Connection) -> None:
    """Everybody else is told that there is none, and keeps the cart."""
    order_rows.counted(1, MINT)
    buyers = [buyer, *(order_client(client) for _ in range(AT_ONCE - 1))]
    for number, each in enumerate(buyers):
        each.add(MINT, 1)
        total = each.total(line1=f"{number} Main Street")
    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(
            threads.map(lambda pair: pair[1].create(total, line1=f"{pair[0]} Main Street"), enumerate(buyers))
        )
    assert told(answers) == {(201, ""): 1, (409, "stock-short"): AT_ONCE - 1}
    assert all(answer.body["items"] == [{"sku": MINT, "wanted": 1, "left": 0}] for answer in answers if answer.problem)
    assert sql.execute_simple("SELECT sku, promised FROM stock WHERE promised > 0").rows == [[MINT, 1]]
    assert one(sql, "SELECT count(*) FROM carts WHERE status = 'open'") == AT_ONCE - 1


def test_carts_of_the_same_goods_in_another_order_do_not_wait_for_each_other_for_ever(
    client: Client, buyer: OrderClient, sql: Connection
) -> None:
    buyers = [buyer, *(order_client(client) for _ in range(31))]
    for number, each in enumerate(buyers):
        for sku in (MINT, COFFEE) if number % 2 else (COFFEE, MINT):
            each.add(sku, 1)
        total = each.total(line1=f"{number} Main Street")
    with ThreadPoolExecutor(len(buyers)) as threads:
        answers = list(
            threads.map(lambda pair: pair[1].create(total, line1=f"{pair[0]} Main Street"), enumerate(buyers))
        )
    assert told(answers) == {(201, ""): len(buyers)}
    assert sql.execute_simple("SELECT promised FROM stock WHERE promised > 0").rows == [[32], [32]]


def test_a_door_gets_no_more_tins_however_many_order_at_once(
    client: Client, buyer: OrderClient, sql: Connection
) -> None:
    sql.execute_simple(
        """
        UPDATE settings SET value = '{"unpaid": 2, "tins": 200, "tins_in_30_days": 10}' WHERE name = 'shop_limits'
        """
    )
    settings.forget()
    buyers = [buyer, *(order_client(client) for _ in range(15))]
    for each in buyers:
        each.add(MINT, 3)
        total = each.total()
    with ThreadPoolExecutor(len(buyers)) as threads:
        answers = list(threads.map(lambda each: each.create(total), buyers))
    assert told(answers) == {(201, ""): 3, (409, "limit-reached"): len(buyers) - 3}
    assert one(sql, "SELECT sum(tins) FROM orders") == 9


def test_an_order_and_a_change_of_its_cart_do_not_mix(buyer: OrderClient, sql: Connection) -> None:
    """Either the addition comes first and the total has changed, or it goes into a new cart."""
    buyer.add(MINT, 3)
    total = buyer.total()
    with ThreadPoolExecutor(2) as threads:
        ordering = threads.submit(buyer.create, total)
        adding = threads.submit(buyer.member.post, "/v1/cart/add", {"sku": MINT, "quantity": 1})
        order, addition = ordering.result(), adding.result()
    assert refusal(order) in {(201, ""), (409, "total-changed"), (409, "quote-stale")}
    assert refusal(addition) in {(200, ""), (503, "overloaded")}
    promised = one(sql, "SELECT coalesce(sum(promised), 0) FROM stock")
    assert promised == (3 if order.status == 201 else 0)


def test_another_card_is_taken_once(buyer: OrderClient, sql: Connection) -> None:
    order_id = order_rows.placed(buyer.who, {MINT: 1})
    order_rows.taken_further(buyer.who, order_id)
    order_rows.declined(order_id)
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: buyer.pay(order_id), range(16)))
    assert told(answers) == {(200, ""): 1, (409, "order-not-payable"): 15}
    assert one(sql, "SELECT count(*) FROM payments WHERE state = 'pending'") == 1
