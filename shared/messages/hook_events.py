"""Records events for receivers of webhooks, in the transaction in which they happen (docs/webhooks.md)."""

from datetime import datetime

from shared import events
from shared.db import Tx
from shared.events import HookEvent
from shared.values.hooks import HookKind


def tell(tx: Tx, kind: HookKind, subject: object, now: datetime) -> None:
    """Record that something has happened, if a receiver has chosen events of this kind. `subject` is an id, by which
    each receiver is told once. hook_send reads from the rows what there is to say.
    """
    if tx.run("SELECT FROM hook_endpoints WHERE state = 'enabled' AND CAST(:kind AS text) = ANY (kinds)", kind=kind):
        events.emit(tx, now, HookEvent(kind=kind, subject=str(subject), happened_at=now))
