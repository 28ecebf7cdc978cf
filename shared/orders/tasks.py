"""The tasks that take orders further and ask about payments. Two of one `name` within about a day are one task."""

from datetime import datetime
from uuid import UUID

from shared import events
from shared.db import Tx
from shared.events import AdvanceOrder, AskPayment


def advance_soon(tx: Tx, order_id: UUID, now: datetime, *, name: str | None = None) -> None:
    """Queue a task of order_advance for an order."""
    events.enqueue(tx, now, AdvanceOrder(order_id=order_id), name=name)


def ask_soon(tx: Tx, operation_id: UUID, now: datetime, *, name: str | None = None) -> None:
    """Queue a task of payment_watch for an operation."""
    events.enqueue(tx, now, AskPayment(operation_id=operation_id), name=name)
