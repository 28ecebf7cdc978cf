"""Messages of the chat as rows, for admins."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.values import ids
from shared.values.tiers import Tier


@dataclass(frozen=True)
class Message:
    """A message, also a removed one."""

    posted_at: datetime
    id: UUID
    channel_id: UUID
    number: int
    member_id: UUID | None
    tier: Tier | None
    text: str
    language: str | None
    media_type: str
    media_id: str | None
    edited_at: datetime | None
    removed_at: datetime | None
    removed_by: str | None


def locked(tx: Tx, identity: UUID) -> Message | None:
    """The message, locked until the commit; None if there is none with this id, or not any more."""
    return tx.first(
        Message,
        """
        SELECT posted_at, id, channel_id, number, member_id, tier, text, language, media_type, media_id, edited_at,
               removed_at, removed_by
        FROM social_messages WHERE posted_at = :posted_at AND id = :id FOR NO KEY UPDATE
        """,
        posted_at=ids.time_of(identity),
        id=identity,
    )


def find(tx: Tx, identity: UUID) -> Message | None:
    """The message, not locked; None if there is none with this id, or not any more."""
    return tx.first(
        Message,
        """
        SELECT posted_at, id, channel_id, number, member_id, tier, text, language, media_type, media_id, edited_at,
               removed_at, removed_by
        FROM social_messages WHERE posted_at = :posted_at AND id = :id
        """,
        posted_at=ids.time_of(identity),
        id=identity,
    )


def remove(tx: Tx, message: Message, now: datetime) -> None:
    """Remove a message that the caller has locked. Its text stays until its week is dropped, for moderators."""
    tx.run(
        """
        UPDATE social_messages SET removed_at = :now, removed_by = 'moderator', revision = revision + 1
        WHERE posted_at = :posted_at AND id = :id
        """,
        posted_at=message.posted_at,
        id=message.id,
        now=now,
    )
