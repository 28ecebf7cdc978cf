"""Task: erase a deleted account, table by table, a few hundred rows per transaction. Schedule, each hour: remove all
members' rows whose retention period has ended.

What is kept for money, tax and fraud is listed in `store.py` with its reason; it names the member by number only. Every
step can be repeated. Things that were on their way when the account was closed (a mail, a copy for Firestore, a
picture) may still arrive; therefore a last task runs when they have.
"""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from flask import Request, Response

from functions.member_erase import old_store, store
from functions.member_erase.old_store import SignUp
from shared import clock, db, events, log
from shared.config import read
from shared.credentials import sign_ups
from shared.database.retention import PERIODS
from shared.db import Tx
from shared.events import EraseMember
from shared.job import ComeAgain, Hopeless, Job
from shared.members import avatars
from shared.members.exports import ExportsConfig
from shared.ports import files, firestore
from shared.reports import storage
from shared.social import images
from shared.sweep import Sweep
from shared.values.ids import NIL

LAST_LOOK_AFTER = timedelta(minutes=15)  # longer than anything recorded before the deletion can be on its way
CLOSED_WITHIN = timedelta(minutes=1)  # from the wish to close an account until that is committed
SECONDS_MAX = 120.0
TABLE_SECONDS_MAX = 15.0  # per table and hourly run; all tables together stay within its timeout

job = Job("member_erase")


def member_erase(request: Request) -> Response:
    return job.handle(request)


@job.task(EraseMember)
def erase(task: EraseMember, now: datetime) -> None:
    """Erase everything present. Raises ComeAgain if it takes too long. Harmless twice."""
    found = db.atomically(store.erasure, task.member_id)
    if found is None:
        raise Hopeless("nobody asked for it")
    if found.finished_at:
        return
    began = time.monotonic()
    _erase_files(task.member_id)
    for table in (name for name in store.STEPS if task.is_last_look or name not in store.AT_LAST):
        while db.atomically(store.erase, table, task.member_id, store.ROWS_AT_ONCE) == store.ROWS_AT_ONCE:
            if time.monotonic() - began > SECONDS_MAX:
                raise ComeAgain("there is more to remove")
    _erase_copies(task.member_id)
    _drop_reports(task.member_id)
    db.atomically(lambda tx: _finish(tx, task, clock.now()))


@job.schedule("forget-old")
def forget_old(now: datetime) -> None:
    """Remove old rows batch by batch and table by table; a later run continues. Harmless twice, late, and beside
    another run.
    """
    with Sweep() as tables:
        tables.each(old_store.PURGES, partial(_forget, now=now), str)
        tables.part(lambda: _forget_sign_ups(now), "members")


def _forget(name: str, now: datetime) -> None:
    began = time.monotonic()
    purge = partial(old_store.purge, name=name, before=now - PERIODS[name].kept, limit=old_store.ROWS_AT_ONCE)
    while db.atomically(purge) == old_store.ROWS_AT_ONCE and time.monotonic() - began < TABLE_SECONDS_MAX:
        pass


def _forget_sign_ups(now: datetime) -> None:
    """Erase old unproved sign-ups one by one, because each must lock its address."""
    with Sweep() as accounts:
        accounts.each(_unproved(now), partial(_forget_sign_up, now=now), lambda waiting: waiting.id)


def _forget_sign_up(waiting: SignUp, now: datetime) -> None:
    def forget(tx: Tx) -> bool:
        sign_ups.lock_address(tx, waiting.email)
        return sign_ups.forget(tx, waiting.id, now)

    if not db.atomically(forget):
        log.info("a sign-up stays", member_id=waiting.id)


def _unproved(now: datetime) -> Iterator[SignUp]:
    """Unproved sign-ups, the oldest first, for as long as one table may take. Each is returned once per run, even if it
    stays.
    """
    until, before = time.monotonic() + TABLE_SECONDS_MAX, now - PERIODS["members"].kept
    after, after_id, limit = old_store.FIRST, NIL, old_store.ROWS_AT_ONCE
    while page := db.atomically(
        partial(old_store.sign_ups, before=before, after=after, after_id=after_id, limit=limit)
    ):
        for waiting in page:
            if time.monotonic() > until:
                return
            yield waiting
        after, after_id = page[-1].created_at, page[-1].id


def _erase_files(member_id: UUID) -> None:
    """Delete the member's files. It must run first, because their names are in rows that are deleted next."""
    for object_name in db.atomically(store.avatars_left, member_id):
        for name in (object_name, avatars.small_name(object_name)):
            files.delete(read(avatars.AvatarsConfig).avatars_bucket, name)
    for image_id in db.atomically(store.images_left, member_id):
        files.delete(read(avatars.AvatarsConfig).avatars_bucket, images.object_name(image_id))
    for object_name in db.atomically(store.exports_left, member_id):
        files.delete(read(ExportsConfig).documents_bucket, object_name)


def _drop_reports(member_id: UUID) -> None:
    """Delete reports of admins that may name the member. It comes after the account's rows: a report that is made anew
    from here on finds none of them. A file that is still being written is deleted by its own run, or by report_export.
    """
    db.atomically(store.drop_reports, member_id, CLOSED_WITHIN)
    for file in db.atomically(store.dropped_files):
        files.delete(read(storage.ReportsConfig).reports_bucket, storage.object_name(file.export_id, file.run_id))


def _erase_copies(member_id: UUID) -> None:
    """Delete the copies in Firestore. It runs last: with the rows gone, nothing is copied again. The revocation of
    older tokens stays.
    """
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
