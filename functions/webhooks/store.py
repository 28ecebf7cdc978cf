"""Messages of vendors, and what they may be about."""

from datetime import datetime
from uuid import UUID

from functions.webhooks.rules import Message
from shared.db import Tx


def keep(tx: Tx, message: Message, now: datetime) -> bool:
    """Keep the message; False if it came before."""
    return (
        tx.run(
            """
            INSERT INTO webhook_deliveries (source, event_id, subject, received_at)
            VALUES (:source, :event_id, :subject, :now)
            ON CONFLICT DO NOTHING
            """,
            source=message.source,
            event_id=message.event_id,
            subject=message.subject,
            now=now,
        )
        > 0
    )


def first_at(tx: Tx, message: Message) -> datetime:
    """When the message came first. It is kept already."""
    return tx.scalar(
        datetime,
        "SELECT received_at FROM webhook_deliveries WHERE source = :source AND event_id = :event_id",
        source=message.source,
        event_id=message.event_id,
    )


def is_operation(tx: Tx, operation_id: UUID) -> bool:
    """True if we have asked the payment provider for this."""
    return tx.scalar(
        bool, "SELECT EXISTS (SELECT FROM payment_operations WHERE id = :operation_id)", operation_id=operation_id
    )


def is_fulfilment(tx: Tx, fulfilment_id: UUID) -> bool:
    """True if this is what the warehouse was asked to send."""
    return tx.scalar(
        bool, "SELECT EXISTS (SELECT FROM fulfilments WHERE id = :fulfilment_id)", fulfilment_id=fulfilment_id
    )


def is_tax_report(tx: Tx, transaction_id: UUID) -> bool:
    """True if we have something to report to the tax service under this id."""
    return tx.scalar(
        bool, "SELECT EXISTS (SELECT FROM tax_reports WHERE id = :transaction_id)", transaction_id=transaction_id
    )


def waiting_for(tx: Tx, reference: str) -> list[UUID]:
    """The orders that wait for the age of the member whose check has this reference."""
    return tx.column(
        UUID,
        """
        SELECT o.id FROM age_checks c JOIN orders o ON o.member_id = c.member_id
        WHERE c.reference = :reference AND o.state = 'age_verification' ORDER BY o.placed_at, o.id
        """,
        reference=reference,
    )


def banks_of(tx: Tx, enrollment_id: str) -> list[UUID]:
    """The bank that Teller knows by this id, if we hold a token of it."""
    return tx.column(
        UUID,
        "SELECT id FROM teller_enrollments WHERE teller_enrollment_id = :enrollment_id AND is_live",
        enrollment_id=enrollment_id,
    )
