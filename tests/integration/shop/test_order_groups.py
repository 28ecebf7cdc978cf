"""Orders that share a transaction: one that is refused spoils no other, and tins that go meanwhile are not sold."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from functions.orders.birth_records import Born
from functions.orders.rules import CartAlreadyOrdered, CartEmpty
from shared.db import ConstraintViolated
from shared.orders.refusals import StockShort, TotalChanged
from shared.web.signatures import NotPrepared
from tests.client import Client
from tests.fakes.locks import held, until_waiting
from tests.fakes.order_client import OrderClient, order_client
from tests.fakes.order_groups import Wish, order_together
from tests.fakes.shop_client import MINT
from tests.platform import Platform

pytest_plugins = ["tests.fakes.order_plugin"]

AT_ONCE = 3


@pytest.fixture
def wishes(client: Client, buyer: OrderClient) -> list[Wish]:
    """Three members at doors of their own, each with a tin in the cart and a quote."""
    found = []
    for number, each in enumerate([buyer, *(order_client(client) for _ in range(AT_ONCE - 1))]):
        each.add(MINT, 1)
        address = {"line1": f"{number} Main Street"}
        found.append(Wish(each.who, each.total(**address), address=address))
    return found


def orders(sql: Connection) -> int:
    return int(sql.execute_simple("SELECT count(*) FROM orders").rows[0][0])


def test_one_that_is_refused_spoils_no_other(wishes: list[Wish], sql: Connection) -> None:
    first, wrong, last = wishes
    told = order_together([first, Wish(wrong.who, wrong.total + 1, address=wrong.address), last])
    assert [type(each) for each in told] == [Born, TotalChanged, Born]
    assert orders(sql) == 2


def test_one_whose_tax_was_never_asked_for_comes_again(wishes: list[Wish], sql: Connection) -> None:
    first, new, last = wishes
    elsewhere = Wish(new.who, new.total, address={"line1": "Elsewhere"}, has_asked=False)
    told = order_together([first, elsewhere, last])
    assert [type(each) for each in told] == [Born, NotPrepared, Born]
    assert orders(sql) == 2


def test_a_cart_that_comes_twice_in_a_group_is_one_order(wishes: list[Wish], sql: Connection) -> None:
    first, *_ = wishes
    born, again, other = order_together([first, first, Wish(first.who, first.total, cart_id=uuid4())])
    assert isinstance(born, Born)
    assert isinstance(again, CartAlreadyOrdered)
    assert again.members["order_id"] == str(born.accepted.id)
    assert isinstance(other, CartEmpty)
    assert orders(sql) == 1


def while_tins_go(sql: Connection, platform: Platform, wishes: list[Wish]) -> list[object]:
    """Order together while all tins but one go; returns the answers, or the rule that refused the whole group.

    Who reads the stock before the others' commit still sees the tins.
    """
    with (
        ThreadPoolExecutor(1) as thread,
        held(platform, f"UPDATE stock SET on_hand = promised + 1 WHERE sku = '{MINT}'"),
    ):
        ordering = thread.submit(order_together, wishes)
        until_waiting(sql, 1)
    try:
        return list(ordering.result())
    except ConstraintViolated as refused:
        return [refused.constraint]


def test_tins_that_go_while_a_group_waits_for_them_are_not_sold(
    wishes: list[Wish], sql: Connection, platform: Platform
) -> None:
    """The group is refused as a whole, so that each is done alone: the first one gets the last tin."""
    assert while_tins_go(sql, platform, wishes) == ["stock_short"]
    assert orders(sql) == 0
    alone = [answer for wish in wishes for answer in order_together([wish])]
    assert [type(each) for each in alone] == [Born, StockShort, StockShort]


def test_tins_that_go_while_one_alone_waits_for_them_are_told(
    buyer: OrderClient, sql: Connection, platform: Platform
) -> None:
    buyer.add(MINT, 2)
    (refused,) = while_tins_go(sql, platform, [Wish(buyer.who, buyer.total())])
    assert isinstance(refused, StockShort)
    assert refused.members["items"] == [{"sku": MINT, "wanted": 2, "left": 1}]
    assert sql.execute_simple("SELECT count(*) FROM carts WHERE status = 'ordered'").rows == [[0]]
