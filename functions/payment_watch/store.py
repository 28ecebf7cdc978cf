"""Operations of payments as rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.values.money import Usdt
from shared.values.states import OperationKind, OperationStatus


@dataclass(frozen=True)
class Operation:
    """An operation with what it is asked with. `of` is the provider's name for the authorization that a capture takes
    and a void lets go of, and for the capture that a refund gives back.
    """

    id: UUID
    order_id: UUID
    payment_id: UUID
    kind: OperationKind
    amount: Usdt
    status: OperationStatus
    sent_at: datetime | None
    token: bytes | None
    of: str | None


def order_of(tx: Tx, operation_id: UUID) -> UUID | None:
    """The id of the operation's order; None if there is no such operation of a card."""
    return tx.scalar_or_none(
        UUID,
        """
        SELECT order_id FROM payments JOIN payment_operations o ON o.payment_id = payments.id
        WHERE o.id = :id AND provider = 'card'
        """,
        id=operation_id,
    )


def operation(tx: Tx, operation_id: UUID) -> Operation:
    """The operation. Its order is locked by the caller, and nobody changes it without that lock."""
    return tx.one(
        Operation,
        """
        SELECT o.id, p.order_id, o.payment_id, o.kind, o.amount, o.status, o.sent_at, p.token,
               (SELECT former.reference FROM payment_operations former
                WHERE former.payment_id = o.payment_id AND former.status = 'succeeded'
                  AND former.kind = CASE o.kind WHEN 'refund' THEN 'capture' ELSE 'authorize' END) AS of
        FROM payment_operations o JOIN payments p ON p.id = o.payment_id WHERE o.id = :id
        """,
        id=operation_id,
    )


def mark_sent(tx: Tx, operation_id: UUID, now: datetime, look_at: datetime) -> None:
    """Note that the provider is being asked: from now on only its word ends the operation."""
    tx.run(
        """
        UPDATE payment_operations SET status = 'sent', sent_at = :now, look_at = :look_at, reason = NULL WHERE id = :id
        """,
        id=operation_id,
        now=now,
        look_at=look_at,
    )


def look_again(tx: Tx, operation_id: UUID, look_at: datetime) -> None:
    """Look after the operation again at that time, unless it has ended."""
    tx.run(
        "UPDATE payment_operations SET look_at = :look_at WHERE id = :id AND status IN ('recorded', 'sent')",
        id=operation_id,
        look_at=look_at,
    )


def postpone(tx: Tx, operation_id: UUID, reason: str, look_at: datetime) -> None:
    """Record a refund again that the provider has not done because the payment is disputed; it is sent later."""
    tx.run(
        """
        UPDATE payment_operations SET status = 'recorded', sent_at = NULL, reason = :reason, look_at = :look_at
        WHERE id = :id AND status = 'sent'
        """,
        id=operation_id,
        reason=reason,
        look_at=look_at,
    )


def succeed(tx: Tx, operation_id: UUID, evidence: str, reference: str, now: datetime) -> None:
    """End the operation as done; the schema changes its payment."""
    tx.run(
        """
        UPDATE payment_operations
        SET status = 'succeeded', evidence = :evidence, reference = :reference, answered_at = :now, look_at = NULL
        WHERE id = :id
        """,
        id=operation_id,
        evidence=evidence,
        reference=reference,
        now=now,
    )


def fail(tx: Tx, operation_id: UUID, evidence: str, reason: str, now: datetime) -> None:
    """End the operation as refused; the schema changes its payment."""
    tx.run(
        """
        UPDATE payment_operations
        SET status = 'failed', evidence = :evidence, reason = :reason, answered_at = :now, look_at = NULL
        WHERE id = :id
        """,
        id=operation_id,
        evidence=evidence,
        reason=reason,
        now=now,
    )


def tell_payment(tx: Tx, payment_id: UUID, *, reason: str | None, action_url: str | None) -> None:
    """Show the member why the payment failed, or where the bank wants to see them."""
    tx.run(
        "UPDATE payments SET reason = :reason, action_url = :action_url WHERE id = :id",
        id=payment_id,
        reason=reason,
        action_url=action_url,
    )


def due(tx: Tx, now: datetime, look_at: datetime, limit: int) -> list[UUID]:
    """Operations that should have been looked after by now, longest waiting first; they are due again at `look_at`."""
    return tx.column(
        UUID,
        """
        WITH due AS (
            SELECT id FROM payment_operations WHERE look_at <= :now
            ORDER BY look_at, id LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
        )
        UPDATE payment_operations SET look_at = :look_at FROM due WHERE payment_operations.id = due.id
        RETURNING payment_operations.id
        """,
        now=now,
        look_at=look_at,
        limit=limit,
    )
