"""The journals of an order: its sale when the money is captured, and the debt of a refund when it is paid.

What a sale gives to the pools is a transaction of its own: a task of the same commit.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.db import Tx
from shared.ledger import journals
from shared.orders import tasks
from shared.orders.rows import Order, Payment
from shared.values.money import Usdt
from shared.values.states import PaymentProvider

# The accounts on which captured money stands until it is paid back.
TAKINGS = {
    PaymentProvider.CARD: "takings:card",
    PaymentProvider.INVOICE: "takings:bank",
    PaymentProvider.USDT: "takings:usdt",
}


def book_sale(tx: Tx, order: Order, payment: Payment, now: datetime) -> None:
    """Post the journal of the sale, unless it is posted."""
    ref = f"sale:{order.id}"
    if tx.scalar(bool, "SELECT EXISTS (SELECT FROM ledger_journals WHERE ref = :ref)", ref=ref):
        return
    lines = {
        TAKINGS[payment.provider]: order.total_amount,
        "turnover:shop": -order.subtotal,
        "shipping:shop": -order.shipping_cost,
        "sales_tax:shop": -order.tax_amount,
    }
    journals.post(tx, ref, lines, now)
    tasks.accrue_soon(tx, order.id, now)


def book_refunded(
    tx: Tx, refund_id: UUID, amount: Usdt, now: datetime, *, provider: PaymentProvider = PaymentProvider.CARD
) -> None:
    """Post the journal of a refund that was paid: we owe it no more, and have less where the money was."""
    journals.move(tx, f"refunded:{refund_id}", TAKINGS[provider], "owed:refunds", amount, now=now)


def book_paid_elsewhere(tx: Tx, refund_id: UUID, amount: Usdt, now: datetime) -> None:
    """Post the journal of a refund that the provider has refused and that people have paid out of our bank account."""
    journals.move(tx, f"refunded:{refund_id}", "bank:operating", "owed:refunds", amount, now=now)


def book_returned(tx: Tx, kind: Literal["refund", "return"], identity: UUID, amount: Usdt, now: datetime) -> None:
    """Post the journal of a refund or return that has left the shop's treasury: we owe it no more."""
    ref = f"refunded:{identity}" if kind == "refund" else f"returned:{identity}"
    journals.move(tx, ref, "settled:shop", "owed:refunds", amount, now=now)
