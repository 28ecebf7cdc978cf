"""The tasks that take orders further, ask about payments, watch for deposits, have orders sent and give the pools their
shares.

Two of one `name` within about a day are one task.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from shared import events
from shared.db import Tx
from shared.events import (
    AccrueSale,
    AdvanceOrder,
    AskPayment,
    FulfilOrder,
    LookAtDispute,
    ReportTax,
    SyncInventory,
    WatchDeposits,
)

WATCHED_EVERY = timedelta(seconds=10)


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


def watch_deposits(tx: Tx, now: datetime, *, again: bool = False) -> None:
    """Queue a task of deposit_watch: now, or with `again` at the next full WATCHED_EVERY. Those of one moment are one
    task.
    """
    if not again:
        events.enqueue(tx, now, WatchDeposits(), name=f"deposits-{now:%Y%m%d%H%M%S}")
        return
    moment = int(now.timestamp() // WATCHED_EVERY.total_seconds()) + 1
    deliver_at = datetime.fromtimestamp(moment * WATCHED_EVERY.total_seconds(), UTC)
    events.enqueue(tx, now, WatchDeposits(), name=f"deposits-again-{deliver_at:%Y%m%d%H%M%S}", deliver_at=deliver_at)


def accrue_soon(tx: Tx, order_id: UUID, now: datetime) -> None:
    """Queue a task of sale_accrue for an order."""
    events.enqueue(tx, now, AccrueSale(order_id=order_id))


def count_soon(tx: Tx, now: datetime, *, name: str) -> None:
    """Queue a task of inventory_sync, after the warehouse has told of something that is no order of ours."""
    events.enqueue(tx, now, SyncInventory(), name=name)
