"""Fulfilments and parcels of an order as rows, for admins."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.admin_orders.models import AdminFulfilment, AdminParcel, AdminParcelLine
from shared.db import Tx
from shared.values.states import FulfilmentStatus, ParcelStatus


@dataclass(frozen=True)
class _Fulfilment:
    id: UUID
    by_hand: bool
    status: FulfilmentStatus
    recorded_at: datetime
    sent_at: datetime | None
    reference: str | None
    reason: str | None


@dataclass(frozen=True)
class _Parcel:
    id: UUID
    fulfilment_id: UUID
    carrier: str
    tracking_number: str
    status: ParcelStatus
    shipped_at: datetime
    delivered_at: datetime | None
    sent_by: UUID | None
    reason: str | None


@dataclass(frozen=True)
class _ParcelLine:
    parcel_id: UUID
    sku: str
    tins: int


def of_order(tx: Tx, order_id: UUID) -> list[AdminFulfilment]:
    """The order's fulfilments with their parcels, oldest first."""
    parcels = _parcels(tx, order_id)
    found = tx.all(
        _Fulfilment,
        """
        SELECT id, by_hand, status, recorded_at, sent_at, reference, reason FROM fulfilments
        WHERE order_id = :order_id ORDER BY recorded_at, id
        """,
        order_id=order_id,
    )
    return [AdminFulfilment(**vars(each), parcels=parcels.get(each.id, [])) for each in found]


def _parcels(tx: Tx, order_id: UUID) -> dict[UUID, list[AdminParcel]]:
    """The order's parcels by fulfilment, oldest first."""
    lines = tx.all(
        _ParcelLine,
        """
        SELECT line.parcel_id, line.sku, line.tins
        FROM fulfilments f JOIN parcels p ON p.fulfilment_id = f.id JOIN parcel_lines line ON line.parcel_id = p.id
        WHERE f.order_id = :order_id ORDER BY line.sku
        """,
        order_id=order_id,
    )
    found = tx.all(
        _Parcel,
        """
        SELECT p.id, p.fulfilment_id, p.carrier, p.tracking_number, p.status, p.shipped_at, p.delivered_at,
               p.sent_by, p.reason
        FROM fulfilments f JOIN parcels p ON p.fulfilment_id = f.id
        WHERE f.order_id = :order_id ORDER BY p.shipped_at, p.id
        """,
        order_id=order_id,
    )
    shown: dict[UUID, list[AdminParcel]] = {}
    for each in found:
        parcel = AdminParcel(
            id=each.id,
            carrier=each.carrier,
            tracking_number=each.tracking_number,
            status=each.status,
            shipped_at=each.shipped_at,
            delivered_at=each.delivered_at,
            sent_by=each.sent_by,
            reason=each.reason,
            lines=[AdminParcelLine(sku=line.sku, tins=line.tins) for line in lines if line.parcel_id == each.id],
        )
        shown.setdefault(each.fulfilment_id, []).append(parcel)
    return shown
