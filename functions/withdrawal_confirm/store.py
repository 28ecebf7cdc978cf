"""The owner of a withdrawal, and wallets that have rested, as rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx


@dataclass(frozen=True)
class Owner:
    """The member's e-mail address and name."""

    email: str
    full_name: str


def owner(tx: Tx, member_id: UUID) -> Owner | None:
    """The member's address and name; None if the account was deleted while the withdrawal was on its way."""
    return tx.first(
        Owner,
        "SELECT email, full_name FROM members WHERE id = :member_id AND status <> 'deleted'",
        member_id=member_id,
    )


def rested(tx: Tx, now: datetime, limit: int) -> list[UUID]:
    """Members whose wallets have rested, the longest waiting first."""
    return tx.column(
        UUID,
        "SELECT id FROM members WHERE wallet_rests_until <= :now ORDER BY wallet_rests_until LIMIT :limit",
        now=now,
        limit=limit,
    )


def end_rest(tx: Tx, member_id: UUID, now: datetime) -> str | None:
    """End the rest and return the wallet; None if a rest is not over yet, or has begun again."""
    return tx.scalar_or_none(
        str,
        """
        UPDATE members SET wallet_rests_until = NULL WHERE id = :member_id AND wallet_rests_until <= :now
        RETURNING wallet_address
        """,
        member_id=member_id,
        now=now,
    )
