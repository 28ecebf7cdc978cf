"""A member's notifications. The inbox row is locked first, always: its count stays exact."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Tx
from shared.paging import Position


@dataclass(frozen=True)
class Notification:
    """As the member sees it."""

    id: UUID
    type: str
    title: str
    body: str
    data: dict[str, Any]
    created_at: datetime
    read_at: datetime | None


@dataclass(frozen=True)
class Inbox:
    """The unread count."""

    unread: int


def page(tx: Tx, member_id: UUID, after: Position | None, limit: int) -> list[Notification]:
    """Newest first."""
    return tx.all(
        Notification,
        """
        SELECT id, type, title, body, data, created_at, read_at
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
    """Likewise, of one type: a query of its own, so that each has its index."""
    return tx.all(
        Notification,
        """
        SELECT id, type, title, body, data, created_at, read_at
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


def inbox(tx: Tx, member_id: UUID) -> Inbox:
    """The member's unread count."""
    return tx.one(Inbox, "SELECT unread FROM inboxes WHERE member_id = :member_id", member_id=member_id)


def lock_inbox(tx: Tx, member_id: UUID) -> None:
    """Nobody else changes what is read until this transaction ends."""
    tx.run("SELECT 1 FROM inboxes WHERE member_id = :member_id FOR UPDATE", member_id=member_id)


def find(tx: Tx, member_id: UUID, notification_id: UUID) -> Notification | None:
    """The member's own notification."""
    return tx.first(
        Notification,
        """
        SELECT id, type, title, body, data, created_at, read_at
        FROM notifications WHERE id = :id AND member_id = :member_id
        """,
        id=notification_id,
        member_id=member_id,
    )


def mark_read(tx: Tx, member_id: UUID, notification_id: UUID | None, now: datetime) -> int:
    """One notification, or all when no id is given; how many were unread."""
    return tx.run(
        """
        UPDATE notifications SET read_at = :now
        WHERE member_id = :member_id AND read_at IS NULL AND (CAST(:id AS uuid) IS NULL OR id = :id)
        """,
        member_id=member_id,
        id=notification_id,
        now=now,
    )


def note_all_read(tx: Tx, member_id: UUID, now: datetime) -> None:
    """Listeners learn from one document that all earlier notifications are read."""
    tx.run("UPDATE inboxes SET all_read_at = :now WHERE member_id = :member_id", member_id=member_id, now=now)
