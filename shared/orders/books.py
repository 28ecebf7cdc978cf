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
from shared.values.money import ZERO, Usdt
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


def book_paid_elsewhere(tx: Tx, order_id: UUID, refund_id: UUID, amount: Usdt, now: datetime) -> None:
    """Post the journal of a refund that the provider does not pay: as far as disputes have taken more than was left of
    the order, the buyer's bank has it, and people have paid the rest out of our bank account.
    """
    taken = min(amount, max(_overdrawn(tx, order_id), ZERO))
    lines = {"owed:refunds": amount, "excess:disputes": -taken, "bank:operating": taken - amount}
    journals.post(tx, f"refunded:{refund_id}", {account: line for account, line in lines.items() if line}, now)


def _overdrawn(tx: Tx, order_id: UUID) -> Usdt:
    """The amount that disputes have taken beyond what was left of the order, less refunds booked against it."""
    return tx.scalar(
        Usdt,
        """
        SELECT CAST(coalesce(sum(line.amount), 0) AS bigint) AS amount
        FROM (SELECT 'dispute:' || m.dispute_id || ':' || m.sequence AS ref
              FROM payments JOIN disputes d ON d.payment_id = payments.id
              JOIN dispute_movements m ON m.dispute_id = d.id WHERE payments.order_id = :order_id
              UNION ALL SELECT 'refunded:' || id FROM refunds WHERE order_id = :order_id) booked
        JOIN ledger_journals USING (ref) JOIN ledger_postings line ON line.journal_id = ledger_journals.id
        WHERE line.account = 'excess:disputes'
        """,
        order_id=order_id,
    )


def book_returned(tx: Tx, kind: Literal["refund", "return"], identity: UUID, amount: Usdt, now: datetime) -> None:
    """Post the journal of a refund or return that has left the shop's treasury: we owe it no more."""
    ref = f"refunded:{identity}" if kind == "refund" else f"returned:{identity}"
    journals.move(tx, ref, "settled:shop", "owed:refunds", amount, now=now)
