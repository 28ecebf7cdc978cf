"""The decisions of people about orders, as rows. The caller locks the order first."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.admin_orders.models import RefundOrder, RefundRequest
from shared.db import Tx
from shared.values.money import Usdt
from shared.values.states import OperationKind, OperationStatus, ParcelStatus, RefundRequestStatus


@dataclass(frozen=True)
class Operation:
    """An operation that people say something about."""

    id: UUID
    kind: OperationKind
    status: OperationStatus
    amount: Usdt


@dataclass(frozen=True)
class RefundableTins:
    """The tins of a product that have left the warehouse and were not refunded."""

    sku: str
    tins: int


@dataclass(frozen=True)
class Parcel:
    """How far a parcel is, and whether a person has sent it."""

    status: ParcelStatus
    by_hand: bool


def insert_request(
    tx: Tx, request_id: UUID, order_id: UUID, admin_id: UUID, body: RefundOrder, amount: Usdt, now: datetime
) -> bool:
    """Record that an admin asks for a refund; True if it needs a second person."""
    return tx.scalar(
        bool,
        """
        INSERT INTO refund_requests (id, order_id, kind, tins, amount, reason, note, requested_by, requested_at)
        VALUES (:id, :order_id, :kind, :tins, :amount, :reason, :note, :admin_id, :now)
        RETURNING needs_approval
        """,
        id=request_id,
        order_id=order_id,
        kind=body.kind,
        tins={line.sku: line.tins for line in body.tins},
        amount=amount,
        reason=body.reason,
        note=body.note,
        admin_id=admin_id,
        now=now,
    )


def request(tx: Tx, order_id: UUID, request_id: UUID) -> RefundRequest | None:
    """A refund of the order that an admin has asked for; None if there is none. The caller has locked the order."""
    return tx.first(
        RefundRequest,
        """
        SELECT id, order_id, kind, tins, amount, reason, note, status, needs_approval, requested_by, requested_at,
               decided_by, decided_at, decision_note
        FROM refund_requests WHERE id = :id AND order_id = :order_id
        """,
        id=request_id,
        order_id=order_id,
    )


def close_request(
    tx: Tx,
    request_id: UUID,
    status: RefundRequestStatus,
    now: datetime,
    *,
    decided_by: UUID | None = None,
    note: str | None = None,
) -> None:
    """Note that the refund is recorded or rejected, and who has decided it, unless its own admin recorded it alone."""
    tx.run(
        """
        UPDATE refund_requests
        SET status = :status, decided_at = :now, decided_by = CAST(:decided_by AS uuid), decision_note = :note
        WHERE id = :id
        """,
        id=request_id,
        status=status.value,
        now=now,
        decided_by=decided_by,
        note=note,
    )


def may_decide(tx: Tx, admin_id: UUID, member_id: UUID) -> bool:
    """True if the admin is one still and does not profit from what the member is given."""
    return tx.scalar(bool, "SELECT may_decide_for(:admin_id, :member_id)", admin_id=admin_id, member_id=member_id)


def operation(tx: Tx, order_id: UUID, operation_id: UUID) -> Operation | None:
    """An operation of a payment of the order; None if there is none. The caller has locked the order."""
    return tx.first(
        Operation,
        """
        SELECT o.id, o.kind, o.status, o.amount
        FROM payment_operations o JOIN payments p ON p.id = o.payment_id
        WHERE o.id = :id AND p.order_id = :order_id
        """,
        id=operation_id,
        order_id=order_id,
    )


def say(tx: Tx, operation_id: UUID, person_id: UUID, said: Mapping[str, str | None], now: datetime) -> bool:
    """Store a person's word in place of an earlier one; False when that one said the same. `said` has outcome,
    reference and why. Raises ConstraintViolated (operation_question).
    """
    return bool(
        tx.run(
            """
            INSERT INTO operation_resolutions AS kept (operation_id, person_id, outcome, reference, why, said_at)
            VALUES (:operation_id, :person_id, :outcome, :reference, :why, :now)
            ON CONFLICT (operation_id, person_id) DO UPDATE
            SET outcome = EXCLUDED.outcome, reference = EXCLUDED.reference, why = EXCLUDED.why,
                said_at = EXCLUDED.said_at
            WHERE (kept.outcome, kept.reference) IS DISTINCT FROM (EXCLUDED.outcome, EXCLUDED.reference)
            """,
            operation_id=operation_id,
            person_id=person_id,
            **said,
            now=now,
        )
    )


def is_resolved(tx: Tx, operation_id: UUID, status: OperationStatus, reference: str | None) -> bool:
    """True if two people who may decide say the same, and the operation ends in that status by it."""
    return tx.scalar(
        bool,
        "SELECT operation_is_resolved(:id, :status, :reference)",
        id=operation_id,
        status=status.value,
        reference=reference,
    )


def end(
    tx: Tx, operation_id: UUID, status: OperationStatus, *, reference: str | None, reason: str, now: datetime
) -> None:
    """End an operation by the word of two people; the schema changes its payment. Raises ConstraintViolated
    (payment_operations_reference) when another operation has the reference.
    """
    tx.run(
        """
        UPDATE payment_operations
        SET status = :status, evidence = 'person', reference = :reference, reason = :reason, answered_at = :now,
            look_at = NULL
        WHERE id = :id
        """,
        id=operation_id,
        status=status.value,
        reference=reference,
        reason=reason,
        now=now,
    )


def sent_tins(tx: Tx, order_id: UUID) -> dict[str, int]:
    """The tins of the order that have left the warehouse and were not refunded since, by SKU."""
    found = tx.all(
        RefundableTins,
        "SELECT sku, shipped - (refunded - refunded_unsent) AS tins FROM order_items WHERE order_id = :order_id",
        order_id=order_id,
    )
    return {line.sku: line.tins for line in found}


def refund_waits(tx: Tx, order_id: UUID) -> bool:
    """True if a refund of the order waits for a second person. The caller has locked the order."""
    return tx.scalar(
        bool,
        "SELECT EXISTS (SELECT FROM refund_requests WHERE order_id = :order_id AND status = 'waiting')",
        order_id=order_id,
    )


def parcel(tx: Tx, order_id: UUID, parcel_id: UUID) -> Parcel | None:
    """A parcel of the order; None if there is none. The caller has locked the order."""
    return tx.first(
        Parcel,
        """
        SELECT parcels.status, parcels.sent_by IS NOT NULL AS by_hand
        FROM parcels JOIN fulfilments f ON f.id = fulfilment_id
        WHERE parcels.id = :id AND f.order_id = :order_id
        """,
        id=parcel_id,
        order_id=order_id,
    )


def sealed_address(tx: Tx, order_id: UUID) -> bytes | None:
    """The sealed address of an order; None once it was removed."""
    return tx.scalar_or_none(bytes, "SELECT address FROM orders WHERE id = :id", id=order_id)
