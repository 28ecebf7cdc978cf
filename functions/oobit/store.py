"""How often a member has opened the widget, and what we know of the card."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx


@dataclass(frozen=True)
class Card:
    """None where the app has told nothing yet."""

    card_id: str | None
    status: str | None


@dataclass(frozen=True)
class _Count:
    attempts: int


def tokens_had(tx: Tx, member_id: UUID, hour: datetime) -> int:
    """How many this hour."""
    found = tx.first(
        _Count,
        "SELECT attempts FROM attempt_counters WHERE subject = :subject AND hour = :hour",
        subject=f"oobit:{member_id}",
        hour=hour,
    )
    return found.attempts if found else 0


def count_token(tx: Tx, member_id: UUID, hour: datetime) -> int:
    """One more in this hour; how many that makes."""
    return tx.one(
        _Count,
        """
        INSERT INTO attempt_counters AS counter (subject, hour, attempts) VALUES (:subject, :hour, 1)
        ON CONFLICT (subject, hour) DO UPDATE SET attempts = counter.attempts + 1
        RETURNING attempts
        """,
        subject=f"oobit:{member_id}",
        hour=hour,
    ).attempts


def card(tx: Tx, member_id: UUID) -> Card:
    """What the app has told last."""
    return tx.one(
        Card,
        "SELECT oobit_card_id AS card_id, oobit_card_status AS status FROM members WHERE id = :member_id",
        member_id=member_id,
    )


def keep_card(tx: Tx, member_id: UUID, told: Card, now: datetime) -> None:
    """In place of what it told before."""
    tx.run(
        """
        UPDATE members SET oobit_card_id = :card_id, oobit_card_status = :status, updated_at = :now
        WHERE id = :member_id
        """,
        member_id=member_id,
        **vars(told),
        now=now,
    )
