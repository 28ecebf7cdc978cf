"""Rows that are copied to Firestore, in their present state."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Tx
from shared.values.money import Usdt


@dataclass(frozen=True)
class Notification:
    """A notification and its member's inbox, in one snapshot."""

    id: UUID
    member_id: UUID
    type: str
    title: str
    body: str
    code: str | None
    params: dict[str, Any]
    language: str
    data: dict[str, Any]
    created_at: datetime
    read_at: datetime | None
    unread: int
    all_read_at: datetime | None
    revision: int


@dataclass(frozen=True)
class Inbox:
    """The unread count of a member."""

    unread: int
    all_read_at: datetime | None
    revision: int


@dataclass(frozen=True)
class FeedItem:
    """A line of the public feed."""

    id: int
    kind: str
    text: str
    code: str | None
    params: dict[str, Any]
    amount: Usdt | None
    happened_at: datetime


def notification(tx: Tx, notification_id: UUID) -> Notification | None:
    """The notification; None if it has been erased since."""
    return tx.first(
        Notification,
        """
        SELECT n.id, n.member_id, n.type, n.title, n.body, n.code, n.params, m.language, n.data,
               n.created_at, n.read_at, i.unread + late.unread AS unread, i.all_read_at,
               i.revision + late.changes AS revision
        FROM notifications n
        JOIN inboxes i ON i.member_id = n.member_id
        JOIN members m ON m.id = n.member_id
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(change), 0) AS unread, count(*) AS changes
            FROM late_counts WHERE member_id = n.member_id AND kind = 'unread'
        ) AS late
        WHERE n.id = :id
        """,
        id=notification_id,
    )


def inbox(tx: Tx, member_id: UUID) -> Inbox | None:
    """The inbox; None if the member has been erased since."""
    return tx.first(
        Inbox,
        "SELECT unread, all_read_at, revision FROM inbox_counts WHERE member_id = :member_id",
        member_id=member_id,
    )


def revoked_before(tx: Tx, member_id: UUID) -> datetime:
    """The moment before which the member's listeners are refused."""
    return tx.scalar(
        datetime, "SELECT before FROM listener_revocations WHERE member_id = :member_id", member_id=member_id
    )


def feed_item(tx: Tx, item_id: int) -> FeedItem:
    """The feed's line with this id."""
    return tx.one(
        FeedItem,
        "SELECT id, kind, text, code, params, amount, happened_at FROM feed_items WHERE id = :id",
        id=item_id,
    )


def peaks_per_minute(tx: Tx, since: datetime) -> list[int]:
    """The most scans in a minute, for each day since then."""
    return tx.column(
        int, "SELECT peak_scans FROM scan_rollups WHERE period = 'day' AND starts_at >= :since", since=since
    )


def let_count_go_on(tx: Tx, published: int, margin: int, source: str, now: datetime) -> int:
    """Let the count go on and return it. A second caller at the same moment waits, and changes nothing."""
    return tx.scalar(
        int,
        """
        SELECT let_count_go_on(CAST(:published AS bigint), CAST(:margin AS bigint), CAST(:source AS text),
                               CAST(:now AS timestamptz)) AS value
        """,
        published=published,
        margin=margin,
        source=source,
        now=now,
    )
