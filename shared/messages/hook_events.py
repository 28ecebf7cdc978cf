"""Records events for receivers of webhooks, in the transaction in which they happen (docs/webhooks.md)."""

from datetime import datetime

from shared import events
from shared.db import Tx
from shared.events import HookEvent
from shared.values.hooks import OF_ORDERS, HookKind


def tell(tx: Tx, kind: HookKind, subject: object, now: datetime) -> None:
    """Record that something has happened, if a receiver who may hear of it has chosen events of this kind: one of the
    owners, or of the account whose order it is. `subject` is an id, by which each receiver is told once. hook_send
    reads from the rows what there is to say.
    """
    if _is_chosen(tx, kind, subject if kind in OF_ORDERS else None):
        events.emit(tx, now, HookEvent(kind=kind, subject=str(subject), happened_at=now))


def _is_chosen(tx: Tx, kind: HookKind, order_id: object | None) -> bool:
    """True if there is such a receiver. Owners and an account have five endpoints each, so that few rows are read."""
    return bool(
        tx.run(
            """
            SELECT FROM hook_endpoints
            WHERE state = 'enabled' AND CAST(:kind AS text) = ANY (kinds)
              AND (account_id IS NULL
                   OR account_id = (SELECT o.account_id FROM orders o WHERE o.id = CAST(:order_id AS uuid)))
            LIMIT 1
            """,
            kind=kind,
            order_id=order_id,
        )
    )
