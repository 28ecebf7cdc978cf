"""The progress of a batch's change, and the codes of one chunk, as rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.db import Tx


@dataclass(frozen=True)
class Walk:
    """A change of a whole batch that is under way."""

    batch_id: UUID
    kind: Literal["invalidated", "reused"]
    chunks: int
    chunks_done: int
    finished_at: datetime | None


@dataclass(frozen=True)
class Changed:
    """How many codes of a chunk were changed, and how many of them had been manufactured."""

    codes: int
    were_manufactured: int


def lock_walk(tx: Tx, change_id: UUID) -> Walk | None:
    """The walk, locked, so that one chunk is changed at a time."""
    return tx.first(
        Walk,
        """
        SELECT batch_id, kind, chunks, chunks_done, finished_at FROM code_batch_walks
        WHERE change_id = :change_id FOR UPDATE
        """,
        change_id=change_id,
    )


def invalidate(tx: Tx, batch_id: UUID, chunk: int) -> Changed:
    """Invalidate the codes of the chunk that are not used yet."""
    return tx.one(
        Changed,
        """
        WITH wanted AS (
            SELECT mac, manufactured_at FROM codes
            WHERE batch_id = :batch_id AND chunk = :chunk AND status IN ('generated', 'manufactured')
            ORDER BY mac FOR UPDATE
        ), changed AS (
            UPDATE codes SET status = 'invalidated' FROM wanted WHERE codes.mac = wanted.mac
            RETURNING wanted.manufactured_at
        )
        SELECT CAST(count(*) AS integer) AS codes, CAST(count(manufactured_at) AS integer) AS were_manufactured
        FROM changed
        """,
        batch_id=batch_id,
        chunk=chunk,
    )


def reuse(tx: Tx, batch_id: UUID, chunk: int) -> Changed:
    """Make the invalidated codes of the chunk new again."""
    return tx.one(
        Changed,
        """
        WITH wanted AS (
            SELECT mac, manufactured_at FROM codes
            WHERE batch_id = :batch_id AND chunk = :chunk AND status = 'invalidated'
            ORDER BY mac FOR UPDATE
        ), changed AS (
            UPDATE codes SET status = 'generated', manufactured_at = NULL,
                   manufactured_before = CASE WHEN wanted.manufactured_at IS NULL THEN manufactured_before
                                              ELSE manufactured_before || wanted.manufactured_at END
            FROM wanted WHERE codes.mac = wanted.mac
            RETURNING wanted.manufactured_at
        )
        SELECT CAST(count(*) AS integer) AS codes, CAST(count(manufactured_at) AS integer) AS were_manufactured
        FROM changed
        """,
        batch_id=batch_id,
        chunk=chunk,
    )


def count(tx: Tx, batch_id: UUID, *, invalidated: int, manufactured: int) -> None:
    """Add to the invalidated and manufactured counts of the batch."""
    tx.run_later(
        """
        UPDATE code_batches SET codes_invalidated = codes_invalidated + :invalidated,
               codes_manufactured = codes_manufactured + :manufactured
        WHERE id = :id
        """,
        id=batch_id,
        invalidated=invalidated,
        manufactured=manufactured,
    )


def advance(tx: Tx, change_id: UUID, codes: int, now: datetime) -> None:
    """Count a chunk as done; with the last one the walk is finished."""
    tx.run_later(
        """
        UPDATE code_batch_walks SET chunks_done = chunks_done + 1, codes_changed = codes_changed + :codes,
               finished_at = CASE WHEN chunks_done + 1 = chunks THEN CAST(:now AS timestamptz) END
        WHERE change_id = :change_id
        """,
        change_id=change_id,
        codes=codes,
        now=now,
    )
