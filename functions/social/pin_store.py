"""Pins of a channel as rows, for members."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.values.tiers import Tier

PINS_SHOWN = 50  # a channel has no more (functions/admin_social)


@dataclass(frozen=True)
class Pin:
    """A pin, with the message as it was then."""

    message_id: UUID
    number: int
    member_id: UUID | None
    tier: Tier | None
    text: str
    language: str | None
    media_type: str
    media_id: str | None
    posted_at: datetime
    pinned_at: datetime
    expires_at: datetime | None


def pins(tx: Tx, channel_id: UUID, now: datetime) -> list[Pin]:
    """The pins of the channel that are not over, the newest first."""
    return tx.all(
        Pin,
        """
        SELECT message_id, number, member_id, tier, text, language, media_type, media_id, posted_at, pinned_at,
               expires_at
        FROM social_pins WHERE channel_id = :channel_id AND (expires_at IS NULL OR expires_at > :now)
        ORDER BY pinned_at DESC, message_id LIMIT :limit
        """,
        channel_id=channel_id,
        now=now,
        limit=PINS_SHOWN,
    )


def revision(tx: Tx, channel_id: UUID) -> int:
    """The revision of the channel's pins, which rises with each change."""
    return tx.scalar(int, "SELECT pins_revision FROM social_channels WHERE id = :channel_id", channel_id=channel_id)
