"""Orders and their payments as rows. Locks are taken in this order: order, payment, operations, and stock last."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared.db import Tx
from shared.orders.states import CancelReason, OrderKind, OrderState, number_of
from shared.values.money import Usdt
from shared.values.states import AgeCheckStatus, OperationStatus, PaymentProvider, PaymentState

PAYING_LIFE = timedelta(minutes=30)


@dataclass(frozen=True)
class Buyer:
    """The member who has placed an order, and the order's number."""

    order_id: UUID
    number: int
    member_id: UUID


@dataclass(frozen=True)
class Order:
    """An order with what decides where it goes next."""

    id: UUID
    number: int
    kind: OrderKind
    member_id: UUID
    state: OrderState
    placed_at: datetime
    expires_at: datetime
    subtotal: Usdt
    shipping_cost: Usdt
    tax_amount: Usdt
    total_amount: Usdt
    confirmed_at: datetime | None
    cancel_wanted_at: datetime | None
    cancel_refused_at: datetime | None
    cancel_reason: CancelReason | None

    @property
    def number_shown(self) -> str:
        """The number by which people call it."""
        return number_of(self.kind, self.number, self.placed_at)

    @property
    def is_leaving(self) -> bool:
        """True if it is to be cancelled, or was. A wish that came too late was refused."""
        return self.cancel_wanted_at is not None and self.cancel_refused_at is None

    @property
    def buyer(self) -> Buyer:
        """The member who has placed it."""
        return Buyer(self.id, self.number, self.member_id)


@dataclass(frozen=True)
class Payment:
    """A payment; `open_operation` is the one that is recorded or sent, refunds apart. `capture_refused` and
    `void_refused` say that the provider has refused to take, or to let go of, what it holds. `disputed` is what was
    withdrawn for disputes; while one is open, nothing is decided.
    """

    id: UUID
    order_id: UUID
    provider: PaymentProvider
    amount: Usdt
    state: PaymentState
    refunded: Usdt
    disputed: Usdt
    open_operation: UUID | None
    open_status: OperationStatus | None
    dispute_open: bool
    capture_refused: bool
    void_refused: bool


@dataclass(frozen=True)
class AgeCheckRow:
    """A check of a member's age."""

    id: UUID
    status: AgeCheckStatus
    recorded_at: datetime
    valid_until: datetime | None


def lock(tx: Tx, order_id: UUID) -> Order | None:
    """The order, locked until the commit; None if there is none."""
    return tx.first(
        Order,
        """
        SELECT id, number, kind, member_id, state, placed_at, expires_at, subtotal, shipping_cost, tax_amount,
               total_amount, confirmed_at, cancel_wanted_at, cancel_refused_at, cancel_reason
        FROM orders WHERE id = :order_id FOR NO KEY UPDATE
        """,
        order_id=order_id,
    )


def newest_payment(tx: Tx, order_id: UUID) -> Payment:
    """The order's last payment. Earlier ones were declined: only one at a time may hold money."""
    return tx.one(
        Payment,
        """
        SELECT p.id, p.order_id, p.provider, p.amount, p.state, p.refunded, p.disputed, o.id AS open_operation,
               o.status AS open_status,
               EXISTS (SELECT FROM disputes d WHERE d.payment_id = p.id AND d.state = 'open') AS dispute_open,
               EXISTS (SELECT FROM payment_operations r WHERE r.payment_id = p.id AND r.kind = 'capture'
                       AND r.status = 'failed' AND r.sent_at IS NOT NULL) AS capture_refused,
               EXISTS (SELECT FROM payment_operations r WHERE r.payment_id = p.id AND r.kind = 'void'
                       AND r.status = 'failed' AND r.sent_at IS NOT NULL) AS void_refused
        FROM payments p
        LEFT JOIN payment_operations o
            ON o.payment_id = p.id AND o.status IN ('recorded', 'sent') AND o.kind <> 'refund'
        WHERE p.order_id = :order_id ORDER BY p.created_at DESC, p.id DESC LIMIT 1
        """,
        order_id=order_id,
    )


def want_cancelled(tx: Tx, order_id: UUID, reason: CancelReason, now: datetime) -> None:
    """Note that the order is to be cancelled; the first reason stays. It is cancelled once it holds neither money nor
    stock.
    """
    tx.run(
        """
        UPDATE orders SET cancel_wanted_at = :now, cancel_reason = :reason
        WHERE id = :order_id AND cancel_wanted_at IS NULL
        """,
        order_id=order_id,
        reason=reason,
        now=now,
    )


def newest_age_check(tx: Tx, member_id: UUID) -> AgeCheckRow | None:
    """The member's last check, if there is one."""
    return tx.first(
        AgeCheckRow,
        """
        SELECT id, status, recorded_at, valid_until FROM age_checks
        WHERE member_id = :member_id ORDER BY recorded_at DESC, id DESC LIMIT 1
        """,
        member_id=member_id,
    )


def record_age_check(tx: Tx, check_id: UUID, member_id: UUID, now: datetime) -> None:
    """Record a check that the provider has not been asked for yet; does nothing while another one is pending."""
    tx.run(
        """
        INSERT INTO age_checks (id, member_id, recorded_at) VALUES (:id, :member_id, :now)
        ON CONFLICT (member_id) WHERE status = 'pending' DO NOTHING
        """,
        id=check_id,
        member_id=member_id,
        now=now,
    )


def wait_for_age_check(tx: Tx, order_id: UUID, now: datetime, until: datetime) -> None:
    """Move the order to AGE_VERIFICATION; it expires when the check is not decided until then."""
    tx.run(
        """
        UPDATE orders SET state = 'age_verification', state_at = :now, expires_at = :until WHERE id = :order_id
        """,
        order_id=order_id,
        now=now,
        until=until,
    )


def go_on_to_payment(tx: Tx, order_id: UUID, check_id: UUID | None, now: datetime, life: timedelta) -> None:
    """Move the order to PAYMENT_PROCESSING; from now on the member has `life` to pay, or more if it had more. A
    wholesale order has no check.
    """
    tx.run(
        """
        UPDATE orders SET state = 'payment_processing', state_at = :now, age_check_id = :check_id,
                          expires_at = greatest(expires_at, CAST(:until AS timestamptz))
        WHERE id = :order_id
        """,
        order_id=order_id,
        check_id=check_id,
        now=now,
        until=now + life,
    )


def confirm(tx: Tx, order_id: UUID, now: datetime) -> None:
    """Move the order to CONFIRMED."""
    tx.run(
        "UPDATE orders SET state = 'confirmed', state_at = :now, confirmed_at = :now WHERE id = :order_id",
        order_id=order_id,
        now=now,
    )


def cancel(tx: Tx, order_id: UUID, now: datetime) -> None:
    """Move the order to CANCELLED, for the reason that it has."""
    tx.run(
        "UPDATE orders SET state = 'cancelled', state_at = :now WHERE id = :order_id",
        order_id=order_id,
        now=now,
    )


def release_stock(tx: Tx, order_id: UUID, now: datetime) -> None:
    """Release the tins that were promised to the order. Others wait for these goods until the commit."""
    tx.run(
        """
        INSERT INTO stock_moves (sku, kind, quantity, order_id, moved_at, recorded_at)
        SELECT sku, 'release', promised - released, order_id, :now, :now FROM order_items
        WHERE order_id = :order_id AND promised > released ORDER BY sku
        """,
        order_id=order_id,
        now=now,
    )


def refill_cart(tx: Tx, order: Order, cart_id: UUID, now: datetime) -> None:
    """Put the goods of an order that came to nothing into the member's open cart, unless it has them already."""
    tx.run(
        """
        WITH cart AS (
            INSERT INTO carts (id, member_id, created_at, changed_at) VALUES (:cart_id, :member_id, :now, :now)
            ON CONFLICT (member_id) WHERE status = 'open' DO UPDATE SET changed_at = :now RETURNING id
        )
        INSERT INTO cart_items (id, cart_id, sku, quantity, price_cents, added_at)
        SELECT gen_random_uuid(), cart.id, item.sku, item.quantity, item.unit_price / 10000, :now
        FROM cart, order_items item WHERE item.order_id = :order_id
        ON CONFLICT (cart_id, sku) DO NOTHING
        """,
        cart_id=cart_id,
        member_id=order.member_id,
        order_id=order.id,
        now=now,
    )
