"""Task: remind the next members of a live event, in the order of their numbers, a limited number per task. Task: tell
those who were reminded that it was moved, cancelled or given up. Schedule: order the reminders of events that were
far away.

The notifications, the progress and the order for the next task are one transaction, under the lock of the event: killed
anywhere, or delivered twice, everybody is reminded once of a plan, and nobody of a plan that is no more.
"""

from datetime import datetime
from uuid import UUID

from flask import Request, Response

from functions.event_remind import rules, store
from functions.event_remind.rules import Verdict
from functions.event_remind.store import Event
from shared import db, events, log
from shared.db import Tx
from shared.events import RemindOfEvent
from shared.job import ComeAgain, Hopeless, Job
from shared.messages import event_reminders, notifications
from shared.messages.notifications import Note
from shared.social.events import TellEventChanged
from shared.values.live import ORDERED_WITHIN
from shared.values.tiers import quarter_of

job = Job("event_remind")


def event_remind(request: Request) -> Response:
    return job.handle(request)


@job.task(RemindOfEvent)
def remind(task: RemindOfEvent, now: datetime) -> None:
    """Remind the next members. Harmless twice, and late."""
    db.atomically(_remind, task, now)


@job.task(TellEventChanged)
def tell_changed(task: TellEventChanged, now: datetime) -> None:
    """Tell the next of those who know of an older plan what has become of the event, and take back what they know.
    Harmless twice, and late: what is told is what holds now.
    """
    db.atomically(_tell_changed, task, now)


@job.schedule("daily")
def daily(now: datetime) -> None:
    """Order the reminders of events that have come near enough, and those whose task was lost."""
    ordered = db.atomically(_order, now)
    log.info("reminders of events are ordered", number=ordered)


def _remind(tx: Tx, task: RemindOfEvent, now: datetime) -> None:
    event = store.lock(tx, task.stream_id)
    if event is None:
        raise Hopeless("there is no such event")
    known = store.reminder(tx, event.id, task.plan)
    planned = rules.Event(event.status, event.plan, event.scheduled_at, event.planned_at)
    verdict = rules.verdict(planned, task.plan, begun=known is not None, now=now)
    if verdict is Verdict.WAIT:
        raise ComeAgain("the event is further away")
    if verdict is Verdict.NOT_ANY_MORE or (known.done_number if known else 0) != task.done_number:
        return
    if known is None:
        store.begin(tx, event.id, task.plan, now)
        known = store.reminder(tx, event.id, task.plan)
        assert known, "it was begun"
    if known.finished_at:
        return
    found = store.members_after(tx, known.done_number, known.last_number, event.tier_min, quarter_of(now))
    key = event_reminders.key(event.id, event.plan)
    data, minutes = {"stream_id": str(event.id)}, rules.minutes_left(planned, now)
    notes = [
        notifications.note(member.id, "stream_soon", data, key, stream=event.title, minutes=minutes)
        for member in found
        if member.is_reminded
    ]
    told = notifications.notify_many(tx, notes, now)
    done = found[-1].number if len(found) == store.REMINDED_AT_ONCE else known.last_number
    store.advance(tx, event.id, event.plan, done_number=done, told=told, now=now)
    if done < known.last_number:
        following = RemindOfEvent(stream_id=event.id, plan=event.plan, done_number=done)
        events.enqueue(tx, now, following, name=f"remind-{event.id}-{event.plan}-{done}")


def _tell_changed(tx: Tx, task: TellEventChanged, now: datetime) -> None:
    event = store.lock(tx, task.stream_id)
    if event is None:
        raise Hopeless("there is no such event")
    old = store.first_in_use(tx, event_reminders.old_keys(event.id, event.plan, event.status))
    if old is None:
        return
    informed = store.informed(tx, old, event.tier_min, quarter_of(now))
    notes = [note for member in informed if member.is_told and (note := _changed(member.id, event))]
    notifications.notify_many(tx, notes, now)
    notifications.retract(tx, old, now, limit=store.REMINDED_AT_ONCE)
    events.enqueue(tx, now, task)


def _changed(member_id: UUID, event: Event) -> Note | None:
    """The notice of what has become of the event; None once it has begun, when there is nothing to tell any more."""
    data = {"stream_id": str(event.id)}
    key = event_reminders.changed_key(event.id, event.plan, event.status)
    if event.status in event_reminders.CALLED_OFF:
        return notifications.note(member_id, "stream_cancelled", data, key, stream=event.title)
    if event.status not in rules.TO_COME:
        return None
    return notifications.note(member_id, "stream_moved", data, key, stream=event.title, at=event.scheduled_at)


def _order(tx: Tx, now: datetime) -> int:
    found = store.not_begun(tx, now, now + ORDERED_WITHIN)
    for plan in found:
        event_reminders.order(tx, plan.id, plan.plan, plan.scheduled_at, now)
    return len(found)
