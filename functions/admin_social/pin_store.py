"""Pins of channels as rows, for admins."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.admin_social.message_store import Message
from functions.admin_social.models import AdminChatPin
from shared.db import Tx


@dataclass(frozen=True)
class Unpinned:
    """The message of a pin that was taken down."""

    id: UUID
    channel_id: UUID
    number: int


def lock_channel(tx: Tx, channel_id: UUID) -> int | None:
    """Lock a channel until the commit, so that its pins are counted by one after the other; returns the number of the
    first message that it shows, None if it is archived.
    """
    return tx.scalar_or_none(
        int,
        """
        SELECT h.first_number FROM social_channels c JOIN social_heads h ON h.channel_id = c.id
        WHERE c.id = :channel_id AND c.archived_at IS NULL FOR NO KEY UPDATE OF c
        """,
        channel_id=channel_id,
    )


def set_end(tx: Tx, message_id: UUID, until: datetime | None) -> bool:
    """Give a pin another end; False if the message is not pinned."""
    return bool(
        tx.run(
            "UPDATE social_pins SET expires_at = :until WHERE message_id = :message_id",
            message_id=message_id,
            until=until,
        )
    )


def count(tx: Tx, channel_id: UUID) -> int:
    """How many pins the channel has."""
    return tx.scalar(
        int, "SELECT count(*) AS number FROM social_pins WHERE channel_id = :channel_id", channel_id=channel_id
    )


def insert(tx: Tx, message: Message, until: datetime | None, *, admin_id: UUID, now: datetime) -> None:
    """Pin a message, which is locked, with a copy of it."""
    tx.run(
        """
        INSERT INTO social_pins (message_id, channel_id, number, member_id, tier, text, language, media_type, media_id,
                                 posted_at, pinned_by, pinned_at, expires_at)
        SELECT id, channel_id, number, member_id, tier, text, language, media_type, media_id, posted_at, :admin_id,
               :now, :until
        FROM social_messages WHERE posted_at = :posted_at AND id = :id
        """,
        posted_at=message.posted_at,
        id=message.id,
        admin_id=admin_id,
        now=now,
        until=until,
    )


def remove(tx: Tx, message_id: UUID) -> Unpinned | None:
    """Take a pin down; None if the message is not pinned."""
    return tx.first(
        Unpinned,
        "DELETE FROM social_pins WHERE message_id = :message_id RETURNING message_id AS id, channel_id, number",
        message_id=message_id,
    )


def shown(tx: Tx, message_id: UUID) -> AdminChatPin:
    """The pin, as the operation answers it."""
    return tx.one(
        AdminChatPin,
        """
        SELECT message_id, channel_id, number, text, pinned_at, expires_at FROM social_pins
        WHERE message_id = :message_id
        """,
        message_id=message_id,
    )
