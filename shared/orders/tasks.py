"""The tasks that take orders further, ask about payments, have orders sent and give the pools their shares.

Two of one `name` within about a day are one task.
"""

from datetime import datetime
from uuid import UUID

from shared import events
from shared.db import Tx
from shared.events import AccrueSale, AdvanceOrder, AskPayment, FulfilOrder, LookAtDispute, ReportTax


def advance_soon(tx: Tx, order_id: UUID, now: datetime, *, name: str | None = None) -> None:
    """Queue a task of order_advance for an order."""
    events.enqueue(tx, now, AdvanceOrder(order_id=order_id), name=name)


def ask_soon(tx: Tx, operation_id: UUID, now: datetime, *, name: str | None = None) -> None:
    """Queue a task of payment_watch for an operation."""
    events.enqueue(tx, now, AskPayment(operation_id=operation_id), name=name)


def fulfil_soon(tx: Tx, fulfilment_id: UUID, now: datetime, *, name: str | None = None) -> None:
    """Queue a task of order_fulfil for a fulfilment."""
    events.enqueue(tx, now, FulfilOrder(fulfilment_id=fulfilment_id), name=name)


def look_at_dispute_soon(tx: Tx, reference: str, now: datetime, *, name: str | None = None) -> None:
    """Queue a task of payment_watch for a dispute."""
    events.enqueue(tx, now, LookAtDispute(reference=reference), name=name)


def report_tax_soon(tx: Tx, transaction_id: UUID, now: datetime, *, name: str | None = None) -> None:
    """Queue a task of tax_report for a sale or a refund."""
    events.enqueue(tx, now, ReportTax(transaction_id=transaction_id), name=name)


def accrue_soon(tx: Tx, order_id: UUID, now: datetime) -> None:
    """Queue a task of sale_accrue for an order."""
    events.enqueue(tx, now, AccrueSale(order_id=order_id))
