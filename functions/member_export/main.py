"""Task: write all data about a member into a JSON file, page by page; memory stays at one page.

The file appears when it is complete. A repeated task replaces the file. A schedule deletes expired files.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from flask import Request, Response

from functions.member_export import records, store
from shared import clock, db
from shared.config import read
from shared.db import Tx
from shared.events import ExportMember
from shared.job import Hopeless, Job
from shared.members.exports import ExportsConfig
from shared.messages import mails, notifications
from shared.messages.mails import Letter
from shared.ports import files
from shared.sweep import Sweep
from shared.values.states import ExportStatus

LIFE = timedelta(days=7)
FORGOTTEN_MAX = 500

job = Job("member_export")


def member_export(request: Request) -> Response:
    return job.handle(request)


@job.task(ExportMember)
def make(task: ExportMember, now: datetime) -> None:
    """Write the file, then notify the member. Harmless twice."""
    found = db.atomically(store.waiting, task.export_id)
    if found is None:
        raise Hopeless("there is no such export")
    if found.status != ExportStatus.MAKING:
        return
    bucket = read(ExportsConfig).documents_bucket
    files.write(bucket, found.object_name, _document(found.member_id, now), "application/json")
    db.atomically(lambda tx: _finish(tx, task.export_id, found.member_id, clock.now()))


@job.schedule("forget")
def forget(now: datetime) -> None:
    """Delete expired files; the next run continues if there are more."""
    bucket = read(ExportsConfig).documents_bucket

    def forget_one(old: store.Old) -> None:
        files.delete(bucket, old.object_name)
        db.atomically(store.mark_expired, old.id)

    with Sweep() as exports:
        exports.each(db.atomically(store.expired, now, FORGOTTEN_MAX), forget_one, lambda old: old.id)


def _finish(tx: Tx, export_id: UUID, member_id: UUID, now: datetime) -> None:
    if not store.mark_ready(tx, export_id, now, now + LIFE):
        return
    key = f"export:{export_id}"
    notifications.notify(tx, notifications.note(member_id, "export_ready", {"export_id": str(export_id)}, key), now)
    whose = store.addressee(tx, member_id)
    mails.queue(
        tx,
        Letter(whose.email, whose.full_name, "export_ready", {"name": whose.full_name}, key, member_id=member_id),
        now,
    )


def _document(member_id: UUID, now: datetime) -> Iterator[bytes]:
    """The file's content: a JSON object with a list for each section."""
    yield b'{"made_at": ' + json.dumps(now.isoformat()).encode()
    for section in records.SECTIONS:
        yield f',\n"{section}": ['.encode()
        yield from _rows(section, member_id)
        yield b"]"
    yield b"}\n"


def _rows(section: str, member_id: UUID) -> Iterator[bytes]:
    after, between = "", b"\n"
    while page := db.atomically(records.rows, section, member_id, after, store.PAGE_ROWS):
        yield between + b",\n".join(row.document.encode() for row in page)
        after, between = page[-1].key, b",\n"
