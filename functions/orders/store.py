"""The rows of quotes, and of orders that are paid again or cancelled. New orders have records of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.orders.states import OrderState
from shared.values.states import PaymentState


@dataclass(frozen=True)
class Left:
    """The tins that are left of a product."""

    sku: str
    left: int


@dataclass(frozen=True)
class Standing:
    """An order as far as paying and cancelling ask: its state and that of its newest payment, and whether something of
    it has left the warehouse.
    """

    id: UUID
    state: OrderState
    expires_at: datetime
    cancel_wanted_at: datetime | None
    last_payment: PaymentState | None
    declines: int
    has_left: bool


def declines_since(tx: Tx, member_id: UUID, since: datetime) -> int:
    """How often a card of the member's was declined, from a moment on."""
    return tx.scalar(
        int,
        """
        SELECT CAST(count(*) AS integer) AS declines
        FROM orders JOIN payments ON payments.order_id = orders.id
        JOIN payment_operations operation ON operation.payment_id = payments.id
        WHERE orders.member_id = :member_id AND operation.kind = 'authorize' AND operation.status = 'failed'
          AND operation.evidence <> 'never_sent' AND operation.answered_at >= :since
        """,
        member_id=member_id,
        since=since,
    )


def insert_payment(tx: Tx, payment_id: UUID, order_id: UUID, token: bytes, now: datetime) -> None:
    """Record a payment of the order's total by a card, whose token is sealed. Raises ConstraintViolated
    (payments_live) when another one may still pay.
    """
    tx.run(
        """
        INSERT INTO payments (id, order_id, provider, amount, token, created_at)
        SELECT :id, id, 'card', total_amount, :token, :now FROM orders WHERE id = :order_id
        """,
        id=payment_id,
        order_id=order_id,
        token=token,
        now=now,
    )


def prolong(tx: Tx, order_id: UUID, until: datetime) -> None:
    """Give the order time until then, unless it has more."""
    tx.run(
        "UPDATE orders SET expires_at = greatest(expires_at, CAST(:until AS timestamptz)) WHERE id = :id",
        until=until,
        id=order_id,
    )


def left(tx: Tx, skus: Sequence[str]) -> list[Left]:
    """The tins that can be sold of each product."""
    return tx.all(
        Left,
        "SELECT sku, sellable AS left FROM stock WHERE sku = ANY(CAST(:skus AS text[])) ORDER BY sku",
        skus=list(skus),
    )


def lock_order(tx: Tx, member_id: UUID, order_id: UUID) -> Standing | None:
    """Lock an order of the member's; None if it is somebody else's, or there is none."""
    found = tx.run(
        "SELECT FROM orders WHERE id = :id AND member_id = :member_id AND kind = 'retail' FOR NO KEY UPDATE",
        id=order_id,
        member_id=member_id,
    )
    return _standing(tx, order_id) if found else None


def _standing(tx: Tx, order_id: UUID) -> Standing:
    return tx.one(
        Standing,
        """
        SELECT orders.id, orders.state, expires_at, cancel_wanted_at,
               (SELECT state FROM payments WHERE order_id = orders.id ORDER BY created_at DESC, id DESC LIMIT 1)
                   AS last_payment,
               (SELECT CAST(count(*) AS integer) FROM payments WHERE order_id = orders.id AND state = 'failed')
                   AS declines,
               EXISTS (SELECT FROM order_items WHERE order_id = orders.id AND shipped > 0) AS has_left
        FROM orders WHERE id = :id
        """,
        id=order_id,
    )
