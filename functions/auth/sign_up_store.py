"""Sign-ups with an unproved address, as rows."""

from uuid import UUID

from functions.auth.store import Credentials
from shared.db import Tx


def waiting(tx: Tx, email: str, ticket: bytes | None) -> Credentials | None:
    """The unproved sign-up with this address and ticket, to mail a code for; None if the address is proved."""
    return tx.first(
        Credentials,
        """
        SELECT id, email, full_name, password_hash, email_verified_at, status, role, last_login_at
        FROM members AS sign_up
        WHERE lower(email) = lower(:email) AND email_verified_at IS NULL AND status = 'active'
          AND sign_up_ticket IS NOT DISTINCT FROM CAST(:ticket AS bytea)
          AND NOT EXISTS (SELECT FROM members AS proved WHERE lower(proved.email) = lower(sign_up.email)
                                                          AND proved.email_verified_at IS NOT NULL)
        """,
        email=email,
        ticket=ticket,
    )


def of_ticket(tx: Tx, email: str, ticket: bytes | None) -> list[UUID]:
    """The unproved sign-ups with this address and ticket, whatever their status."""
    return tx.column(
        UUID,
        """
        SELECT id FROM members
        WHERE lower(email) = lower(:email) AND email_verified_at IS NULL
          AND sign_up_ticket IS NOT DISTINCT FROM CAST(:ticket AS bytea)
        """,
        email=email,
        ticket=ticket,
    )


def others(tx: Tx, email: str, member_id: UUID) -> list[UUID]:
    """The other unproved sign-ups with this address."""
    return tx.column(
        UUID,
        "SELECT id FROM members WHERE lower(email) = lower(:email) AND email_verified_at IS NULL AND id <> :member_id",
        email=email,
        member_id=member_id,
    )
