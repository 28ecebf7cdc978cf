"""Task: generate a batch's codes, one chunk per task.

A chunk's plain codes are written to storage first, under a fresh name; then their hashes are recorded in one
transaction that also orders the next chunk. A crash in between leaves an object that nothing refers to.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import uuid4

from flask import Request, Response

from functions.codes_generate import store
from shared import db, events
from shared.codes import codes
from shared.codes.codes import CodeFilesConfig
from shared.config import read
from shared.db import Tx
from shared.events import FillCodeBatch
from shared.job import Hopeless, Job
from shared.ports import files
from shared.values import csv_fields
from shared.values.states import BatchStatus

CHUNK_CODES = 50_000
HEADER = b"code,batch_id,batch_name,generated_at\r\n"

job = Job("codes_generate")


def codes_generate(request: Request) -> Response:
    return job.handle(request)


@job.task(FillCodeBatch)
def fill(task: FillCodeBatch, now: datetime) -> None:
    """Generate one chunk, or finish the batch when all codes exist. Harmless twice."""
    batch = db.atomically(store.batch, task.batch_id, lock=False)
    if batch is None:
        raise Hopeless("there is no such batch")
    start = task.chunk * CHUNK_CODES
    if start >= batch.quantity:
        _finish(batch, now)
    elif batch.codes_made == start:
        _make(batch, task.chunk, min(CHUNK_CODES, batch.quantity - start), now)
    else:
        db.atomically(_order_next, task, now)


def _make(batch: store.Batch, chunk: int, count: int, now: datetime) -> None:
    made = list(codes.generate(count, check_symbol=batch.check_symbol))
    name = f"chunks/{batch.id}/{chunk:05d}-{uuid4()}.csv"
    files.write(read(CodeFilesConfig).codes_bucket, name, _lines(batch, chunk, made), "text/csv")
    macs = sorted(codes.mac(code) for code in made)

    def record(tx: Tx) -> None:
        locked = store.batch(tx, batch.id, lock=True)
        if locked and locked.codes_made == chunk * CHUNK_CODES:
            store.insert_chunk(tx, batch.id, chunk, macs, name, now=now)
            _order_next(tx, FillCodeBatch(batch_id=batch.id, chunk=chunk), now)

    db.atomically(record)


def _order_next(tx: Tx, done: FillCodeBatch, now: datetime) -> None:
    following = FillCodeBatch(batch_id=done.batch_id, chunk=done.chunk + 1)
    events.enqueue(tx, now, following, name=f"fill-{following.batch_id}-{following.chunk}")


def _finish(batch: store.Batch, now: datetime) -> None:
    """Join the chunks to one file, make the batch exportable, then delete the chunks."""
    bucket = read(CodeFilesConfig).codes_bucket
    parts = db.atomically(store.chunks, batch.id)
    if batch.status == BatchStatus.GENERATING:
        name = f"batches/{batch.id}.csv"
        files.compose(bucket, name, parts)
        db.atomically(store.finish, batch.id, name, now)
    for part in parts:
        files.delete(bucket, part)


def _lines(batch: store.Batch, chunk: int, made: Sequence[str]) -> Iterator[bytes]:
    """The chunk as lines of CSV (RFC 4180). The batch's name is user input: it is quoted, and cannot become a
    spreadsheet's formula.
    """
    if chunk == 0:
        yield HEADER
    tail = f",{batch.id},{csv_fields.quoted(batch.name)},{batch.created_at.isoformat()}\r\n"
    for start in range(0, len(made), 1000):
        yield "".join(codes.displayed(code) + tail for code in made[start : start + 1000]).encode()
