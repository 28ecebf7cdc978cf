"""Channels, standings, and how far members have read, as rows."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.social.judge import Access, Gate, Sent, Standing
from functions.social.models import ChatMember
from shared.db import Tx
from shared.values.ids import EPOCH, MICROSECOND
from shared.values.tiers import Tier, quarter_of


@dataclass(frozen=True)
class Channel:
    """A channel that is not archived, with its head: the newest number and position, and the first number shown."""

    id: UUID
    slug: str
    name: str
    description: str
    category: str
    icon: str
    kind: str
    access_standard: Access
    access_vip: Access
    access_high_roller: Access
    access_whale: Access
    slow_seconds: int
    number: int
    position: int
    first_number: int

    def access(self, tier: Tier) -> Access:
        """The right of a tier here."""
        return {
            Tier.STANDARD: self.access_standard,
            Tier.VIP: self.access_vip,
            Tier.HIGH_ROLLER: self.access_high_roller,
            Tier.WHALE: self.access_whale,
        }[tier]

    def gate(self, tier: Tier) -> Gate:
        """The channel as a member of a tier meets it."""
        return Gate(self.access(tier), self.slow_seconds)


@dataclass(frozen=True)
class Unread:
    """How many messages of a channel a member has not read."""

    channel_id: UUID
    unread: int


@dataclass(frozen=True)
class _Standing:
    member_id: UUID
    last_at: datetime | None
    strikes: int
    struck_at: datetime | None
    recent: list[list[int | str]]
    muted_until: datetime | None
    timeout_until: datetime | None
    banned_at: datetime | None


def channels(tx: Tx) -> list[Channel]:
    """All channels, in the order to be shown."""
    return tx.all(
        Channel,
        """
        SELECT c.id, c.slug, c.name, c.description, c.category, c.icon, c.kind, c.access_standard, c.access_vip,
               c.access_high_roller, c.access_whale, c.slow_seconds, h.number, h.position, h.first_number
        FROM social_channels c JOIN social_heads h ON h.channel_id = c.id
        WHERE c.archived_at IS NULL ORDER BY c.display_order, c.id
        """,
    )


def channels_of(tx: Tx, ids: Collection[UUID]) -> dict[UUID, Channel]:
    """The channels with these ids; unknown and archived ones are left out."""
    rows = tx.all(
        Channel,
        """
        SELECT c.id, c.slug, c.name, c.description, c.category, c.icon, c.kind, c.access_standard, c.access_vip,
               c.access_high_roller, c.access_whale, c.slow_seconds, h.number, h.position, h.first_number
        FROM social_channels c JOIN social_heads h ON h.channel_id = c.id
        WHERE c.id = ANY(CAST(:ids AS uuid[])) AND c.archived_at IS NULL
        """,
        ids=list(ids),
    )
    return {row.id: row for row in rows}


def look(tx: Tx, member_id: UUID, channel_ids: Collection[UUID]) -> None:
    """Mark channels as read to their end that the member has never looked at."""
    tx.run_later(
        """
        INSERT INTO social_reads (member_id, channel_id, number)
        SELECT :member_id, h.channel_id, h.number FROM social_heads h
        WHERE h.channel_id = ANY(CAST(:channel_ids AS uuid[]))
          AND NOT EXISTS (SELECT FROM social_reads r WHERE r.member_id = :member_id AND r.channel_id = h.channel_id)
        ORDER BY h.channel_id
        ON CONFLICT DO NOTHING
        """,
        member_id=member_id,
        channel_ids=list(channel_ids),
    )


def unread(tx: Tx, member_id: UUID) -> dict[UUID, int]:
    """The unread messages of each channel that the member has looked at, without those that were removed."""
    rows = tx.all(
        Unread,
        """
        SELECT r.channel_id,
               h.number - read.number - (SELECT count(*) FROM social_messages m WHERE m.channel_id = r.channel_id
                                         AND m.number > read.number AND m.removed_at IS NOT NULL) AS unread
        FROM social_reads r JOIN social_heads h ON h.channel_id = r.channel_id
        CROSS JOIN LATERAL (SELECT greatest(r.number, h.first_number - 1) AS number) AS read
        WHERE r.member_id = :member_id
        """,
        member_id=member_id,
    )
    return {row.channel_id: row.unread for row in rows}


def read_up_to(tx: Tx, member_id: UUID, channel_id: UUID, number: int) -> int:
    """Mark a channel as read up to a number, which never falls and never passes the newest one; returns the mark."""
    return tx.scalar(
        int,
        """
        INSERT INTO social_reads AS mark (member_id, channel_id, number)
        SELECT :member_id, channel_id, least(CAST(:number AS bigint), number) FROM social_heads
        WHERE channel_id = :channel_id
        ON CONFLICT (member_id, channel_id) DO UPDATE SET number = greatest(mark.number, EXCLUDED.number)
        RETURNING number
        """,
        member_id=member_id,
        channel_id=channel_id,
        number=number,
    )


def standings(tx: Tx, members: Collection[UUID]) -> dict[UUID, Standing]:
    """The members' standings; that of a member who has never written is empty."""
    rows = tx.all(
        _Standing,
        """
        SELECT member_id, last_at, strikes, struck_at, recent, muted_until, timeout_until, banned_at
        FROM social_standings WHERE member_id = ANY(CAST(:members AS uuid[]))
        """,
        members=list(members),
    )
    found = {row.member_id: _read(row) for row in rows}
    return {member_id: found.get(member_id, Standing(member_id)) for member_id in members}


def _read(row: _Standing) -> Standing:
    recent = tuple(Sent(EPOCH + int(at) * MICROSECOND, str(mark)) for at, mark in row.recent)
    return Standing(
        row.member_id,
        row.last_at,
        row.strikes,
        row.struck_at,
        recent=recent,
        muted_until=row.muted_until,
        timeout_until=row.timeout_until,
        banned_at=row.banned_at,
    )


def card(tx: Tx, member_id: UUID, now: datetime) -> ChatMember | None:
    """The member as the chat shows them; None if there is none with this id, or not any more."""
    return tx.first(
        ChatMember,
        """
        SELECT m.id AS member_id, m.username, m.avatar_url,
               greatest(coalesce(q.tier, 'standard'), m.permanent_tier) AS tier, m.created_at AS joined_at,
               t.scans AS total_scans, t.lifetime_comps
        FROM members m JOIN member_totals t ON t.member_id = m.id
        LEFT JOIN member_quarters q ON q.member_id = m.id AND q.quarter = :quarter
        WHERE m.id = :member_id AND m.status = 'active' AND m.email_verified_at IS NOT NULL
        """,
        member_id=member_id,
        quarter=quarter_of(now),
    )
