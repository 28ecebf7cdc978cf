"""Batches and the state of their codes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.paging import Position


@dataclass(frozen=True)
class Batch:
    """A batch and how far it is."""

    id: UUID
    name: str
    product_sku: str
    quantity: int
    check_symbol: bool
    manufacturer_name: str | None
    notes: str | None
    status: str
    codes_made: int
    codes_manufactured: int
    export_object: str | None
    created_at: datetime
    generated_at: datetime | None
    exported_at: datetime | None


@dataclass(frozen=True)
class NewBatch:
    """What an admin orders."""

    id: UUID
    name: str
    product_sku: str
    quantity: int
    check_symbol: bool
    manufacturer_name: str | None
    notes: str | None
    created_by: UUID


@dataclass(frozen=True)
class Marked:
    """A code that is manufactured now, and its batch."""

    mac: bytes
    batch_id: UUID


@dataclass(frozen=True)
class State:
    """Where a code stands."""

    mac: bytes
    status: str


@dataclass(frozen=True)
class _Found:
    found: bool


def product_exists(tx: Tx, sku: str) -> bool:
    """Whether there is such a product."""
    return tx.one(_Found, "SELECT EXISTS (SELECT FROM products WHERE sku = :sku) AS found", sku=sku).found


def insert_batch(tx: Tx, new: NewBatch, now: datetime) -> None:
    """An empty batch, to be filled by codes_generate."""
    tx.run_later(
        """
        INSERT INTO code_batches (id, name, product_sku, quantity, check_symbol, manufacturer_name, notes,
                                  created_by, created_at)
        VALUES (:id, :name, :product_sku, :quantity, :check_symbol, :manufacturer_name, :notes, :created_by, :now)
        """,
        **vars(new),
        now=now,
    )


def batch(tx: Tx, batch_id: UUID) -> Batch | None:
    """One batch."""
    return tx.first(
        Batch,
        """
        SELECT id, name, product_sku, quantity, check_symbol, manufacturer_name, notes, status, codes_made,
               codes_manufactured, export_object, created_at, generated_at, exported_at
        FROM code_batches WHERE id = :id
        """,
        id=batch_id,
    )


def batches(tx: Tx, status: str | None, after: Position | None, limit: int) -> list[Batch]:
    """Newest first."""
    return tx.all(
        Batch,
        """
        SELECT id, name, product_sku, quantity, check_symbol, manufacturer_name, notes, status, codes_made,
               codes_manufactured, export_object, created_at, generated_at, exported_at
        FROM code_batches
        WHERE (CAST(:status AS text) IS NULL OR status = :status)
          AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:id AS uuid)))
        ORDER BY created_at DESC, id DESC LIMIT :limit
        """,
        status=status,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def mark_exported(tx: Tx, batch_id: UUID, now: datetime) -> None:
    """Somebody has asked for the file."""
    tx.run_later("UPDATE code_batches SET exported_at = :now WHERE id = :id", id=batch_id, now=now)


def mark_manufactured(tx: Tx, macs: Sequence[bytes], now: datetime) -> list[Marked]:
    """Those that were generated are manufactured now; the others stay what they are."""
    return tx.all(
        Marked,
        """
        UPDATE codes SET status = 'manufactured', manufactured_at = :now
        WHERE mac = ANY(CAST(:macs AS bytea[])) AND status = 'generated'
        RETURNING mac, batch_id
        """,
        macs=list(macs),
        now=now,
    )


def states(tx: Tx, macs: Sequence[bytes]) -> dict[bytes, str]:
    """What each known code is."""
    rows = tx.all(State, "SELECT mac, status FROM codes WHERE mac = ANY(CAST(:macs AS bytea[]))", macs=list(macs))
    return {row.mac: row.status for row in rows}


def count_manufactured(tx: Tx, batch_id: UUID, more: int) -> None:
    """Add to the batch's count."""
    tx.run_later(
        "UPDATE code_batches SET codes_manufactured = codes_manufactured + :more WHERE id = :id",
        id=batch_id,
        more=more,
    )
