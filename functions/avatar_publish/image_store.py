"""Images for the chat before, during and after publication, as rows."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from shared.db import Tx


@dataclass(frozen=True)
class WaitingImage:
    """An image that is not checked yet."""

    id: UUID
    content_type: str
    content: bytes = field(repr=False)


def waiting(tx: Tx, image_id: UUID) -> WaitingImage | None:
    """The image, if it still waits to be checked; else None."""
    return tx.first(
        WaitingImage,
        "SELECT id, content_type, content FROM social_images WHERE id = :id AND status = 'waiting'",
        id=image_id,
    )


def show(tx: Tx, image_id: UUID, now: datetime) -> bool:
    """Mark a waiting image as live; False if it was decided before, or its member has left."""
    return bool(
        tx.run(
            """
            UPDATE social_images i SET status = 'live', finished_at = :now, content = NULL FROM members m
            WHERE i.id = :id AND i.status = 'waiting' AND m.id = i.member_id AND m.status <> 'deleted'
            """,
            id=image_id,
            now=now,
        )
    )


def is_live(tx: Tx, image_id: UUID) -> bool:
    """Whether the image is live: another delivery of its task has shown it."""
    return tx.scalar(
        bool,
        "SELECT EXISTS (SELECT FROM social_images WHERE id = :id AND status = 'live') AS found",
        id=image_id,
    )


def refuse(tx: Tx, image_id: UUID, now: datetime) -> None:
    """Mark a waiting image as refused; it was never stored."""
    tx.run(
        """
        UPDATE social_images SET status = 'refused', finished_at = :now, removed_at = :now, content = NULL
        WHERE id = :id AND status = 'waiting'
        """,
        id=image_id,
        now=now,
    )


def retire_unused(tx: Tx, before: datetime, limit: int) -> None:
    """Mark live images as removed that nobody has posted, the oldest first."""
    tx.run(
        """
        UPDATE social_images SET status = 'removed' WHERE id IN (
            SELECT id FROM social_images WHERE status = 'live' AND message_id IS NULL AND uploaded_at < :before
            ORDER BY uploaded_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
        before=before,
        limit=limit,
    )


def retire_old(tx: Tx, before: datetime, limit: int) -> None:
    """Mark live images as removed that are so old, the oldest first. One whose message is pinned stays."""
    tx.run(
        """
        UPDATE social_images SET status = 'removed' WHERE id IN (
            SELECT id FROM social_images i WHERE status = 'live' AND uploaded_at < :before
              AND NOT EXISTS (SELECT FROM social_pins p WHERE p.message_id = i.message_id)
            ORDER BY uploaded_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
        before=before,
        limit=limit,
    )


def leaving(tx: Tx, limit: int) -> list[UUID]:
    """Images that are removed, and still in the storage. One whose author has removed its message stays while a case of
    that message is open.
    """
    return tx.column(
        UUID,
        """
        SELECT id FROM social_images i WHERE status = 'removed' AND removed_at IS NULL
          AND NOT EXISTS (SELECT FROM social_cases c
                          JOIN social_messages m ON m.posted_at = time_of_id(c.message_id) AND m.id = c.message_id
                          WHERE c.message_id = i.message_id AND c.decided_at IS NULL AND m.removed_by = 'author')
        ORDER BY id LIMIT :limit
        """,
        limit=limit,
    )


def mark_removed(tx: Tx, image_id: UUID, now: datetime) -> None:
    """Record that the image's file is deleted."""
    tx.run("UPDATE social_images SET removed_at = coalesce(removed_at, :now) WHERE id = :id", id=image_id, now=now)
