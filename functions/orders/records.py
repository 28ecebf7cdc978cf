"""Orders as rows, for their members."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.orders.models import AgeCheckView, OrderLine, OrderStep, RefundLine
from shared.db import Tx
from shared.orders.states import OrderState
from shared.values.money import Usdt
from shared.values.states import PaymentProvider, PaymentState
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
    subtotal: Usdt
    shipping_cost: Usdt
    shipping_tax: Usdt
    tax_amount: Usdt
    total_amount: Usdt
    tax_breakdown: Sequence[Mapping[str, str | int]]
    address: bytes | None
    age_check_id: UUID | None


@dataclass(frozen=True)
class PaymentRow:
    """A payment without its token."""

    provider: PaymentProvider
    state: PaymentState
    amount: Usdt
    refunded: Usdt
    action_url: str | None
    reason: str | None


@dataclass(frozen=True)
class Summary:
    """An order in the list."""

    id: UUID
    number: int
    state: OrderState
    total: Usdt
    placed_at: datetime


def summaries(tx: Tx, member_id: UUID, after: Position | None, limit: int) -> list[Summary]:
    """The member's orders after a position, newest first."""
    return tx.all(
        Summary,
        """
        SELECT id, number, state, total_amount AS total, placed_at FROM orders
        WHERE member_id = :member_id
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
        SELECT id, number, state, placed_at, expires_at, confirmed_at, cancel_wanted_at, subtotal, shipping_cost,
               shipping_tax, tax_amount, total_amount, tax_breakdown, address, age_check_id
        FROM orders WHERE id = :id AND member_id = :member_id
        """,
        id=order_id,
        member_id=member_id,
    )


def items(tx: Tx, order_id: UUID) -> list[OrderLine]:
    """The products of an order, by name."""
    return tx.all(
        OrderLine,
        """
        SELECT sku, product_name, quantity, unit_price, line_total, tax FROM order_items
        WHERE order_id = :order_id ORDER BY product_name, sku
        """,
        order_id=order_id,
    )


def payments(tx: Tx, order_id: UUID) -> list[PaymentRow]:
    """The payments of an order, oldest first."""
    return tx.all(
        PaymentRow,
        """
        SELECT provider, state, amount, refunded, action_url, reason FROM payments
        WHERE order_id = :order_id ORDER BY created_at, id
        """,
        order_id=order_id,
    )


def history(tx: Tx, order_id: UUID) -> list[OrderStep]:
    """The states that an order has reached, in their order."""
    return tx.all(
        OrderStep,
        "SELECT state AS status, reason, happened_at AS at FROM order_events WHERE order_id = :order_id ORDER BY id",
        order_id=order_id,
    )


def refunds(tx: Tx, order_id: UUID) -> list[RefundLine]:
    """The refunds of an order, oldest first."""
    return tx.all(
        RefundLine,
        """
        SELECT refunds.id, goods, shipping, tax, refunds.amount, refunds.recorded_at,
               CASE operation.status WHEN 'succeeded' THEN operation.answered_at END AS paid_at
        FROM refunds JOIN payment_operations operation USING (id)
        WHERE order_id = :order_id ORDER BY refunds.recorded_at, refunds.id
        """,
        order_id=order_id,
    )


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
