"""Channels of the chat as rows, for admins."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.admin_social.models import AdminChatAccess, AdminChatChannel, ChatChannelDraft, ChatChannelEdit
from functions.admin_social.rules import AccessLevel
from shared.db import Tx


@dataclass(frozen=True)
class _Row:
    id: UUID
    slug: str
    name: str
    description: str
    category: str
    icon: str
    kind: str
    access_standard: AccessLevel
    access_vip: AccessLevel
    access_high_roller: AccessLevel
    access_whale: AccessLevel
    display_order: int
    slow_seconds: int
    pace_ms: int
    revision: int
    archived_at: datetime | None


def channels(tx: Tx, limit: int) -> list[AdminChatChannel]:
    """All channels, archived ones too, as admins see them."""
    rows = tx.all(
        _Row,
        """
        SELECT id, slug, name, description, category, icon, kind, CAST(access_standard AS text) AS access_standard,
               CAST(access_vip AS text) AS access_vip, CAST(access_high_roller AS text) AS access_high_roller,
               CAST(access_whale AS text) AS access_whale, display_order, slow_seconds, pace_ms, revision, archived_at
        FROM social_channels ORDER BY display_order, id LIMIT :limit
        """,
        limit=limit,
    )
    return [_shown(row) for row in rows]


def channel(tx: Tx, channel_id: UUID) -> AdminChatChannel | None:
    """The channel; None if there is none with this id."""
    row = tx.first(
        _Row,
        """
        SELECT id, slug, name, description, category, icon, kind, CAST(access_standard AS text) AS access_standard,
               CAST(access_vip AS text) AS access_vip, CAST(access_high_roller AS text) AS access_high_roller,
               CAST(access_whale AS text) AS access_whale, display_order, slow_seconds, pace_ms, revision, archived_at
        FROM social_channels WHERE id = :channel_id
        """,
        channel_id=channel_id,
    )
    return _shown(row) if row else None


def count(tx: Tx) -> int:
    """How many channels there are, archived ones too."""
    return tx.scalar(int, "SELECT count(*) AS number FROM social_channels")


def lock(tx: Tx, channel_id: UUID) -> None:
    """Lock the channel until the commit."""
    tx.run("SELECT 1 FROM social_channels WHERE id = :channel_id FOR NO KEY UPDATE", channel_id=channel_id)


def insert(tx: Tx, identity: UUID, draft: ChatChannelDraft, now: datetime) -> bool:
    """Store a new channel with its head and its tail; False if its slug is taken."""
    if not tx.run(
        """
        INSERT INTO social_channels (id, slug, name, description, category, icon, kind, access_standard, access_vip,
                                     access_high_roller, access_whale, display_order, slow_seconds, pace_ms, changed_at)
        VALUES (:id, :slug, :name, :description, :category, :icon, :kind, CAST(:standard AS social_access),
                CAST(:vip AS social_access), CAST(:high_roller AS social_access), CAST(:whale AS social_access),
                :display_order, :slow_seconds, :pace_ms, :now)
        ON CONFLICT (slug) DO NOTHING
        """,
        id=identity,
        **draft.model_dump(exclude={"access"}),
        **draft.access.model_dump(),
        now=now,
    ):
        return False
    tx.run("INSERT INTO social_heads (channel_id) VALUES (:id)", id=identity)
    tx.run("INSERT INTO social_tails (channel_id) VALUES (:id)", id=identity)
    return True


def change(tx: Tx, channel_id: UUID, edit: ChatChannelEdit, now: datetime) -> None:
    """Store what a channel is from now on; it is locked."""
    tx.run(
        """
        UPDATE social_channels
        SET name = :name, description = :description, category = :category, icon = :icon, kind = :kind,
            access_standard = CAST(:standard AS social_access), access_vip = CAST(:vip AS social_access),
            access_high_roller = CAST(:high_roller AS social_access), access_whale = CAST(:whale AS social_access),
            display_order = :display_order, slow_seconds = :slow_seconds, pace_ms = :pace_ms, changed_at = :now,
            archived_at = CASE WHEN :is_archived THEN coalesce(archived_at, :now) END, revision = revision + 1
        WHERE id = :id
        """,
        id=channel_id,
        **edit.model_dump(exclude={"access"}),
        **edit.access.model_dump(),
        now=now,
    )


def _shown(row: _Row) -> AdminChatChannel:
    return AdminChatChannel(
        id=row.id,
        slug=row.slug,
        name=row.name,
        description=row.description,
        category=row.category,
        icon=row.icon,
        kind=row.kind,
        access=AdminChatAccess(
            standard=row.access_standard,
            vip=row.access_vip,
            high_roller=row.access_high_roller,
            whale=row.access_whale,
        ),
        display_order=row.display_order,
        slow_seconds=row.slow_seconds,
        pace_ms=row.pace_ms,
        revision=row.revision,
        archived_at=row.archived_at,
    )
