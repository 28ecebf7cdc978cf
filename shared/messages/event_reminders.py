"""Reminders of live events: their task, an hour before, and the keys of what members are told of an event."""

from datetime import datetime
from uuid import UUID

from shared import events
from shared.db import Tx
from shared.events import RemindOfEvent
from shared.values.live import ORDERED_WITHIN, REMINDED_BEFORE
from shared.values.states import StreamStatus

CALLED_OFF = (StreamStatus.CANCELLED, StreamStatus.FAILED)


def key(stream_id: UUID, plan: int) -> str:
    """The key of the notifications of a plan: each member has one."""
    return f"stream:{stream_id}:{plan}"


def changed_key(stream_id: UUID, plan: int, status: StreamStatus) -> str:
    """The key of the notice that the event was moved to this plan, or does not take place."""
    return f"stream:{stream_id}:over" if status in CALLED_OFF else f"{key(stream_id, plan)}:changed"


def old_keys(stream_id: UUID, plan: int, status: StreamStatus) -> list[str]:
    """The keys of all that members were told of the event and that does not hold any more."""
    plans = range(1, plan + 1 if status in CALLED_OFF else plan)
    return [name for old in plans for name in (key(stream_id, old), f"{key(stream_id, old)}:changed")]


def order(tx: Tx, stream_id: UUID, plan: int, scheduled_at: datetime, now: datetime) -> None:
    """Order the reminder of an event, unless it is so far away that the daily run does. Harmless twice."""
    if scheduled_at - now > ORDERED_WITHIN:
        return
    task = RemindOfEvent(stream_id=stream_id, plan=plan, done_number=0)
    deliver_at = scheduled_at - REMINDED_BEFORE
    events.enqueue(
        tx, now, task, name=f"remind-{stream_id}-{plan}", deliver_at=deliver_at if deliver_at > now else None
    )
