"""Task: write everything about a member into a file of JSON, page by page; memory stays at one page.

The file appears when it is whole. Done again, it is written again in the place of the first. A schedule takes files
away when their time is over.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from flask import Request, Response

from functions.member_export import records, store
from functions.member_export.store import Section
from shared import clock, db, mails, notifications
from shared.config import read
from shared.db import Tx
from shared.events import ExportMember
from shared.exports import ExportsConfig
from shared.job import Hopeless, Job
from shared.mails import Letter
from shared.notifications import Note
from shared.ports import files

LIFE = timedelta(days=7)
FORGOTTEN_MAX = 500

job = Job("member_export")


def member_export(request: Request) -> Response:
    """The function's door."""
    return job.handle(request)


@job.task(ExportMember)
def make(task: ExportMember, now: datetime) -> None:
    """Write the file, then tell the member. Harmless twice."""
    found = db.atomically(lambda tx: store.waiting(tx, task.export_id))
    if found is None:
        raise Hopeless("there is no such export")
    if found.status != "making":
        return
    bucket = read(ExportsConfig).documents_bucket
    files.write(bucket, found.object_name, _document(found.member_id, now), "application/json")
    db.atomically(lambda tx: _finish(tx, task.export_id, found.member_id, clock.now()))


@job.schedule("forget")
def forget(now: datetime) -> None:
    """Files whose time is over; the next run takes what is left."""
    bucket = read(ExportsConfig).documents_bucket
    for old in db.atomically(lambda tx: store.expired(tx, now, FORGOTTEN_MAX)):
        files.delete(bucket, old.object_name)
        db.atomically(partial(store.mark_expired, export_id=old.id))


def _finish(tx: Tx, export_id: UUID, member_id: UUID, now: datetime) -> None:
    if not store.mark_ready(tx, export_id, now, now + LIFE):
        return
    key = f"export:{export_id}"
    body = "You find it in your profile for seven days."
    note = Note(member_id, "system", "Your data is ready", body, {"export_id": str(export_id)}, key)
    notifications.notify(tx, note, now)
    whose = store.addressee(tx, member_id)
    mails.queue(
        tx, Letter(whose.email, whose.full_name, "export_ready", {"name": whose.full_name}, key, member_id), now
    )


def _document(member_id: UUID, now: datetime) -> Iterator[bytes]:
    """An object with a list for each section."""
    yield b'{"made_at": ' + json.dumps(now.isoformat()).encode()
    for name, section in records.ALL.items():
        yield f',\n"{name}": ['.encode()
        yield from _rows(section, member_id)
        yield b"]"
    yield b"}\n"


def _rows(section: Section, member_id: UUID) -> Iterator[bytes]:
    after, between = "", b"\n"
    while page := db.atomically(partial(section, member_id=member_id, after=after, limit=store.PAGE_ROWS)):
        yield between + b",\n".join(row.document.encode() for row in page)
        after, between = page[-1].key, b",\n"
