"""Task: remove what is left of a deleted account, table by table, some hundred rows per transaction.

What is kept for money, tax and fraud is listed in `store.py` with its reason and says nothing of a person but a number.
Every step may be done again. Things that were on their way when the account was closed (a mail, a copy for Firestore,
a picture) may still arrive: the last look comes when they have.
"""

import time
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from flask import Request, Response

from functions.member_erase import store
from shared import avatars, clock, db, events
from shared.config import read
from shared.db import Tx
from shared.events import EraseMember
from shared.exports import ExportsConfig
from shared.job import ComeAgain, Hopeless, Job
from shared.ports import files, firestore

LAST_LOOK_AFTER = timedelta(minutes=15)  # longer than anything is on its way that was recorded before
SECONDS_MAX = 120.0
ATTEMPTS_AT_ONCE = 10_000
ATTEMPTS_KEPT = timedelta(hours=2)  # they count within a clock hour; whoever began in it may still be looking

job = Job("member_erase")


def member_erase(request: Request) -> Response:
    """The function's door."""
    return job.handle(request)


@job.task(EraseMember)
def erase(task: EraseMember, now: datetime) -> None:
    """Remove everything that is there; come again when it takes long. Harmless twice."""
    found = db.atomically(lambda tx: store.erasure(tx, task.member_id))
    if found is None:
        raise Hopeless("nobody asked for it")
    if found.finished_at:
        return
    began = time.monotonic()
    _erase_files(task.member_id)
    for step in (*store.STEPS, *(store.LAST_STEPS if task.is_last_look else ())):
        while db.atomically(partial(step, member_id=task.member_id, limit=store.ROWS_AT_ONCE)) == store.ROWS_AT_ONCE:
            if time.monotonic() - began > SECONDS_MAX:
                raise ComeAgain("there is more to remove")
    _erase_copies(task.member_id)
    db.atomically(lambda tx: _finish(tx, task, clock.now()))


@job.schedule("forget-attempts")
def forget_attempts(now: datetime) -> None:
    """Counters name members, devices and networks, and are of no use when their hour is over. A later run continues."""
    began = time.monotonic()
    forget = partial(store.forget_attempts, before=now - ATTEMPTS_KEPT, limit=ATTEMPTS_AT_ONCE)
    while db.atomically(forget) == ATTEMPTS_AT_ONCE and time.monotonic() - began < SECONDS_MAX:
        pass


def _erase_files(member_id: UUID) -> None:
    """First: their names are in rows that go next."""
    for avatar in db.atomically(lambda tx: store.avatars_left(tx, member_id)):
        for name in (avatar.object_name, avatars.small_name(avatar.object_name)):
            files.delete(read(avatars.AvatarsConfig).avatars_bucket, name)
    for export in db.atomically(lambda tx: store.exports_left(tx, member_id)):
        files.delete(read(ExportsConfig).documents_bucket, export.object_name)


def _erase_copies(member_id: UUID) -> None:
    """Last: nothing is copied any more, since there are no rows. What was taken back from older tokens stays so."""
    while firestore.delete_some(f"members/{member_id}/notifications"):
        pass
    firestore.delete([f"inboxes/{member_id}"])


def _finish(tx: Tx, task: EraseMember, now: datetime) -> None:
    if task.is_last_look:
        store.finish(tx, task.member_id, now)
        return
    last = EraseMember(member_id=task.member_id, is_last_look=True)
    name = f"erase-{task.member_id}-last"
    events.enqueue(tx, now, last, name=name, deliver_at=now + LAST_LOOK_AFTER)
