"""An order that tests put in place is one that the schema takes, and holds what a checkout would have stored."""

import pytest
from pg8000.dbapi import Connection

from shared import db
from shared.orders import addresses, card_tokens
from tests import factories
from tests.fakes import order_rows
from tests.fakes.shop_client import COFFEE, MINT

CENT = 10_000  # micro-dollars


def test_an_order_in_place_is_whole(sql: Connection) -> None:
    order_rows.counted(10)
    order_id = order_rows.placed(factories.member(), {MINT: 3, COFFEE: 2}, card="declined")
    assert sql.execute_unnamed("SELECT state, tins FROM orders WHERE id = $1", (order_id,)).rows == [["pending", 5]]
    assert sql.execute_simple("SELECT sku, promised FROM stock WHERE promised > 0 ORDER BY sku").rows == [
        [COFFEE, 2],
        [MINT, 3],
    ]
    ((payment_id, token, address),) = sql.execute_simple(
        "SELECT p.id, p.token, o.address FROM payments p JOIN orders o ON o.id = order_id"
    ).rows
    assert db.atomically(card_tokens.unseal, payment_id, bytes(token)) == "declined"
    assert db.atomically(addresses.unseal, order_id, bytes(address)) == order_rows.HOME


def test_a_cart_in_place_is_open(sql: Connection) -> None:
    cart_id = order_rows.cart(factories.member(), {MINT: 2})
    assert sql.execute_simple("SELECT id, status, revision FROM carts").rows == [[cart_id, "open", 1]]


@pytest.mark.parametrize(
    ("state", "refunded", "word"),
    [
        ("pending", 0, "pending"),
        ("authorized", 0, "authorized"),
        ("captured", 0, "captured"),
        ("captured", 99, "captured"),
        ("captured", 100, "refunded"),
        ("failed", 0, "failed"),
        ("voided", 0, "failed"),
    ],
)
def test_a_payment_has_one_word_for_everybody(sql: Connection, state: str, refunded: int, word: str) -> None:
    """What the provider let go of was paid by nobody."""
    amounts = (100 * CENT, refunded * CENT)
    assert sql.execute_unnamed("SELECT payment_word($1, $2, $3)", (state, *amounts)).rows == [[word]]
