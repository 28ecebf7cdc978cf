"""Task: import a file of manufactured codes that was uploaded to storage.

The file is read once as a whole, so that one that cannot be read changes nothing. Then each task imports one chunk:
its codes, its refused lines, where the next chunk begins and the order for it are one transaction. A task whose chunk
is not the next one does nothing. Last come the report of all refused lines and the end of the uploaded codes.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from uuid import UUID

from flask import Request, Response

from functions.codes_import import rules, store
from functions.codes_import.store import Import
from shared import code_changes, code_files, codes, db, events
from shared.code_files import NotReadable, Place
from shared.codes import CodeFilesConfig
from shared.config import read
from shared.db import Tx
from shared.events import ImportCodes
from shared.job import Hopeless, Job
from shared.ports import files
from shared.ports.files import FileMissing

CHUNK_RECORDS = 50_000
PIECE_BYTES = 1024 * 1024  # in memory as text and lines; a chunk reads at most this much beyond its end
REPORT_HEADER = b"line,reason\r\n"

job = Job("codes_import")


def codes_import(request: Request) -> Response:
    """The function's door."""
    return job.handle(request)


@job.task(ImportCodes)
def bring(task: ImportCodes, now: datetime) -> None:
    """Do what is next: check the file, import a chunk, or finish. Harmless twice."""
    found = db.atomically(lambda tx: store.get(tx, task.import_id, lock=False))
    if found is None:
        raise Hopeless("there is no such import")
    try:
        if found.status == "checking":
            _check(found, now)
        elif found.status == "importing" and found.chunks_done == task.chunk:
            _next(found, now)
        elif found.status == "imported":
            files.delete(_bucket(), found.object_name)
    except NotReadable as fault:
        _refuse(found.id, fault, now)
    except FileMissing:
        _refuse(found.id, NotReadable("No file was uploaded, or it is gone.", 0), now)


def _check(found: Import, now: datetime) -> None:
    """Read all of it, and change nothing but the import itself."""
    version = files.stored(_bucket(), found.object_name)
    rules.require_size(version.size_bytes)
    records = code_files.records(files.read_from(_bucket(), found.object_name, version, 0, PIECE_BYTES))
    header = next(records, None)
    column = code_files.column_of(header)
    assert header
    for record in records:
        rules.require_line(record.line)

    def begin(tx: Tx) -> None:
        if store.begin(tx, found.id, version, column, header.end):
            _order(tx, found.id, 0, now)

    db.atomically(begin)


def _next(found: Import, now: datetime) -> None:
    assert found.size_bytes is not None, "the file has been checked"
    if found.bytes_done < found.size_bytes:
        _import(found, now)
    else:
        _finish(found, now)


def _import(found: Import, now: datetime) -> None:
    """One chunk."""
    start = Place(found.bytes_done, found.lines_done)
    pieces = files.read_from(_bucket(), found.object_name, found.version(), start.bytes, PIECE_BYTES)
    assert found.code_column is not None, "the file has been checked"
    listed = code_files.sort_out(islice(code_files.records(pieces, start), CHUNK_RECORDS), found.code_column, start)
    lines = [(line, codes.mac(code)) for line, code in listed.codes]

    def record(tx: Tx) -> None:
        locked = store.get(tx, found.id, lock=True)
        if locked is None or locked.status != "importing" or locked.chunks_done != found.chunks_done:
            return
        outcome = code_changes.manufacture(tx, [mac for _, mac in lines], found.started_by, now)
        chunk = rules.chunk(lines, listed, outcome.manufactured, outcome.refused)
        store.insert_chunk(tx, found.id, found.chunks_done, rules.report_lines(chunk.refused), now)
        store.advance(tx, found.id, chunk, rules.shown(chunk.refused, locked.refused_count))
        _order(tx, found.id, found.chunks_done + 1, now)

    db.atomically(record)


def _finish(found: Import, now: datetime) -> None:
    """Write the report; record the end; the codes themselves are needed no more."""
    report = f"imports/{found.id}-refused.csv" if found.refused_count else None
    if report:
        files.write(_bucket(), report, _report(found), "text/csv")
    db.atomically(lambda tx: store.finish(tx, found.id, report, now))
    files.delete(_bucket(), found.object_name)


def _report(found: Import) -> Iterator[bytes]:
    """All refused lines, a chunk in memory at a time."""
    yield REPORT_HEADER
    for chunk in range(found.chunks_done):
        yield _part(found.id, chunk)


def _part(import_id: UUID, chunk: int) -> bytes:
    return db.atomically(lambda tx: store.refused(tx, import_id, chunk)).encode()


def _refuse(import_id: UUID, fault: NotReadable, now: datetime) -> None:
    db.atomically(lambda tx: store.refuse(tx, import_id, fault.reason, fault.line or None, now))


def _order(tx: Tx, import_id: UUID, chunk: int, now: datetime) -> None:
    events.enqueue(tx, now, ImportCodes(import_id=import_id, chunk=chunk), name=f"import-{import_id}-{chunk}")


def _bucket() -> str:
    bucket: str = read(CodeFilesConfig).codes_bucket
    return bucket
