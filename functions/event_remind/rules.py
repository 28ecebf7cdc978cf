"""Whether a reminder of an event is sent now, later, or not any more. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from shared.values.live import REMINDED_BEFORE
from shared.values.states import StreamStatus

LATE_MAX = timedelta(minutes=30)
TO_COME = (StreamStatus.SCHEDULED, StreamStatus.PREPARING, StreamStatus.READY)


class Verdict(Enum):
    """The judgement of a reminder: whether it is sent now."""

    SEND = "send"
    WAIT = "wait"
    NOT_ANY_MORE = "not any more"


@dataclass(frozen=True)
class Event:
    """An event as it is planned, and when this was planned."""

    status: StreamStatus
    plan: int
    scheduled_at: datetime
    planned_at: datetime


def verdict(event: Event, plan: int, *, begun: bool, now: datetime) -> Verdict:
    """Judge a reminder of this plan. It is due an hour before the event, or at once if the event was planned later than
    that; when it has not begun half an hour later, it is not sent. A walk that has begun goes on until the event.
    """
    if event.plan != plan or event.status not in TO_COME or now >= event.scheduled_at:
        return Verdict.NOT_ANY_MORE
    due_at = max(event.scheduled_at - REMINDED_BEFORE, event.planned_at)
    if now < due_at:
        return Verdict.WAIT
    return Verdict.SEND if begun or now - due_at <= LATE_MAX else Verdict.NOT_ANY_MORE


def minutes_left(event: Event, now: datetime) -> int:
    """The minutes until the event begins, at least one."""
    return max(round((event.scheduled_at - now).total_seconds() / 60), 1)
