"""Chunks of a batch, recorded together with their codes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx


@dataclass(frozen=True)
class Batch:
    """A batch as ordered, and how many of its codes exist."""

    id: UUID
    name: str
    quantity: int
    check_symbol: bool
    status: str
    codes_made: int
    created_at: datetime


def batch(tx: Tx, batch_id: UUID, *, lock: bool) -> Batch | None:
    """The batch; with `lock` one chunk is recorded at a time."""
    if lock:
        tx.run("SELECT 1 FROM code_batches WHERE id = :id FOR UPDATE", id=batch_id)
    return tx.first(
        Batch,
        "SELECT id, name, quantity, check_symbol, status, codes_made, created_at FROM code_batches WHERE id = :id",
        id=batch_id,
    )


def insert_chunk(tx: Tx, batch_id: UUID, chunk: int, macs: Sequence[bytes], object_name: str, now: datetime) -> None:
    """Insert a chunk's codes. Raises ConstraintViolated if a code exists already: the task comes again and makes the
    chunk anew.
    """
    tx.run(
        """
        INSERT INTO code_batch_chunks (batch_id, chunk, codes, object_name, created_at)
        VALUES (:batch_id, :chunk, :codes, :object_name, :now)
        """,
        batch_id=batch_id,
        chunk=chunk,
        codes=len(macs),
        object_name=object_name,
        now=now,
    )
    tx.run(
        """
        INSERT INTO codes (mac, batch_id, chunk)
        SELECT mac, :batch_id, :chunk FROM unnest(CAST(:macs AS bytea[])) AS mac
        """,
        batch_id=batch_id,
        chunk=chunk,
        macs=list(macs),
    )
    tx.run(
        "UPDATE code_batches SET codes_made = codes_made + :codes WHERE id = :batch_id",
        codes=len(macs),
        batch_id=batch_id,
    )


def chunks(tx: Tx, batch_id: UUID) -> list[str]:
    """The names of the objects of the batch's chunks, in order."""
    return tx.column(
        str, "SELECT object_name FROM code_batch_chunks WHERE batch_id = :batch_id ORDER BY chunk", batch_id=batch_id
    )


def finish(tx: Tx, batch_id: UUID, export_object: str, now: datetime) -> None:
    """Mark the batch as generated: all codes exist and can be exported."""
    tx.run(
        """
        UPDATE code_batches SET status = 'generated', generated_at = :now, export_object = :export_object
        WHERE id = :batch_id AND status = 'generating'
        """,
        batch_id=batch_id,
        export_object=export_object,
        now=now,
    )
