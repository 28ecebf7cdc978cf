"""Disputes of card payments, and findings about them, as rows."""

from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.orders.states import OrderState
from shared.values.fields import Money, Reply
from shared.web.paging import Position


class DisputeView(Reply):
    """A dispute of a card payment. `withdrawn` is what the provider has taken from us for it now. An order whose
    dispute is lost and that is still `confirmed` or `fulfilled` waits for people, who cancel it.
    """

    id: UUID
    order_id: UUID
    order_state: OrderState
    reference: str
    state: str
    reason: str
    amount: Money
    withdrawn: Money
    evidence_by: datetime | None
    opened_at: datetime
    noticed_at: datetime
    decided_at: datetime | None


class PaymentFinding(Reply):
    """A difference between our payments and the card provider's list."""

    id: UUID
    kind: str
    ref: str
    operation_id: UUID | None
    expected: Money
    found: Money
    found_at: datetime
    resolved_at: datetime | None
    resolved_by: UUID | None
    resolution: str | None


def disputes(tx: Tx, state: str | None, after: Position | None, limit: int) -> list[DisputeView]:
    """Disputes after a position, newest first."""
    return tx.all(
        DisputeView,
        """
        SELECT d.id, p.order_id, o.state AS order_state, d.reference, d.state, d.reason, d.amount, d.withdrawn,
               d.evidence_by, d.opened_at, d.noticed_at, d.decided_at
        FROM disputes d JOIN payments p ON p.id = d.payment_id JOIN orders o ON o.id = p.order_id
        WHERE (CAST(:state AS text) IS NULL OR d.state = :state)
          AND (CAST(:at AS timestamptz) IS NULL OR (d.opened_at, d.id) < (:at, CAST(:id AS uuid)))
        ORDER BY d.opened_at DESC, d.id DESC LIMIT :limit
        """,
        state=state,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def findings(tx: Tx, is_open: bool | None, after: Position | None, limit: int) -> list[PaymentFinding]:
    """Findings after a position, newest first."""
    return tx.all(
        PaymentFinding,
        """
        SELECT id, kind, ref, operation_id, expected, found, found_at, resolved_at, resolved_by, resolution
        FROM payment_findings
        WHERE (CAST(:is_open AS boolean) IS NULL OR (resolved_at IS NULL) = :is_open)
          AND (CAST(:at AS timestamptz) IS NULL OR (found_at, id) < (:at, CAST(:id AS uuid)))
        ORDER BY found_at DESC, id DESC LIMIT :limit
        """,
        is_open=is_open,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def lock_finding(tx: Tx, finding_id: UUID) -> PaymentFinding | None:
    """The finding, locked until it is resolved; None if there is none."""
    return tx.first(
        PaymentFinding,
        """
        SELECT id, kind, ref, operation_id, expected, found, found_at, resolved_at, resolved_by, resolution
        FROM payment_findings WHERE id = :finding_id FOR UPDATE
        """,
        finding_id=finding_id,
    )


def buyer(tx: Tx, finding_id: UUID) -> UUID | None:
    """The member whose payment the finding is about, as far as it names an operation of ours or a dispute."""
    return tx.scalar_or_none(
        UUID,
        """
        SELECT coalesce(
            (SELECT member_id FROM payment_operations asked JOIN payments ON payments.id = asked.payment_id
             JOIN orders ON orders.id = payments.order_id WHERE asked.id = f.operation_id),
            (SELECT member_id FROM disputes JOIN payments ON payments.id = disputes.payment_id
             JOIN orders ON orders.id = payments.order_id WHERE disputes.reference = f.ref)) AS member_id
        FROM payment_findings f WHERE f.id = :finding_id
        """,
        finding_id=finding_id,
    )


def resolve(tx: Tx, finding_id: UUID, admin_id: UUID, explanation: str, now: datetime) -> None:
    """Mark a finding as resolved by a person."""
    tx.run(
        """
        UPDATE payment_findings SET resolved_at = :now, resolved_by = :admin_id, resolution = :explanation
        WHERE id = :finding_id AND resolved_at IS NULL
        """,
        finding_id=finding_id,
        admin_id=admin_id,
        explanation=explanation,
        now=now,
    )
