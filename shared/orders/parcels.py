"""Parcels as rows: what has left of an order. Whoever adds or moves one has locked the order."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.values.states import ParcelStatus

_JOURNEY = tuple(ParcelStatus)


@dataclass(frozen=True)
class Sender:
    """The admin who has sent a parcel by hand, and why."""

    admin_id: UUID
    reason: str


@dataclass(frozen=True)
class Departure:
    """A parcel that has left, with its tins by SKU. `sender` is None if the warehouse has sent it."""

    carrier: str
    tracking_number: str
    status: ParcelStatus
    shipped_at: datetime
    delivered_at: datetime | None
    lines: Mapping[str, int]
    sender: Sender | None = None


@dataclass(frozen=True)
class _Open:
    sku: str
    tins: int


def is_further(before: ParcelStatus, told: ParcelStatus) -> bool:
    """True if a parcel's status follows the other one. One that we took for lost may still arrive, or come back."""
    return _JOURNEY.index(told) > _JOURNEY.index(before)


def open_tins(tx: Tx, order_id: UUID) -> dict[str, int]:
    """The tins that the order waits for, by SKU. The stock of all its parcels has been moved."""
    rows = tx.all(
        _Open,
        "SELECT sku, promised - released - shipped AS tins FROM order_items WHERE order_id = :order_id ORDER BY sku",
        order_id=order_id,
    )
    return {row.sku: row.tins for row in rows}


def add(tx: Tx, parcel_id: UUID, fulfilment_id: UUID, sent: Departure, now: datetime) -> bool:
    """Record a parcel with its tins; False if another parcel of the carrier has this number. The clock of whoever has
    sent it may be ahead of ours: nothing has left later than now.
    """
    added = tx.run(
        """
        INSERT INTO parcels (id, fulfilment_id, carrier, tracking_number, status, shipped_at, recorded_at, news_at,
                             delivered_at, sent_by, reason)
        VALUES (:id, :fulfilment_id, :carrier, :tracking_number, :status, :shipped_at, :now, :now,
                CASE WHEN :status IN ('delivered', 'returned') THEN CAST(:delivered_at AS timestamptz) END,
                CAST(:sent_by AS uuid), :reason)
        ON CONFLICT (carrier, tracking_number) DO NOTHING
        """,
        id=parcel_id,
        fulfilment_id=fulfilment_id,
        carrier=sent.carrier,
        tracking_number=sent.tracking_number,
        status=sent.status,
        shipped_at=min(sent.shipped_at, now),
        now=now,
        delivered_at=sent.delivered_at,
        sent_by=sent.sender.admin_id if sent.sender else None,
        reason=sent.sender.reason if sent.sender else None,
    )
    if not added:
        return False
    tx.run(
        """
        INSERT INTO parcel_lines (parcel_id, sku, tins)
        SELECT :id, sku, tins FROM unnest(CAST(:skus AS text[]), CAST(:tins AS integer[])) AS given (sku, tins)
        """,
        id=parcel_id,
        skus=list(sent.lines),
        tins=list(sent.lines.values()),
    )
    return True


def move(tx: Tx, parcel_id: UUID, status: ParcelStatus, delivered_at: datetime | None, now: datetime) -> None:
    """Record how far a parcel is."""
    tx.run(
        """
        UPDATE parcels SET status = :status, news_at = :now, delivered_at = coalesce(delivered_at,
            CASE WHEN :status IN ('delivered', 'returned') THEN CAST(:delivered_at AS timestamptz) END)
        WHERE id = :id
        """,
        id=parcel_id,
        status=status,
        delivered_at=delivered_at,
        now=now,
    )
