"""Task: send a message to the next members, in the order of their numbers, a limited number per task.

The notifications, the message's progress and the order for the next task are one transaction. A task that does not
begin where the message's progress stands does nothing: killed anywhere, or delivered twice, it notifies everybody once.
"""

from datetime import datetime

from flask import Request, Response

from functions.broadcast_send import store
from shared import db, events
from shared.db import Tx
from shared.events import SendBroadcast
from shared.job import Hopeless, Job
from shared.messages import notifications

job = Job("broadcast_send")


def broadcast_send(request: Request) -> Response:
    return job.handle(request)


@job.task(SendBroadcast)
def send(task: SendBroadcast, now: datetime) -> None:
    """Notify the next members. Harmless twice, and late."""
    db.atomically(_send, task, now)


def _send(tx: Tx, task: SendBroadcast, now: datetime) -> None:
    message = store.lock(tx, task.broadcast_id)
    if message is None:
        raise Hopeless("there is no such message")
    if message.done_number != task.done_number or message.finished_at:
        return
    next_ones = store.members_after(tx, message.done_number, message.last_number, store.MEMBERS_AT_ONCE)
    notes = [
        notifications.announcement(member.id, message.title, message.body, message.data, f"broadcast:{message.id}")
        for member in next_ones if member.is_active
    ]  # fmt: skip
    told = notifications.notify_many(tx, notes, now)
    done = next_ones[-1].number if len(next_ones) == store.MEMBERS_AT_ONCE else message.last_number
    store.advance(tx, message.id, done, told, now)
    if done < message.last_number:
        following = SendBroadcast(broadcast_id=message.id, done_number=done)
        events.enqueue(tx, now, following, name=f"broadcast-{message.id}-{done}")
