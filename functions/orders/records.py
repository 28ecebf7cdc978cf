"""Orders as rows, for their members."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.orders.models import AgeCheckView, RefundedItem, RefundLine
from shared.db import Tx
from shared.orders.refunds import RefundReason
from shared.orders.states import OrderState
from shared.values.money import Usdt
from shared.values.states import ParcelStatus
from shared.web.paging import Position


@dataclass(frozen=True)
class OrderRow:
    """An order as it is stored."""

    id: UUID
    number: int
    state: OrderState
    placed_at: datetime
    expires_at: datetime
    confirmed_at: datetime | None
    cancel_wanted_at: datetime | None
    cancel_refused_at: datetime | None
    partly_shipped: bool
    subtotal: Usdt
    shipping_cost: Usdt
    shipping_tax: Usdt
    tax_amount: Usdt
    total_amount: Usdt
    tax_breakdown: Sequence[Mapping[str, str | int]]
    address: bytes | None
    age_check_id: UUID | None


@dataclass(frozen=True)
class Parcelled:
    """A line of a parcel, with the parcel."""

    parcel_id: UUID
    carrier: str
    tracking_number: str
    status: ParcelStatus
    shipped_at: datetime
    delivered_at: datetime | None
    sku: str
    tins: int


@dataclass(frozen=True)
class Summary:
    """An order in the list."""

    id: UUID
    number: int
    state: OrderState
    total: Usdt
    placed_at: datetime


@dataclass(frozen=True)
class _RefundRow:
    id: UUID
    reason: RefundReason
    goods: Usdt
    shipping: Usdt
    tax: Usdt
    amount: Usdt
    recorded_at: datetime
    paid_at: datetime | None


@dataclass(frozen=True)
class _RefundedLine:
    refund_id: UUID
    sku: str
    product_name: str
    tins: int
    goods: Usdt
    tax: Usdt

    @property
    def shown(self) -> RefundedItem:
        return RefundedItem(**{name: value for name, value in vars(self).items() if name != "refund_id"})


def summaries(tx: Tx, member_id: UUID, after: Position | None, limit: int) -> list[Summary]:
    """The member's orders after a position, newest first."""
    return tx.all(
        Summary,
        """
        SELECT id, number, state, total_amount AS total, placed_at FROM orders
        WHERE member_id = :member_id AND kind = 'retail'
          AND (CAST(:at AS timestamptz) IS NULL OR (placed_at, id) < (:at, CAST(:id AS uuid)))
        ORDER BY placed_at DESC, id DESC LIMIT :limit
        """,
        member_id=member_id,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def order(tx: Tx, member_id: UUID, order_id: UUID) -> OrderRow | None:
    """The member's own order; None if it is somebody else's, or there is none."""
    return tx.first(
        OrderRow,
        """
        SELECT id, number, state, placed_at, expires_at, confirmed_at, cancel_wanted_at, cancel_refused_at,
               EXISTS (SELECT FROM order_items WHERE order_id = :id AND shipped > 0)
                   AND state = 'fulfilled' AS partly_shipped,
               subtotal, shipping_cost, shipping_tax, tax_amount, total_amount, tax_breakdown, address, age_check_id
        FROM orders WHERE id = :id AND member_id = :member_id AND kind = 'retail'
        """,
        id=order_id,
        member_id=member_id,
    )


def parcel_lines(tx: Tx, order_id: UUID) -> list[Parcelled]:
    """The lines of the order's parcels, those that left first before the others."""
    return tx.all(
        Parcelled,
        """
        SELECT parcel_id, carrier, tracking_number, parcels.status, shipped_at, delivered_at, line.sku, line.tins
        FROM fulfilments JOIN parcels ON fulfilment_id = fulfilments.id JOIN parcel_lines line ON parcel_id = parcels.id
        WHERE order_id = :order_id ORDER BY shipped_at, parcel_id, line.sku
        """,
        order_id=order_id,
    )


def refunds(tx: Tx, order_id: UUID) -> list[RefundLine]:
    """The refunds of an order with their parts of its lines, oldest first."""
    lines = tx.all(
        _RefundedLine,
        """
        SELECT line.refund_id, line.sku, item.product_name, line.tins, line.goods, line.tax
        FROM refunds JOIN refund_lines line ON line.refund_id = refunds.id
        JOIN order_items item ON item.order_id = refunds.order_id AND item.sku = line.sku
        WHERE refunds.order_id = :order_id ORDER BY item.product_name, line.sku
        """,
        order_id=order_id,
    )
    found = tx.all(
        _RefundRow,
        """
        SELECT refunds.id, refunds.reason, goods, shipping, tax, refunds.amount, refunds.recorded_at,
               CASE operation.status WHEN 'succeeded' THEN operation.answered_at END AS paid_at
        FROM refunds JOIN payment_operations operation USING (id)
        WHERE order_id = :order_id ORDER BY refunds.recorded_at, refunds.id
        """,
        order_id=order_id,
    )
    return [RefundLine(**vars(row), items=[line.shown for line in lines if line.refund_id == row.id]) for row in found]


def age_check(tx: Tx, member_id: UUID, row: OrderRow) -> AgeCheckView | None:
    """The order's check; before it has one, the member's check that it waits for, or that was decided since."""
    return tx.first(
        AgeCheckView,
        """
        SELECT status, url FROM age_checks
        WHERE member_id = :member_id
          AND CASE WHEN CAST(:id AS uuid) IS NULL THEN status = 'pending' OR decided_at >= :placed_at ELSE id = :id END
        ORDER BY recorded_at DESC LIMIT 1
        """,
        member_id=member_id,
        id=row.age_check_id,
        placed_at=row.placed_at,
    )
