"""The card as the app has reported it."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.db import Tx
from shared.values.fields import Reply

CardStatus = Literal["pending", "active", "declined", "closed"]


class OobitCard(Reply):
    """The card as the app reported it last; both fields are null if there was no report yet."""

    card_id: str | None
    status: CardStatus | None


def card(tx: Tx, member_id: UUID) -> OobitCard:
    """The last report about the member's card."""
    return tx.one(
        OobitCard,
        "SELECT oobit_card_id AS card_id, oobit_card_status AS status FROM members WHERE id = :member_id",
        member_id=member_id,
    )


def keep_card(tx: Tx, member_id: UUID, told: OobitCard, now: datetime) -> None:
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
