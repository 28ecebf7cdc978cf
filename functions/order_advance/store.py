"""Orders that wait, and checks of members' ages, as rows."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from shared.db import Tx
from shared.values.states import AgeCheckStatus


@dataclass(frozen=True)
class Check:
    """A check that is not decided, with the person whom it is about; `reference` is None until the provider has named
    it.
    """

    id: UUID
    reference: str | None
    email: str
    date_of_birth: date
    address: bytes


def pending_check(tx: Tx, order_id: UUID) -> Check | None:
    """The undecided check of the order's member; None when there is none. The address is the order's."""
    return tx.first(
        Check,
        """
        SELECT c.id, c.reference, m.email, m.date_of_birth, o.address
        FROM orders o JOIN members m ON m.id = o.member_id
        JOIN age_checks c ON c.member_id = o.member_id AND c.status = 'pending'
        WHERE o.id = :order_id AND o.address IS NOT NULL
        """,
        order_id=order_id,
    )


def note_look(tx: Tx, check_id: UUID, now: datetime) -> None:
    """Note that the provider is being asked about the check."""
    tx.run("UPDATE age_checks SET looked_at = :now WHERE id = :id AND status = 'pending'", id=check_id, now=now)


def name_check(tx: Tx, check_id: UUID, reference: str, url: str | None) -> bool:
    """Keep the provider's reference and page; False if the check has another reference, or is decided."""
    return (
        tx.run(
            """
            UPDATE age_checks SET reference = :reference, url = :url
            WHERE id = :id AND status = 'pending' AND coalesce(reference, :reference) = :reference
            """,
            id=check_id,
            reference=reference,
            url=url,
        )
        > 0
    )


def decide_check(
    tx: Tx, check_id: UUID, status: AgeCheckStatus, reason: str | None, now: datetime, valid_until: datetime | None
) -> bool:
    """Decide the check for good; False if it is decided."""
    return (
        tx.run(
            """
            UPDATE age_checks SET status = :status, reason = :reason, url = NULL, decided_at = :now,
                                  valid_until = :valid_until
            WHERE id = :id AND status = 'pending'
            """,
            id=check_id,
            status=status,
            reason=reason,
            now=now,
            valid_until=valid_until,
        )
        > 0
    )


def waiting_for(tx: Tx, check_id: UUID) -> list[UUID]:
    """The orders that wait for the check."""
    return tx.column(
        UUID,
        """
        SELECT o.id FROM orders o JOIN age_checks c ON c.member_id = o.member_id
        WHERE c.id = :id AND o.state = 'age_verification' ORDER BY o.placed_at, o.id
        """,
        id=check_id,
    )


def overdue(tx: Tx, before: datetime, limit: int) -> list[UUID]:
    """Unpaid orders that nobody has ended and whose time was over before that time, longest overdue first. Those whose
    payment in USDT may still be found are left out: while the chain cannot be read, there may be many.
    """
    return tx.column(
        UUID,
        """
        SELECT id FROM orders WHERE order_is_unpaid(state) AND expires_at <= :before AND cancel_wanted_at IS NULL
          AND NOT order_awaits_deposits(id)
        ORDER BY expires_at, id LIMIT :limit
        """,
        before=before,
        limit=limit,
    )


def leaving(tx: Tx, before: datetime, limit: int) -> list[UUID]:
    """Orders that somebody wanted to cancel before that time and that are not cancelled yet, longest wanted first.
    Those whose money people must get back are left out, and those that are disputed: there may be many, and they would
    take the others' turn.
    """
    return tx.column(
        UUID,
        """
        SELECT id FROM orders
        WHERE cancel_wanted_at <= :before AND cancel_refused_at IS NULL AND state <> 'cancelled'
          AND NOT order_waits_for_people(id) AND NOT order_has_open_dispute(id)
        ORDER BY cancel_wanted_at, id LIMIT :limit
        """,
        before=before,
        limit=limit,
    )


def forgotten(tx: Tx, before: datetime, limit: int) -> list[UUID]:
    """Orders that were placed before that time and are still pending: their task was lost."""
    return tx.column(
        UUID,
        """
        SELECT id FROM orders WHERE state = 'pending' AND state_at <= :before ORDER BY expires_at, id LIMIT :limit
        """,
        before=before,
        limit=limit,
    )


def unasked_payments(tx: Tx, before: datetime, limit: int) -> list[UUID]:
    """Orders whose payment by card is not under way though it should be: their task was lost.

    The order and the operations are looked up payment by payment, by their keys. As joins they would be read whole for
    each payment when the planner's statistics are of a night in which nothing was under way.
    """
    return tx.column(
        UUID,
        """
        SELECT p.order_id FROM payments p
        WHERE p.provider = 'card' AND p.state IN ('pending', 'authorized') AND p.created_at <= :before
          AND (SELECT o.state FROM orders o WHERE o.id = p.order_id) = 'payment_processing'
          AND NOT order_waits_for_people(p.order_id)
          AND NOT EXISTS (SELECT FROM payment_operations asked
                          WHERE asked.payment_id = p.id AND asked.status IN ('recorded', 'sent')
                            AND asked.kind <> 'refund' OFFSET 0)
        ORDER BY p.created_at, p.id LIMIT :limit
        """,
        before=before,
        limit=limit,
    )


def unconfirmed(tx: Tx, before: datetime, limit: int) -> list[UUID]:
    """Orders whose invoice was booked as paid before that time and that are not confirmed: their task was lost. Each
    order's payment is looked up by its key, as in `unasked_payments`.
    """
    return tx.column(
        UUID,
        """
        SELECT o.id FROM orders o
        JOIN LATERAL (SELECT p.id FROM payments p WHERE p.order_id = o.id AND p.state = 'captured' LIMIT 1) p ON true
        JOIN LATERAL (SELECT max(c.answered_at) FILTER (WHERE c.kind = 'capture' AND c.status = 'succeeded')
                             AS answered_at FROM payment_operations c WHERE c.payment_id = p.id) paid ON true
        WHERE o.state = 'payment_processing' AND paid.answered_at <= :before
        ORDER BY paid.answered_at, o.id LIMIT :limit
        """,
        before=before,
        limit=limit,
    )


def received(tx: Tx, before: datetime, limit: int) -> list[UUID]:
    """Orders for which enough USDT has come, which was asked for before that time, and that are not confirmed: their
    task was lost.
    """
    return tx.column(
        UUID,
        """
        SELECT o.id FROM usdt_requests asked
        JOIN payments p ON p.id = asked.payment_id JOIN orders o ON o.id = p.order_id
        WHERE asked.closed_at IS NULL AND asked.received >= p.amount AND asked.opened_at <= :before
          AND o.state = 'payment_processing'
        ORDER BY asked.opened_at, o.id LIMIT :limit
        """,
        before=before,
        limit=limit,
    )


def unseen_checks(tx: Tx, before: datetime, limit: int) -> list[UUID]:
    """Orders that wait for a check that nobody has asked about since that time, longest waiting first. Checks that no
    order waits for any more are never read: they stay undecided for ever.
    """
    return tx.column(
        UUID,
        """
        SELECT o.id FROM orders o JOIN age_checks c ON c.member_id = o.member_id AND c.status = 'pending'
        WHERE o.state = 'age_verification' AND (c.looked_at IS NULL OR c.looked_at <= :before)
        ORDER BY c.looked_at NULLS FIRST, o.id LIMIT :limit
        """,
        before=before,
        limit=limit,
    )
