"""The card as the app has reported it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx


@dataclass(frozen=True)
class Card:
    """The card's id and status; both are None before the first report."""

    card_id: str | None
    status: str | None


def card(tx: Tx, member_id: UUID) -> Card:
    """The last report about the member's card."""
    return tx.one(
        Card,
        "SELECT oobit_card_id AS card_id, oobit_card_status AS status FROM members WHERE id = :member_id",
        member_id=member_id,
    )


def keep_card(tx: Tx, member_id: UUID, told: Card, now: datetime) -> None:
    """Replace the report about the member's card."""
    tx.run(
        """
        UPDATE members SET oobit_card_id = :card_id, oobit_card_status = :status, updated_at = :now
        WHERE id = :member_id
        """,
        member_id=member_id,
        **vars(told),
        now=now,
    )
