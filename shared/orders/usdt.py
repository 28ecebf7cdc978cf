"""Payments in USDT: what was asked of a buyer, what has come for it, and what goes back (docs/shop.md, "USDT").

Nobody is asked here: `deposit_watch` reads the chain and promises payouts. The request's lock is taken after the
order's and keeps what has come from changing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID, uuid4

from shared import log, settings
from shared.db import Tx
from shared.ledger import journals
from shared.orders import books, operations, tasks, telling
from shared.orders.rows import Buyer, Order, Payment
from shared.values.money import ZERO, Usdt
from shared.values.states import PaymentState

RETURNED_FROM = Usdt.of(1)  # a smaller excess is kept: sending it back would cost more than it is worth

ReturnReason = Literal["excess", "unused", "late", "duplicate"]


@dataclass(frozen=True)
class Request:
    """A request for USDT: `amount` is the order's total with the tail that tells requests apart, if it has one."""

    amount: Usdt
    received: Usdt
    returned: Usdt
    closed_at: datetime | None


@dataclass(frozen=True)
class _Ended:
    """A refund whose payout has ended."""

    id: UUID
    amount: Usdt
    payout_id: UUID
    is_paid: bool


def paying_life(tx: Tx) -> timedelta:
    """How long a buyer has for paying in USDT."""
    return settings.load(tx).shop.usdt_life


def may_expire(tx: Tx, order_id: UUID) -> bool:
    """True unless the order may have been paid in USDT in time: the chain is not read so far, or enough has come."""
    return tx.scalar(bool, "SELECT NOT order_awaits_deposits(:order_id) AS may", order_id=order_id)


def lock(tx: Tx, payment_id: UUID) -> Request:
    """The request of a payment, locked until the commit."""
    return tx.one(
        Request,
        """
        SELECT amount, received, returned, closed_at FROM usdt_requests WHERE payment_id = :payment_id
        FOR NO KEY UPDATE
        """,
        payment_id=payment_id,
    )


def settle(tx: Tx, order_id: UUID, now: datetime) -> None:
    """End the order's refunds in USDT whose payout has ended, as that did. After a cancelled payout the debt stays:
    people decide.
    """
    for ended in _ended(tx, order_id):
        if ended.is_paid:
            books.book_returned(tx, "refund", ended.id, ended.amount, now)
        else:
            log.error("a refund in USDT was cancelled: it is still owed", refund_id=ended.id, payout_id=ended.payout_id)
        tx.run(
            """
            UPDATE payment_operations SET status = :status, evidence = 'payout', reference = :payout_id,
                                          reason = :reason, answered_at = :now
            WHERE id = :id
            """,
            id=ended.id,
            status="succeeded" if ended.is_paid else "failed",
            payout_id=str(ended.payout_id),
            reason=None if ended.is_paid else "the payout was cancelled",
            now=now,
        )


def capture(tx: Tx, order: Order, payment: Payment, now: datetime) -> bool:
    """Charge the order's total to what has come, once it is enough; what is more goes back or is booked as excess."""
    asked = lock(tx, payment.id)
    if asked.received < payment.amount:
        return False
    operation = operations.record(tx, payment.id, "capture", payment.amount, now, asked=False)
    _prove(tx, operation, payment.id, now)
    over = asked.received - asked.amount
    back = over if over >= RETURNED_FROM else ZERO
    if back:
        send_back(tx, order.buyer, payment.id, back, "excess", now=now)
    _keep_excess(tx, payment.id, asked.received - payment.amount - back, now)
    _close(tx, payment.id, now)
    return True


def stop(tx: Tx, order: Order, payment: Payment, now: datetime) -> None:
    """Close the request of a payment that was not captured, so that the payment fails; what has come goes back."""
    if payment.state is not PaymentState.PENDING:
        return
    asked = lock(tx, payment.id)
    _close(tx, payment.id, now)
    if left := asked.received - asked.returned:
        send_back(tx, order.buyer, payment.id, left, "unused", now=now)
    operation = operations.record(tx, payment.id, "capture", payment.amount, now, asked=False)
    operations.never_send(tx, operation, now)


def holds_nothing(tx: Tx, order_id: UUID) -> bool:
    """True if everything that came for the order and was not charged has gone back, or nothing ever came."""
    return tx.scalar(
        bool,
        """
        SELECT NOT EXISTS (
            SELECT FROM payments WHERE order_id = :order_id AND (
                EXISTS (SELECT FROM usdt_deposits d WHERE d.payment_id = payments.id AND d.booked_at IS NULL)
                OR EXISTS (SELECT FROM usdt_returns r WHERE r.payment_id = payments.id AND r.paid_at IS NULL)
            )) AS nothing
        """,
        order_id=order_id,
    )


def send_back(tx: Tx, buyer: Buyer, payment_id: UUID, amount: Usdt, reason: ReturnReason, *, now: datetime) -> None:
    """Record that an amount goes back to the buyer's wallet, which is a debt from now on, and tell the buyer."""
    identity = uuid4()
    journals.move(tx, f"return:{identity}", "owed:refunds", "takings:usdt", amount, now=now)
    tx.run(
        """
        INSERT INTO usdt_returns (id, payment_id, amount, reason, recorded_at)
        VALUES (:id, :payment_id, :amount, :reason, :now)
        """,
        id=identity,
        payment_id=payment_id,
        amount=amount,
        reason=reason,
        now=now,
    )
    telling.sent_back(tx, buyer, identity, amount, now)
    tasks.watch_deposits(tx, now)


def _ended(tx: Tx, order_id: UUID) -> list[_Ended]:
    return tx.all(
        _Ended,
        """
        SELECT refund.id, refund.amount, payouts.id AS payout_id, payouts.state = 'PAID' AS is_paid
        FROM payments JOIN payment_operations refund
            ON refund.payment_id = payments.id AND refund.kind = 'refund' AND refund.status = 'recorded'
        JOIN payouts ON payouts.source_kind = 'refund' AND payouts.source_id = CAST(refund.id AS text)
        WHERE payments.order_id = :order_id AND payments.provider = 'usdt' AND NOT payout_is_unfinished(payouts.state)
        ORDER BY refund.recorded_at, refund.id
        """,
        order_id=order_id,
    )


def _prove(tx: Tx, operation_id: UUID, payment_id: UUID, now: datetime) -> None:
    """End a capture as done, with the newest deposit that counts as its reference."""
    tx.run(
        """
        UPDATE payment_operations SET status = 'succeeded', evidence = 'chain', answered_at = :now, reference =
            (SELECT transaction_hash || ':' || log_index FROM usdt_deposits
             WHERE payment_id = :payment_id AND outcome = 'counted'
             ORDER BY booked_at DESC, transaction_hash, log_index LIMIT 1)
        WHERE id = :id
        """,
        id=operation_id,
        payment_id=payment_id,
        now=now,
    )


def _keep_excess(tx: Tx, payment_id: UUID, amount: Usdt, now: datetime) -> None:
    if not amount:
        return
    journals.move(tx, f"excess:{payment_id}", "excess:shop", "takings:usdt", amount, now=now)
    tx.run("UPDATE usdt_requests SET excess = :amount WHERE payment_id = :id", amount=amount, id=payment_id)


def _close(tx: Tx, payment_id: UUID, now: datetime) -> None:
    tx.run(
        "UPDATE usdt_requests SET closed_at = :now WHERE payment_id = :id AND closed_at IS NULL", now=now, id=payment_id
    )
