"""A member's notifications as rows. They are updated before the inbox is, so that its row is locked only for a
moment.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Tx
from shared.web.paging import Position


@dataclass(frozen=True)
class Notification:
    """A notification as the member sees it."""

    id: UUID
    type: str
    title: str
    body: str
    code: str | None
    params: dict[str, Any]
    data: dict[str, Any]
    created_at: datetime
    read_at: datetime | None


def page(tx: Tx, member_id: UUID, after: Position | None, limit: int) -> list[Notification]:
    """The member's notifications after a position, newest first."""
    return tx.all(
        Notification,
        """
        SELECT id, type, title, body, code, params, data, created_at, read_at
        FROM notifications
        WHERE member_id = :member_id
          AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:id AS uuid)))
        ORDER BY created_at DESC, id DESC LIMIT :limit
        """,
        member_id=member_id,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def page_of_type(tx: Tx, member_id: UUID, kind: str, after: Position | None, limit: int) -> list[Notification]:
    """The same for one type, as a separate query, so that each query has its own index."""
    return tx.all(
        Notification,
        """
        SELECT id, type, title, body, code, params, data, created_at, read_at
        FROM notifications
        WHERE member_id = :member_id AND type = :kind
          AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:id AS uuid)))
        ORDER BY created_at DESC, id DESC LIMIT :limit
        """,
        member_id=member_id,
        kind=kind,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def unread(tx: Tx, member_id: UUID) -> int:
    """The member's unread count, also with the changes that wait in late_counts."""
    return tx.scalar(int, "SELECT unread FROM inbox_counts WHERE member_id = :member_id", member_id=member_id)


def find(tx: Tx, member_id: UUID, notification_id: UUID) -> Notification | None:
    """The member's own notification; None if there is none with this id."""
    return tx.first(
        Notification,
        """
        SELECT id, type, title, body, code, params, data, created_at, read_at
        FROM notifications WHERE id = :id AND member_id = :member_id
        """,
        id=notification_id,
        member_id=member_id,
    )


def mark_read(tx: Tx, member_id: UUID, notification_id: UUID | None, now: datetime) -> int:
    """Mark one notification as read, or all if no id is given; returns how many were unread. Rows are locked in the
    order of their ids.
    """
    return tx.run(
        """
        WITH unread AS (
            SELECT id FROM notifications
            WHERE member_id = :member_id AND read_at IS NULL AND (CAST(:id AS uuid) IS NULL OR id = :id)
            ORDER BY id FOR NO KEY UPDATE
        )
        UPDATE notifications SET read_at = :now FROM unread WHERE notifications.id = unread.id
        """,
        member_id=member_id,
        id=notification_id,
        now=now,
    )


def note_all_read(tx: Tx, member_id: UUID, now: datetime) -> None:
    """Record that all earlier notifications are read; listeners see it in one document."""
    tx.run("UPDATE inboxes SET all_read_at = :now WHERE member_id = :member_id", member_id=member_id, now=now)


def language(tx: Tx, member_id: UUID) -> str | None:
    """The language of the member; None if there is none with this id."""
    return tx.scalar_or_none(str, "SELECT language FROM members WHERE id = :member_id", member_id=member_id)


def unsubscribe(tx: Tx, member_id: UUID) -> None:
    """Send the member no more campaigns."""
    tx.run_later(
        """
        INSERT INTO notification_preferences (member_id, type, push, email)
        VALUES (:member_id, 'marketing', true, false)
        ON CONFLICT (member_id, type) DO UPDATE SET email = false
        """,
        member_id=member_id,
    )
