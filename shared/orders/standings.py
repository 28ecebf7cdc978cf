"""Orders as far as paying them again and cancelling them ask, by the same rules for members, wholesale accounts and
admins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from shared.db import Tx
from shared.orders import card_tokens, disputes, limits, refusals, rows, tasks
from shared.orders.states import CancelReason, OrderKind, OrderState
from shared.values.problems import NotFound
from shared.values.states import PaymentProvider, PaymentState


@dataclass(frozen=True)
class OrderStanding:
    """An order with its newest payment and the number of its payments that failed. `has_left` says whether something
    of it has left the warehouse.
    """

    id: UUID
    state: OrderState
    expires_at: datetime
    cancel_wanted_at: datetime | None
    provider: PaymentProvider
    last_payment: PaymentState
    declines: int
    has_left: bool

    def check_payable(self, now: datetime) -> None:
        """Raises OrderNotPayable unless the order still waits for a payment in place of the one that was declined."""
        waits = self.state is OrderState.PAYMENT_PROCESSING and self.last_payment is PaymentState.FAILED
        over = self.expires_at <= now or self.cancel_wanted_at is not None
        if not waits or over or self.declines >= limits.DECLINES_PER_ORDER:
            raise refusals.OrderNotPayable


@dataclass(frozen=True)
class _Left:
    sku: str
    left: int


def lock(tx: Tx, kind: OrderKind, member_id: UUID, order_id: UUID) -> OrderStanding:
    """Lock an order of that kind which the member has placed. Raises NotFound."""
    found = tx.run(
        "SELECT FROM orders WHERE id = :id AND member_id = :member_id AND kind = :kind FOR NO KEY UPDATE",
        id=order_id,
        member_id=member_id,
        kind=kind,
    )
    if not found:
        raise NotFound
    return _standing(tx, order_id)


def cancel(tx: Tx, order_id: UUID, reason: CancelReason, now: datetime) -> bool:
    """Note that the order, which the caller has locked, is to be cancelled; the machine does it once the order holds no
    money. False if it was noted before: a second wish changes nothing.

    While the payment is disputed nobody cancels the order. Once the bank has decided for the buyer, people may, so that
    its tins are sold again; the buyer may not. Raises OrderNotCancellable, PaymentDisputed.
    """
    order = _standing(tx, order_id)
    if order.state is OrderState.CANCELLED or order.has_left:
        raise refusals.OrderNotCancellable
    if reason is CancelReason.PEOPLE:
        disputes.refuse_open(tx, order_id)
    else:
        disputes.refuse_disputed(tx, order_id)
    if order.cancel_wanted_at is not None:
        return False
    rows.want_cancelled(tx, order_id, reason, now)
    tasks.advance_soon(tx, order_id, now)
    return True


def pay_by_card(tx: Tx, order_id: UUID, token: str, now: datetime) -> None:
    """Record a payment of the order's total by the card that the token names. Raises ConstraintViolated (payments_live)
    when another payment may still pay.
    """
    payment_id = uuid4()
    insert_payment(
        tx, payment_id, order_id, PaymentProvider.CARD, sealed=card_tokens.seal(tx, payment_id, token), now=now
    )


def insert_payment(
    tx: Tx, payment_id: UUID, order_id: UUID, provider: PaymentProvider, *, sealed: bytes | None, now: datetime
) -> None:
    """Record a payment of the order's total; `sealed` is a card's token. Raises ConstraintViolated (payments_live) when
    another payment may still pay.
    """
    tx.run(
        """
        INSERT INTO payments (id, order_id, provider, amount, token, created_at)
        SELECT :id, id, :provider, total_amount, :token, :now FROM orders WHERE id = :order_id
        """,
        id=payment_id,
        order_id=order_id,
        provider=provider,
        token=sealed,
        now=now,
    )


def check_declines(tx: Tx, member_id: UUID, now: datetime) -> None:
    """Raises TooManyDeclines when so many cards of the member were declined today (UTC). Those that should have paid
    orders of the member's wholesale account count too.
    """
    declines = tx.scalar(
        int,
        """
        SELECT CAST(count(*) AS integer) AS declines
        FROM orders JOIN payments ON payments.order_id = orders.id
        JOIN payment_operations operation ON operation.payment_id = payments.id
        WHERE orders.member_id = :member_id AND operation.kind = 'authorize' AND operation.status = 'failed'
          AND operation.evidence <> 'never_sent' AND operation.answered_at >= :since
        """,
        member_id=member_id,
        since=limits.day_of(now),
    )
    limits.check_declines(declines, now)


def left(tx: Tx, skus: Sequence[str]) -> dict[str, int]:
    """The tins that can be sold of each product, by SKU."""
    found = tx.all(
        _Left,
        "SELECT sku, sellable AS left FROM stock WHERE sku = ANY(CAST(:skus AS text[])) ORDER BY sku",
        skus=list(skus),
    )
    return {row.sku: row.left for row in found}


def has_left(tx: Tx, order_id: UUID) -> bool:
    """True if something of the order has left the warehouse."""
    return tx.scalar(bool, "SELECT EXISTS (SELECT FROM order_items WHERE order_id = :id AND shipped > 0)", id=order_id)


def _standing(tx: Tx, order_id: UUID) -> OrderStanding:
    return tx.one(
        OrderStanding,
        """
        SELECT orders.id, orders.state, expires_at, cancel_wanted_at, newest.provider, newest.state AS last_payment,
               (SELECT CAST(count(*) AS integer) FROM payments WHERE order_id = orders.id AND state = 'failed')
                   AS declines,
               EXISTS (SELECT FROM order_items WHERE order_id = orders.id AND shipped > 0) AS has_left
        FROM orders
        CROSS JOIN LATERAL (SELECT provider, state FROM payments WHERE order_id = orders.id
                            ORDER BY created_at DESC, id DESC LIMIT 1) newest
        WHERE orders.id = :id
        """,
        id=order_id,
    )
