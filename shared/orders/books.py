"""The journals of an order: its sale when the money is captured, a refund as a debt, and the debt when it is paid.

What sale and refund give to the pools, and take from them, is a transaction of its own: a task of the same commit.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

from shared.db import Tx
from shared.ledger import journals
from shared.orders import operations, tasks
from shared.orders.rows import Order, Payment
from shared.values.money import Usdt


def book_sale(tx: Tx, order: Order, payment: Payment, now: datetime) -> None:
    """Post the journal of the sale, unless it is posted."""
    ref = f"sale:{order.id}"
    if tx.scalar(bool, "SELECT EXISTS (SELECT FROM ledger_journals WHERE ref = :ref)", ref=ref):
        return
    lines = {
        f"takings:{payment.provider}": order.total_amount,
        "turnover:shop": -order.subtotal,
        "shipping:shop": -order.shipping_cost,
        "sales_tax:shop": -order.tax_amount,
    }
    journals.post(tx, ref, lines, now)
    tasks.accrue_soon(tx, order.id, now)


def refund_all(tx: Tx, order: Order, payment: Payment, now: datetime) -> None:
    """Record the refund of everything that the order was charged, unless one is recorded; from now on it is owed."""
    if tx.scalar(bool, "SELECT EXISTS (SELECT FROM refunds WHERE order_id = :order_id)", order_id=order.id):
        return
    identity = uuid4()
    lines = {
        "turnover:shop": order.subtotal,
        "shipping:shop": order.shipping_cost,
        "sales_tax:shop": order.tax_amount,
        "owed:refunds": -order.total_amount,
    }
    journals.post(tx, f"refund:{identity}", lines, now)
    operations.record(tx, payment.id, "refund", order.total_amount, now, operation_id=identity)
    tx.run(
        """
        INSERT INTO refunds (id, order_id, goods, shipping, tax, amount, reason, recorded_at)
        VALUES (:id, :order_id, :goods, :shipping, :tax, :amount, 'cancelled', :now)
        """,
        id=identity,
        order_id=order.id,
        goods=order.subtotal,
        shipping=order.shipping_cost,
        tax=order.tax_amount,
        amount=order.total_amount,
        now=now,
    )
    tasks.accrue_soon(tx, order.id, now)


def book_refunded(tx: Tx, refund_id: UUID, amount: Usdt, now: datetime) -> None:
    """Post the journal of a refund that the provider has paid: we owe it no more, and the provider owes us less."""
    journals.move(tx, f"refunded:{refund_id}", "takings:card", "owed:refunds", amount, now=now)


def book_returned(tx: Tx, kind: Literal["refund", "return"], identity: UUID, amount: Usdt, now: datetime) -> None:
    """Post the journal of a refund or return that has left the shop's treasury: we owe it no more."""
    ref = f"refunded:{identity}" if kind == "refund" else f"returned:{identity}"
    journals.move(tx, ref, "settled:shop", "owed:refunds", amount, now=now)
