"""Whom a withdrawal belongs to."""

from dataclasses import dataclass
from uuid import UUID

from shared.db import Tx


@dataclass(frozen=True)
class Owner:
    """Whom to write to."""

    email: str
    full_name: str


def owner(tx: Tx, member_id: UUID) -> Owner | None:
    """The member's addresses; None when the account is gone, though the withdrawal was on its way."""
    return tx.first(
        Owner,
        "SELECT email, full_name FROM members WHERE id = :member_id AND status <> 'deleted'",
        member_id=member_id,
    )
