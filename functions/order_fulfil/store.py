"""Fulfilments and parcels as rows. The order is locked before them by whoever changes them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.order_fulfil.rules import Told
from shared.db import Tx
from shared.values.states import FulfilmentStatus, ParcelStatus


@dataclass(frozen=True)
class Fulfilment:
    """A fulfilment; the address is its order's, sealed. The warehouse knows nothing of one by hand."""

    id: UUID
    order_id: UUID
    by_hand: bool
    status: FulfilmentStatus
    recorded_at: datetime
    sent_at: datetime | None
    cancel_wanted_at: datetime | None
    address: bytes | None


@dataclass(frozen=True)
class Line:
    """Tins of a product."""

    sku: str
    tins: int


@dataclass(frozen=True)
class Parcel:
    """A parcel by its carrier's number."""

    id: UUID
    carrier: str
    tracking_number: str
    status: ParcelStatus


@dataclass(frozen=True)
class Silent:
    """A parcel without news."""

    id: UUID
    order_id: UUID
    tracking_number: str


def order_of(tx: Tx, fulfilment_id: UUID) -> UUID | None:
    """The id of the fulfilment's order; None if there is no such fulfilment."""
    return tx.scalar_or_none(UUID, "SELECT order_id FROM fulfilments WHERE id = :id", id=fulfilment_id)


def fulfilment(tx: Tx, fulfilment_id: UUID) -> Fulfilment:
    """The fulfilment. Its order is locked by the caller, and nobody changes it without that lock."""
    return tx.one(
        Fulfilment,
        """
        SELECT f.id, f.order_id, f.by_hand, f.status, f.recorded_at, f.sent_at, f.cancel_wanted_at, o.address
        FROM fulfilments f JOIN orders o ON o.id = f.order_id WHERE f.id = :id
        """,
        id=fulfilment_id,
    )


def lines(tx: Tx, fulfilment_id: UUID) -> dict[str, int]:
    """The tins that are asked for, by SKU."""
    rows = tx.all(Line, "SELECT sku, tins FROM fulfilment_lines WHERE fulfilment_id = :id", id=fulfilment_id)
    return {row.sku: row.tins for row in rows}


def mark_sent(tx: Tx, fulfilment_id: UUID, now: datetime, look_at: datetime) -> None:
    """Note that the warehouse is being asked: from now on only its word ends the fulfilment."""
    tx.run(
        "UPDATE fulfilments SET status = 'sent', sent_at = :now, look_at = :look_at WHERE id = :id",
        id=fulfilment_id,
        now=now,
        look_at=look_at,
    )


def tell(tx: Tx, fulfilment_id: UUID, told: Told, evidence: str, now: datetime) -> None:
    """Record a new status, by the warehouse's word."""
    tx.run(
        """
        UPDATE fulfilments SET status = :status, evidence = :evidence, reference = coalesce(:reference, reference),
                               reason = :reason, answered_at = :now
        WHERE id = :id
        """,
        id=fulfilment_id,
        status=told.status,
        evidence=evidence,
        reference=told.reference,
        reason=told.reason,
        now=now,
    )


def hold(tx: Tx, fulfilment_id: UUID, look_at: datetime) -> None:
    """Leave a recorded fulfilment unsent until that time."""
    tx.run(
        "UPDATE fulfilments SET look_at = :look_at WHERE id = :id AND status = 'recorded'",
        id=fulfilment_id,
        look_at=look_at,
    )


def note_answer(tx: Tx, fulfilment_id: UUID, now: datetime, look_at: datetime | None) -> None:
    """Note that the warehouse has answered, and when it is asked next."""
    tx.run(
        "UPDATE fulfilments SET answered_at = :now, look_at = :look_at WHERE id = :id",
        id=fulfilment_id,
        now=now,
        look_at=look_at,
    )


def parcels(tx: Tx, fulfilment_id: UUID) -> dict[tuple[str, str], Parcel]:
    """The fulfilment's parcels, by carrier and tracking number."""
    rows = tx.all(
        Parcel,
        "SELECT id, carrier, tracking_number, status FROM parcels WHERE fulfilment_id = :id ORDER BY recorded_at, id",
        id=fulfilment_id,
    )
    return {(row.carrier, row.tracking_number): row for row in rows}


def mark_lost(tx: Tx, parcel_id: UUID, now: datetime) -> bool:
    """Note that a parcel is lost; False if there is news of it by now."""
    return (
        tx.run(
            """
            UPDATE parcels SET status = 'lost', news_at = :now WHERE id = :id AND status IN ('shipped', 'in_transit')
            """,
            id=parcel_id,
            now=now,
        )
        > 0
    )


def due(tx: Tx, now: datetime, look_at: datetime, limit: int) -> list[UUID]:
    """Fulfilments that should have been looked after by now, longest waiting first; they are due again at `look_at`."""
    return tx.column(
        UUID,
        """
        WITH due AS (
            SELECT id FROM fulfilments WHERE look_at <= :now
            ORDER BY look_at, id LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
        )
        UPDATE fulfilments SET look_at = :look_at FROM due WHERE fulfilments.id = due.id
        RETURNING fulfilments.id
        """,
        now=now,
        look_at=look_at,
        limit=limit,
    )


def incomplete(tx: Tx, before: datetime, limit: int) -> list[UUID]:
    """Fulfilments at the warehouse of which a first parcel left before that time, and that nobody wants cancelled."""
    return tx.column(
        UUID,
        """
        SELECT f.id FROM fulfilments f
        WHERE f.status IN ('accepted', 'packed') AND f.cancel_wanted_at IS NULL AND f.recorded_at <= :before
          AND NOT f.by_hand
          AND EXISTS (SELECT FROM parcels WHERE fulfilment_id = f.id AND shipped_at <= :before)
        ORDER BY f.recorded_at, f.id LIMIT :limit
        """,
        before=before,
        limit=limit,
    )


def silent(tx: Tx, before: datetime, heard_since: datetime, limit: int) -> list[Silent]:
    """Parcels without news since that time, longest silent first: of those that the warehouse has sent, it has told
    something lately.
    """
    return tx.all(
        Silent,
        """
        SELECT id, (SELECT order_id FROM fulfilments WHERE id = fulfilment_id) AS order_id, tracking_number FROM parcels
        WHERE status IN ('shipped', 'in_transit') AND news_at <= :before
          AND (SELECT by_hand OR answered_at >= :heard_since FROM fulfilments WHERE id = fulfilment_id)
        ORDER BY news_at, id LIMIT :limit
        """,
        before=before,
        heard_since=heard_since,
        limit=limit,
    )
