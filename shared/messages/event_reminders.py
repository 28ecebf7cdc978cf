"""Reminders of live events: their task, an hour before, and the key of their notifications."""

from datetime import datetime
from uuid import UUID

from shared import events
from shared.db import Tx
from shared.events import RemindOfEvent
from shared.values.live import ORDERED_WITHIN, REMINDED_BEFORE


def key(stream_id: UUID, plan: int) -> str:
    """The key of the notifications of a plan: each member has one."""
    return f"stream:{stream_id}:{plan}"


def order(tx: Tx, stream_id: UUID, plan: int, scheduled_at: datetime, now: datetime) -> None:
    """Order the reminder of an event, unless it is so far away that the daily run does. Harmless twice."""
    if scheduled_at - now > ORDERED_WITHIN:
        return
    task = RemindOfEvent(stream_id=stream_id, plan=plan, done_number=0)
    deliver_at = scheduled_at - REMINDED_BEFORE
    events.enqueue(
        tx, now, task, name=f"remind-{stream_id}-{plan}", deliver_at=deliver_at if deliver_at > now else None
    )
