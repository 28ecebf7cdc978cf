"""Batches, their codes and the changes made to them, as rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.codes.changes import CodeChange
from shared.db import ConstraintViolated, Tx
from shared.web.paging import Position

BIGINT_MAX = 2**63 - 1


@dataclass(frozen=True)
class Batch:
    """A batch with its progress."""

    id: UUID
    name: str
    product_sku: str
    quantity: int
    check_symbol: bool
    honey: bool
    manufacturer_name: str | None
    notes: str | None
    status: str
    changing: str | None
    codes_made: int
    codes_manufactured: int
    codes_invalidated: int
    export_object: str | None
    created_at: datetime
    generated_at: datetime | None
    exported_at: datetime | None


@dataclass(frozen=True)
class NewBatch:
    """A batch as an admin orders it."""

    id: UUID
    name: str
    product_sku: str
    quantity: int
    check_symbol: bool
    honey: bool
    manufacturer_name: str | None
    notes: str | None
    created_by: UUID


@dataclass(frozen=True)
class Changed:
    """A code that was changed, its batch, and whether it had been manufactured before."""

    mac: bytes
    batch_id: UUID
    was_manufactured: bool


@dataclass(frozen=True)
class State:
    """The status of a code and of its batch."""

    mac: bytes
    status: str
    batch_status: str


@dataclass(frozen=True)
class Code:
    """A code as the rows of the code, its chunk and its product show it."""

    status: str
    batch_id: UUID
    product_name: str
    generated_at: datetime
    generated_by: UUID
    manufactured_at: datetime | None
    manufactured_before: list[datetime] | None
    scanned_at: datetime | None
    scanned_by: UUID | None


@dataclass(frozen=True)
class Happened:
    """A change of a code or of its whole batch."""

    kind: str
    at: datetime
    by: UUID
    reason: str | None


@dataclass(frozen=True)
class Trial:
    """A member's try to scan a honey code."""

    id: int
    batch_id: UUID
    batch_name: str
    member_id: UUID
    username: str
    device_id: str | None
    ip_address: str | None
    happened_at: datetime


@dataclass(frozen=True)
class Import:
    """An import of a large file."""

    id: UUID
    status: str
    percent: int
    manufactured: int
    unchanged: int
    refused_count: int
    refused: list[dict[str, Any]]
    fault: str | None
    fault_line: int | None
    report_object: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


def product_exists(tx: Tx, sku: str) -> bool:
    return tx.scalar(bool, "SELECT EXISTS (SELECT FROM products WHERE sku = :sku) AS found", sku=sku)


def insert_batch(tx: Tx, new: NewBatch, now: datetime) -> None:
    """Insert an empty batch; codes_generate fills it."""
    tx.run_later(
        """
        INSERT INTO code_batches (id, name, product_sku, quantity, check_symbol, honey, manufacturer_name, notes,
                                  created_by, created_at)
        VALUES (:id, :name, :product_sku, :quantity, :check_symbol, :honey, :manufacturer_name, :notes, :created_by,
                :now)
        """,
        **vars(new),
        now=now,
    )


def batch(tx: Tx, batch_id: UUID) -> Batch | None:
    return tx.first(
        Batch,
        """
        SELECT b.id, name, product_sku, quantity, check_symbol, honey, manufacturer_name, notes, status,
               w.kind AS changing, codes_made, codes_manufactured, codes_invalidated, export_object, created_at,
               generated_at, exported_at
        FROM code_batches b LEFT JOIN code_batch_walks w ON w.batch_id = b.id AND w.finished_at IS NULL
        WHERE b.id = :id
        """,
        id=batch_id,
    )


def batches(tx: Tx, status: str | None, after: Position | None, limit: int) -> list[Batch]:
    """Batches after a position, newest first, of one status if given."""
    return tx.all(
        Batch,
        """
        SELECT b.id, name, product_sku, quantity, check_symbol, honey, manufacturer_name, notes, status,
               w.kind AS changing, codes_made, codes_manufactured, codes_invalidated, export_object, created_at,
               generated_at, exported_at
        FROM code_batches b LEFT JOIN code_batch_walks w ON w.batch_id = b.id AND w.finished_at IS NULL
        WHERE (CAST(:status AS text) IS NULL OR status = :status)
          AND (CAST(:at AS timestamptz) IS NULL OR (created_at, b.id) < (:at, CAST(:id AS uuid)))
        ORDER BY created_at DESC, b.id DESC LIMIT :limit
        """,
        status=status,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def mark_exported(tx: Tx, batch_id: UUID, now: datetime) -> None:
    """Record that an admin has asked for the batch's file."""
    tx.run_later("UPDATE code_batches SET exported_at = :now WHERE id = :id", id=batch_id, now=now)


def lock_batch(tx: Tx, batch_id: UUID) -> None:
    """Lock the batch, so that changes of the whole batch are decided one after the other."""
    tx.run("SELECT 1 FROM code_batches WHERE id = :id FOR UPDATE", id=batch_id)


def recall(tx: Tx, batch_id: UUID) -> None:
    """Mark the batch as recalled: none of its codes can be scanned any more."""
    tx.run_later("UPDATE code_batches SET status = 'recalled' WHERE id = :id", id=batch_id)


def start_walk(tx: Tx, change: CodeChange) -> bool:
    """Start a change of the whole batch, chunk by chunk; False if another one is under way."""
    try:
        with tx.savepoint():
            tx.run(
                """
                INSERT INTO code_batch_walks (change_id, batch_id, kind, chunks)
                SELECT :id, :batch_id, :kind, coalesce(max(chunk), 0) + 1 FROM codes WHERE batch_id = :batch_id
                """,
                id=change.id,
                batch_id=change.batch_id,
                kind=change.kind,
            )
    except ConstraintViolated as refused:
        if refused.constraint != "code_batch_walks_running":
            raise
        return False
    return True


def invalidate(tx: Tx, macs: Sequence[bytes]) -> list[Changed]:
    """Invalidate those of the codes that are not used yet; returns them."""
    return tx.all(
        Changed,
        """
        WITH wanted AS (
            SELECT mac, manufactured_at FROM codes
            WHERE mac = ANY(CAST(:macs AS bytea[])) AND status IN ('generated', 'manufactured')
            ORDER BY mac FOR UPDATE
        )
        UPDATE codes SET status = 'invalidated' FROM wanted WHERE codes.mac = wanted.mac
        RETURNING codes.mac, codes.batch_id, wanted.manufactured_at IS NOT NULL AS was_manufactured
        """,
        macs=list(macs),
    )


def reuse(tx: Tx, macs: Sequence[bytes]) -> list[Changed]:
    """Make those of the codes new again that are invalidated and not of a recalled batch; returns them."""
    return tx.all(
        Changed,
        """
        WITH wanted AS (
            SELECT mac, manufactured_at FROM codes
            WHERE mac = ANY(CAST(:macs AS bytea[])) AND status = 'invalidated'
              AND batch_id NOT IN (SELECT id FROM code_batches WHERE status = 'recalled')
            ORDER BY mac FOR UPDATE
        )
        UPDATE codes SET status = 'generated', manufactured_at = NULL,
               manufactured_before = CASE WHEN wanted.manufactured_at IS NULL THEN manufactured_before
                                          ELSE manufactured_before || wanted.manufactured_at END
        FROM wanted WHERE codes.mac = wanted.mac
        RETURNING codes.mac, codes.batch_id, wanted.manufactured_at IS NOT NULL AS was_manufactured
        """,
        macs=list(macs),
    )


def count(tx: Tx, batch_id: UUID, *, invalidated: int, manufactured: int) -> None:
    """Add to the batch's counts of invalidated and manufactured codes."""
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


def insert_changed(tx: Tx, change_id: UUID, macs: Sequence[bytes]) -> None:
    """Record which listed codes a change has changed."""
    tx.run_later(
        """
        INSERT INTO code_change_codes (code_mac, change_id)
        SELECT mac, :change_id FROM unnest(CAST(:macs AS bytea[])) AS mac
        """,
        change_id=change_id,
        macs=list(macs),
    )


def states(tx: Tx, macs: Sequence[bytes]) -> dict[bytes, State]:
    """The state of each known code, by its MAC."""
    rows = tx.all(
        State,
        """
        SELECT mac, codes.status, b.status AS batch_status
        FROM codes JOIN code_batches b ON b.id = codes.batch_id WHERE mac = ANY(CAST(:macs AS bytea[]))
        """,
        macs=list(macs),
    )
    return {row.mac: row for row in rows}


def code(tx: Tx, mac: bytes) -> Code | None:
    """The code with this MAC, if there is one. Older batches have no chunks: their codes count as made when ordered."""
    return tx.first(
        Code,
        """
        SELECT c.status, c.batch_id, p.name AS product_name, coalesce(k.created_at, b.created_at) AS generated_at,
               b.created_by AS generated_by, c.manufactured_at, c.manufactured_before, c.scanned_at, c.scanned_by
        FROM codes c JOIN code_batches b ON b.id = c.batch_id JOIN products p ON p.sku = b.product_sku
        LEFT JOIN code_batch_chunks k ON k.batch_id = c.batch_id AND k.chunk = c.chunk
        WHERE c.mac = :mac
        """,
        mac=mac,
    )


def changes(tx: Tx, mac: bytes, batch_id: UUID, manufactured: Sequence[datetime]) -> list[Happened]:
    """The changes of the code and of its whole batch, and the markings as manufactured (by import or by hand) at the
    given times; in no order.
    """
    return tx.all(
        Happened,
        """
        SELECT kind, happened_at AS at, actor_id AS by, reason FROM code_changes WHERE batch_id = :batch_id
        UNION ALL
        SELECT kind, happened_at, actor_id, reason
        FROM code_change_codes JOIN code_changes ON id = change_id WHERE code_mac = :mac
        UNION ALL
        SELECT kind, happened_at, actor_id, reason
        FROM code_changes WHERE kind = 'manufactured' AND happened_at = ANY(CAST(:manufactured AS timestamptz[]))
        """,
        mac=mac,
        batch_id=batch_id,
        manufactured=list(manufactured),
    )


def honey_trials(tx: Tx, after: Position | None, limit: int) -> list[Trial]:
    """Tries to scan honey codes after a position, newest first."""
    return tx.all(
        Trial,
        """
        SELECT t.id, t.batch_id, b.name AS batch_name, t.member_id, m.username, t.device_id,
               host(t.ip_address) AS ip_address, t.happened_at
        FROM honey_trials t JOIN code_batches b ON b.id = t.batch_id JOIN members m ON m.id = t.member_id
        WHERE CAST(:at AS timestamptz) IS NULL OR (t.happened_at, t.id) < (:at, CAST(:id AS bigint))
        ORDER BY t.happened_at DESC, t.id DESC LIMIT :limit
        """,
        at=after.at if after else None,
        id=min(after.id.int, BIGINT_MAX) if after else None,
        limit=limit,
    )


def insert_import(tx: Tx, import_id: UUID, object_name: str, created_by: UUID, now: datetime) -> None:
    """Insert an import that waits for its file."""
    tx.run_later(
        """
        INSERT INTO code_imports (id, object_name, created_by, created_at)
        VALUES (:id, :object_name, :created_by, :now)
        """,
        id=import_id,
        object_name=object_name,
        created_by=created_by,
        now=now,
    )


def start_import(tx: Tx, import_id: UUID, started_by: UUID, now: datetime) -> bool:
    """Start an import; False if it was started before, or does not exist."""
    return (
        tx.run(
            """
        UPDATE code_imports SET status = 'checking', started_by = :started_by, started_at = :now
        WHERE id = :id AND status = 'waiting'
        """,
            id=import_id,
            started_by=started_by,
            now=now,
        )
        > 0
    )


def code_import(tx: Tx, import_id: UUID) -> Import | None:
    return tx.first(
        Import,
        """
        SELECT id, status, CAST(coalesce(100 * bytes_done / size_bytes, 0) AS integer) AS percent, manufactured,
               unchanged, refused_count, refused, fault, fault_line, report_object, created_at, started_at, finished_at
        FROM code_imports WHERE id = :id
        """,
        id=import_id,
    )
