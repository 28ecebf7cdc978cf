"""Transfers to and from our bank that invoices wait for, as rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.values.fields import Money, Reply
from shared.values.money import Usdt
from shared.web.paging import Position


class AwaitedTransfer(Reply):
    """A transfer that waits to be found on the bank's statement: `capture` pays an invoice, `refund` pays it back and
    has to be sent first. `operation_id` is also the id of the refund.
    """

    operation_id: UUID
    kind: str
    order_id: UUID
    invoice_number: str
    company_name: str | None
    amount: Money
    recorded_at: datetime
    due_at: datetime


@dataclass(frozen=True)
class Awaited:
    """An operation of an invoice that nobody has booked."""

    operation_id: UUID
    order_id: UUID
    member_id: UUID
    amount: Usdt


def awaited(tx: Tx, after: Position | None, limit: int) -> list[AwaitedTransfer]:
    """The transfers that invoices wait for, newest first."""
    return tx.all(
        AwaitedTransfer,
        """
        SELECT operation.id AS operation_id, operation.kind, o.id AS order_id, invoice.number AS invoice_number,
               account.company_name, operation.amount, operation.recorded_at, invoice.due_at
        FROM payment_operations operation
        JOIN invoices invoice USING (payment_id) JOIN payments p ON p.id = operation.payment_id
        JOIN orders o ON o.id = p.order_id JOIN wholesale_accounts account ON account.id = o.account_id
        WHERE operation.status = 'recorded'
          AND (CAST(:at AS timestamptz) IS NULL OR (operation.recorded_at, operation.id) < (:at, CAST(:id AS uuid)))
        ORDER BY operation.recorded_at DESC, operation.id DESC LIMIT :limit
        """,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def payment_of(tx: Tx, order_id: UUID) -> Awaited | None:
    """The transfer that the order's invoice waits for; None if it waits for none."""
    return tx.first(
        Awaited,
        """
        SELECT operation.id AS operation_id, o.id AS order_id, o.member_id, operation.amount
        FROM orders o JOIN payments p ON p.order_id = o.id
        JOIN payment_operations operation ON operation.payment_id = p.id
        WHERE o.id = :order_id AND p.provider = 'invoice' AND operation.kind = 'capture'
          AND operation.status = 'recorded'
        """,
        order_id=order_id,
    )


def refund(tx: Tx, refund_id: UUID) -> Awaited | None:
    """The transfer that pays a refund of an invoice, booked or not; None if there is no such refund."""
    return tx.first(
        Awaited,
        """
        SELECT operation.id AS operation_id, o.id AS order_id, o.member_id, operation.amount
        FROM payment_operations operation JOIN payments p ON p.id = operation.payment_id
        JOIN orders o ON o.id = p.order_id
        WHERE operation.id = :refund_id AND p.provider = 'invoice' AND operation.kind = 'refund'
        """,
        refund_id=refund_id,
    )


def exists(tx: Tx, order_id: UUID) -> bool:
    """True if there is such a wholesale order."""
    return tx.scalar(
        bool,
        "SELECT EXISTS (SELECT FROM orders WHERE id = :order_id AND kind = 'wholesale') AS known",
        order_id=order_id,
    )


def book(tx: Tx, operation_id: UUID, reference: str, *, admin_id: UUID, reason: str, now: datetime) -> None:
    """Book a transfer, by which the operation has succeeded. Raises ConstraintViolated: transfer_awaited when somebody
    was first, payment_operations_reference or bank_transfers_reference_key when the reference was booked.
    """
    tx.run(
        """
        INSERT INTO bank_transfers (operation_id, reference, booked_by, reason, booked_at)
        VALUES (:operation_id, :reference, :admin_id, :reason, :now)
        """,
        operation_id=operation_id,
        reference=reference,
        admin_id=admin_id,
        reason=reason,
        now=now,
    )
