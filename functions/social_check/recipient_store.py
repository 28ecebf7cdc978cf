"""Members who are told of a message, as rows."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from functions.social_check.store import Waiting
from shared.db import Tx


@dataclass(frozen=True)
class Recipient:
    """A member who is told, and the name of the channel."""

    id: UUID
    channel: str


def author(tx: Tx, channel_id: UUID, number: int) -> UUID | None:
    """The author of a message that is not removed; None if there is none, or the platform has written it."""
    return tx.scalar_or_none(
        UUID,
        """
        SELECT member_id FROM social_messages
        WHERE channel_id = :channel_id AND number = :number AND removed_at IS NULL AND member_id IS NOT NULL
        """,
        channel_id=channel_id,
        number=number,
    )


def recipients(tx: Tx, message: Waiting, members: Collection[UUID], quarter: str) -> list[Recipient]:
    """The members among these who see the channel now, are not banned, and have not blocked the message's author."""
    return tx.all(
        Recipient,
        """
        SELECT m.id, c.name AS channel
        FROM members m JOIN social_channels c ON c.id = :channel_id AND c.archived_at IS NULL
        LEFT JOIN member_quarters q ON q.member_id = m.id AND q.quarter = :quarter
        WHERE m.id = ANY(CAST(:members AS uuid[])) AND m.status = 'active'
          AND CASE greatest(coalesce(q.tier, 'standard'), m.permanent_tier)
              WHEN 'standard' THEN c.access_standard WHEN 'vip' THEN c.access_vip
              WHEN 'high_roller' THEN c.access_high_roller ELSE c.access_whale END <> 'hidden'
          AND NOT EXISTS (SELECT FROM social_blocks b WHERE b.member_id = m.id AND b.blocked_id = :author)
          AND NOT EXISTS (SELECT FROM social_standings s WHERE s.member_id = m.id AND s.banned_at IS NOT NULL)
        ORDER BY m.id
        """,
        channel_id=message.channel_id,
        quarter=quarter,
        members=list(members),
        author=message.member_id,
    )
