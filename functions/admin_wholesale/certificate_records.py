"""Resale certificates as rows."""

from datetime import date, datetime
from uuid import UUID

from shared.db import Tx
from shared.values.fields import Reply


class ResaleCertificate(Reply):
    """A certificate of a state, valid until the end of its last day (UTC), and who has recorded it and why."""

    id: UUID
    state: str
    number: str
    valid_until: date
    recorded_by: UUID
    reason: str
    recorded_at: datetime


def newest(tx: Tx, account_id: UUID) -> list[ResaleCertificate]:
    """The newest certificate of each state, by state."""
    return tx.all(
        ResaleCertificate,
        """
        SELECT DISTINCT ON (state) id, state, number, valid_until, recorded_by, reason, recorded_at
        FROM resale_certificates WHERE account_id = :account_id ORDER BY state, recorded_at DESC, id DESC
        """,
        account_id=account_id,
    )


def insert(tx: Tx, account_id: UUID, made: ResaleCertificate) -> None:
    """Record a certificate. Raises ConstraintViolated (certificate_account) when the account was never approved."""
    tx.run(
        """
        INSERT INTO resale_certificates (id, account_id, state, number, valid_until, recorded_by, reason, recorded_at)
        VALUES (:id, :account_id, :state, :number, :valid_until, :recorded_by, :reason, :recorded_at)
        """,
        account_id=account_id,
        id=made.id,
        state=made.state,
        number=made.number,
        valid_until=made.valid_until,
        recorded_by=made.recorded_by,
        reason=made.reason,
        recorded_at=made.recorded_at,
    )
