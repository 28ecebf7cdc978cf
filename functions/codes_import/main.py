"""Task: import a file of manufactured codes that was uploaded to storage.

The whole file is read once before anything is changed, so that an unreadable one changes nothing. Then each task
imports one chunk: its codes, its refused lines, the start of the next chunk and the order for it are one transaction. A
task whose chunk is not the next one does nothing. At the end the report of all refused lines is written and the
uploaded codes are deleted.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from uuid import UUID

from flask import Request, Response

from functions.codes_import import rules, store
from functions.codes_import.store import Import
from shared import db, events
from shared.codes import changes, codes
from shared.codes import files as code_files
from shared.codes.codes import CodeFilesConfig
from shared.codes.files import NotReadable, Place
from shared.config import read
from shared.db import Tx
from shared.events import ImportCodes
from shared.job import Hopeless, Job
from shared.ports import files
from shared.ports.files import FileMissing
from shared.values.states import ImportStatus

CHUNK_RECORDS = 50_000
PIECE_BYTES = 1024 * 1024  # held in memory as text and lines; a chunk reads at most this much beyond its end
REPORT_HEADER = b"line,reason\r\n"

job = Job("codes_import")


def codes_import(request: Request) -> Response:
    return job.handle(request)


@job.task(ImportCodes)
def run_step(task: ImportCodes, now: datetime) -> None:
    """Do the next step: check the file, import a chunk, or finish. Harmless twice."""
    found = db.atomically(store.get, task.import_id, lock=False)
    if found is None:
        raise Hopeless("there is no such import")
    try:
        if found.status == ImportStatus.CHECKING:
            _check(found, now)
        elif found.status == ImportStatus.IMPORTING and found.chunks_done == task.chunk:
            _next(found, now)
        elif found.status == ImportStatus.IMPORTED:
            files.delete(_bucket(), found.object_name)
    except NotReadable as fault:
        _refuse(found.id, fault, now)
    except FileMissing:
        _refuse(found.id, NotReadable("No file was uploaded, or it is gone.", 0), now)


def _check(found: Import, now: datetime) -> None:
    """Read the whole file, and change nothing but the import itself."""
    version = files.stored(_bucket(), found.object_name)
    rules.require_size(version.size_bytes)
    file = code_files.opened(files.read_from(_bucket(), found.object_name, version, 0, PIECE_BYTES))
    for record in file.records:
        rules.require_line(record.line)

    def begin(tx: Tx) -> None:
        if store.begin(tx, found.id, version, file):
            _order(tx, found.id, 0, now)

    db.atomically(begin)


def _next(found: Import, now: datetime) -> None:
    assert found.size_bytes is not None, "the file has been checked"
    if found.bytes_done < found.size_bytes:
        _import(found, now)
    else:
        _finish(found, now)


def _import(found: Import, now: datetime) -> None:
    """Import one chunk of the file."""
    start = Place(found.bytes_done, found.lines_done)
    pieces = files.read_from(_bucket(), found.object_name, found.version(), start.bytes, PIECE_BYTES)
    assert found.code_column is not None, "the file has been checked"
    records = code_files.records(pieces, found.form(), start)
    listed = code_files.sort_out(islice(records, CHUNK_RECORDS), found.code_column, start)
    lines = [(line, codes.mac(code)) for line, code in listed.codes]

    def record(tx: Tx) -> None:
        locked = store.get(tx, found.id, lock=True)
        if locked is None or locked.status != ImportStatus.IMPORTING or locked.chunks_done != found.chunks_done:
            return
        outcome = changes.manufacture(tx, [mac for _, mac in lines], found.started_by, now)
        chunk = rules.chunk(lines, listed, outcome.manufactured, outcome.refused)
        store.insert_chunk(tx, found.id, found.chunks_done, rules.report_lines(chunk.refused), now)
        store.advance(tx, found.id, chunk, rules.shown(chunk.refused, locked.refused_count))
        _order(tx, found.id, found.chunks_done + 1, now)

    db.atomically(record)


def _finish(found: Import, now: datetime) -> None:
    """Write the report, record the end, and delete the uploaded file."""
    report = f"imports/{found.id}-refused.csv" if found.refused_count else None
    if report:
        files.write(_bucket(), report, _report(found), "text/csv")
    db.atomically(store.finish, found.id, report, now)
    files.delete(_bucket(), found.object_name)


def _report(found: Import) -> Iterator[bytes]:
    """The report of all refused lines, read one chunk at a time."""
    yield REPORT_HEADER
    for chunk in range(found.chunks_done):
        yield _part(found.id, chunk)


def _part(import_id: UUID, chunk: int) -> bytes:
    return db.atomically(store.refused, import_id, chunk).encode()


def _refuse(import_id: UUID, fault: NotReadable, now: datetime) -> None:
    db.atomically(store.refuse, import_id, fault.reason, fault.line or None, now)


def _order(tx: Tx, import_id: UUID, chunk: int, now: datetime) -> None:
    events.enqueue(tx, now, ImportCodes(import_id=import_id, chunk=chunk), name=f"import-{import_id}-{chunk}")


def _bucket() -> str:
    bucket: str = read(CodeFilesConfig).codes_bucket
    return bucket
