"""Records changes of codes, and marks generated codes as manufactured, which two functions do."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

from shared.db import Tx

CODES_AT_ONCE = 50_000  # codes per statement, to stay far below its time limit
UNKNOWN = "unknown code"

Kind = Literal["manufactured", "invalidated", "reused", "recalled"]


@dataclass(frozen=True)
class CodeChange:
    """One change by an admin, however many codes it concerns."""

    id: UUID
    kind: Kind
    batch_id: UUID | None
    reason: str | None
    actor_id: UUID


@dataclass(frozen=True)
class Outcome:
    """How many codes became manufactured, and why others were refused; codes manufactured before are in neither."""

    manufactured: int
    refused: Mapping[bytes, str]


@dataclass(frozen=True)
class _Marked:
    batch_id: UUID
    codes: int


@dataclass(frozen=True)
class _Refused:
    mac: bytes
    reason: str


def record(tx: Tx, change: CodeChange, now: datetime) -> None:
    """Store a change of codes."""
    tx.run_later(
        """
        INSERT INTO code_changes (id, kind, batch_id, reason, actor_id, happened_at)
        VALUES (:id, :kind, :batch_id, :reason, :actor_id, :now)
        """,
        **vars(change),
        now=now,
    )


def manufacture(tx: Tx, macs: Collection[bytes], actor_id: UUID, now: datetime) -> Outcome:
    """Mark generated codes as manufactured, so that they can be scanned, count them in their batches, and record the
    change. All other codes stay as they are, also those of honey and recalled batches.
    """
    ordered = sorted(set(macs))
    counts: Counter[UUID] = Counter()
    refused: dict[bytes, str] = {}
    for start in range(0, len(ordered), CODES_AT_ONCE):
        some = ordered[start : start + CODES_AT_ONCE]
        marked = {row.batch_id: row.codes for row in _mark(tx, some, now)}
        counts.update(marked)
        if sum(marked.values()) < len(some):
            refused |= {row.mac: row.reason for row in _refused(tx, some)}
    for batch_id, more in sorted(counts.items()):
        _count(tx, batch_id, more)
    if counts:
        record(tx, CodeChange(uuid4(), "manufactured", None, None, actor_id), now)
    return Outcome(counts.total(), refused)


def _mark(tx: Tx, macs: list[bytes], now: datetime) -> list[_Marked]:
    return tx.all(
        _Marked,
        """
        WITH wanted AS (
            SELECT mac FROM codes
            WHERE mac = ANY(CAST(:macs AS bytea[])) AND status = 'generated'
              AND batch_id NOT IN (SELECT id FROM code_batches WHERE honey OR status = 'recalled')
            ORDER BY mac FOR UPDATE
        ), marked AS (
            UPDATE codes SET status = 'manufactured', manufactured_at = :now
            FROM wanted WHERE codes.mac = wanted.mac RETURNING codes.batch_id
        )
        SELECT batch_id, CAST(count(*) AS integer) AS codes FROM marked GROUP BY batch_id
        """,
        macs=macs,
        now=now,
    )


def _refused(tx: Tx, macs: list[bytes]) -> list[_Refused]:
    """Why codes were refused. A honey code is called unknown, since the answer may reach whoever sent the file."""
    return tx.all(
        _Refused,
        """
        SELECT given.mac,
               CASE WHEN codes.mac IS NULL OR (b.honey AND codes.status = 'generated') THEN :unknown
                    WHEN codes.status = 'generated' THEN 'the batch is recalled'
                    ELSE 'the code is ' || codes.status END AS reason
        FROM unnest(CAST(:macs AS bytea[])) AS given (mac)
        LEFT JOIN codes ON codes.mac = given.mac
        LEFT JOIN code_batches b ON b.id = codes.batch_id
        WHERE codes.mac IS NULL OR codes.status <> 'manufactured'
        """,
        macs=macs,
        unknown=UNKNOWN,
    )


def _count(tx: Tx, batch_id: UUID, more: int) -> None:
    tx.run_later(
        "UPDATE code_batches SET codes_manufactured = codes_manufactured + :more WHERE id = :id",
        id=batch_id,
        more=more,
    )
