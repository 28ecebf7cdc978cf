"""Job: tell Intercom of the members who have asked for support, open their appeals there, and have it forget closed
accounts (docs/support.md).

One worker at a time asks about a member: it holds the row, tells what the database says now, and notes which revision
Intercom has. Everything may be told again, except that a conversation is opened: that is committed as sent before, and
one whose opening was not answered is looked for before it is opened again. Without an access token nothing is done.
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from flask import Request, Response

from functions.support_sync import rules, store
from functions.support_sync.store import Appeal, Happened, Known
from shared import clock, db, events, log
from shared.db import Tx
from shared.events import SyncSupport
from shared.job import Job
from shared.members import standing
from shared.ports import support
from shared.ports.support import Contact, SupportEvent
from shared.ports.vendors import VendorMisconfigured, VendorRefused, VendorSilent
from shared.sweep import Sweep
from shared.values import retry_after, tiers
from shared.values.states import MemberStatus

HELD_FOR = timedelta(minutes=6)  # longer than a delivery takes (function.yaml: timeout_seconds)
BEGINS_WITHIN_SECONDS = 60.0  # after this nothing further is begun
TASK_LOST_AFTER = timedelta(minutes=10)  # a queued task was lost
OVERDUE_AFTER = timedelta(hours=24)
MEMBERS_AT_ONCE_MAX = 500

job = Job("support_sync")


def support_sync(request: Request) -> Response:
    return job.handle(request)


@dataclass(frozen=True)
class Begun:
    """A member about whom Intercom is asked now; `until` is the end of this worker's hold. `contact` is None for a
    closed account.
    """

    known: Known
    until: datetime
    contact: Contact | None
    happened: list[Happened]
    appeals: list[Appeal]


@job.task(SyncSupport)
def sync(task: SyncSupport, now: datetime) -> None:
    """Tell Intercom of one member, or have it forget them, unless nothing waits or another worker is busy with it."""
    if not support.is_configured():
        return
    begun = db.atomically(_begin, task.member_id, clock.now())
    if begun is None:
        return
    with log.bound(member_id=task.member_id):
        try:
            _forget(begun) if begun.contact is None else _tell(begun, begun.contact)
        except VendorRefused as refused:
            log.error("Intercom refuses what it is told of a member", reason=refused.reason)
            _put_off(begun, rules.REFUSAL_PAUSE, refused.reason)
        except VendorMisconfigured as wrong:
            log.error("Intercom does not take our key", reason=str(wrong))
            _put_off(begun, timedelta(seconds=retry_after.MISCONFIGURED_SECONDS), None)
        except VendorSilent as silent:
            log.warning("Intercom does not answer", reason=str(silent))
            _put_off(begun, timedelta(seconds=silent.retry_after_seconds), None)


@job.schedule("sweep")
def sweep(now: datetime) -> None:
    """Queue a task for every member of whom something waits, and tell people of what has waited for a day."""
    with Sweep() as parts:
        if support.is_configured():
            parts.part(lambda: db.atomically(_queue, now), "members who wait for Intercom")
            parts.part(lambda: db.atomically(_tell_of_waiting, now), "members who have waited for a day")
        parts.part(lambda: db.atomically(_tell_of_closed, now), "closed accounts that Intercom may know")


def _queue(tx: Tx, now: datetime) -> None:
    due = store.due(tx, now, now + TASK_LOST_AFTER, MEMBERS_AT_ONCE_MAX)
    events.enqueue_many(tx, now, [SyncSupport(member_id=member_id) for member_id in due])


def _tell_of_waiting(tx: Tx, now: datetime) -> None:
    waiting = store.count_waiting(tx, now - OVERDUE_AFTER)
    if waiting:
        log.error("members have waited for Intercom for a day", number=waiting)


def _tell_of_closed(tx: Tx, now: datetime) -> None:
    left = store.count_not_forgotten(tx, now - OVERDUE_AFTER)
    if left:
        log.error("Intercom may still know closed accounts", number=left)


def _begin(tx: Tx, member_id: UUID, now: datetime) -> Begun | None:
    """Hold the member, and read what Intercom is to be told; None if there is nothing to do, or somebody does it."""
    known = store.lock(tx, member_id)
    if known is None or not known.waits or (known.held_until and known.held_until > now):
        return None
    until = now + HELD_FOR
    store.hold(tx, member_id, until)
    if known.closed_at is not None:
        return Begun(known, until, None, [], [])
    contact = _contact(tx, member_id, now)
    return Begun(known, until, contact, store.events(tx, member_id), store.appeals(tx, member_id))


def _contact(tx: Tx, member_id: UUID, now: datetime) -> Contact:
    """Everything that Intercom is told of a member: neither money nor a wallet, no postal address, no date of birth."""
    found, account = standing.find(tx, member_id, tiers.quarter_of(now)), store.account(tx, member_id)
    assert found, "a member whom Intercom knows exists"
    is_suspended = account.status == MemberStatus.SUSPENDED
    attributes = {"member_id": found.member_id, "tier": found.tier.value, "suspended": is_suspended}
    return Contact(member_id, account.email, found.username, attributes)


def _tell(begun: Begun, contact: Contact) -> None:
    """Tell of the member, then open the appeals, then tell what has happened."""
    began, member_id = time.monotonic(), begun.known.member_id
    contact_id = support.put_contact(contact, begun.known.contact_id)
    if not db.atomically(store.keep_contact, member_id, begun.until, contact_id):
        return
    looks = [_open(begun, contact_id, appeal) for appeal in begun.appeals if _has_time(began)]
    for happened in begun.happened:
        if _has_time(began):
            _tell_event(member_id, happened)
    is_cut = store.AT_ONCE_MAX in (len(begun.happened), len(looks)) or not _has_time(began)
    again_at = min([look for look in looks if look] + ([clock.now()] if is_cut else []), default=None)
    db.atomically(_finish, begun, again_at, clock.now())


def _has_time(began: float) -> bool:
    return time.monotonic() - began < BEGINS_WITHIN_SECONDS


def _tell_event(member_id: UUID, happened: Happened) -> None:
    support.tell(SupportEvent(member_id, happened.name, happened.happened_at, happened.metadata))
    db.atomically(store.mark_told, happened.id, clock.now())


def _open(begun: Begun, contact_id: str, appeal: Appeal) -> datetime | None:
    """Open the conversation about an appeal, or find it; returns when to look again if it may not be found yet."""
    if appeal.sent_at is not None:
        if not rules.may_look(appeal.sent_at, clock.now()):
            return appeal.sent_at + rules.LOOKED_UP_AFTER
        found = support.find_conversation(contact_id, rules.mark(appeal.sanction_id), appeal.sent_at)
        if found is not None:
            db.atomically(store.mark_open, appeal.sanction_id, found, clock.now())
            return None
    if not db.atomically(store.mark_sent, appeal.sanction_id, begun.until, clock.now()):
        return None  # another worker has the member
    text = rules.first_message(appeal.sanction_id, appeal.kind, appeal.message)
    try:
        conversation_id = support.open_conversation(contact_id, text)
    except (VendorRefused, VendorMisconfigured):
        db.atomically(store.mark_not_sent, appeal.sanction_id)
        raise
    db.atomically(store.mark_open, appeal.sanction_id, conversation_id, clock.now())
    log.info("an appeal is open at Intercom", sanction_id=appeal.sanction_id)
    return None


def _finish(tx: Tx, begun: Begun, again_at: datetime | None, now: datetime) -> None:
    known = begun.known
    if store.finish(tx, known.member_id, begun.until, revision=known.revision, again_at=again_at, now=now):
        events.enqueue(tx, now, SyncSupport(member_id=known.member_id))


def _forget(begun: Begun) -> None:
    """Delete the closed account's contact, and look once more when no token for the messenger is good any more: a
    messenger that was still open makes the contact anew.
    """
    known, now = begun.known, clock.now()
    assert known.closed_at, "the account is closed"
    last_look_at = known.closed_at + rules.FORGOTTEN_AGAIN_AFTER
    if not support.forget(known.member_id, known.contact_id):
        db.atomically(store.wait, known.member_id, begun.until, now + rules.LOOKED_UP_AFTER)
    elif now < last_look_at:
        db.atomically(store.wait, known.member_id, begun.until, last_look_at)
    else:
        db.atomically(store.forget, known.member_id)
        log.info("Intercom has forgotten a closed account")


def _put_off(begun: Begun, asked_for: timedelta, refusal: str | None) -> None:
    known = begun.known
    look_at = clock.now() + rules.again_after(known.failures, asked_for)
    db.atomically(store.put_off, known.member_id, begun.until, look_at, refusal)
