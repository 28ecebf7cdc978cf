"""Pictures before, during and after publication, as rows."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from shared.db import Tx


@dataclass(frozen=True)
class Waiting:
    """A picture that is not checked yet."""

    id: UUID
    member_id: UUID
    object_name: str
    content_type: str
    large: bytes = field(repr=False)
    small: bytes = field(repr=False)


def waiting(tx: Tx, avatar_id: UUID) -> Waiting | None:
    """The picture, if it still waits to be checked; else None."""
    return tx.first(
        Waiting,
        """
        SELECT id, member_id, object_name, content_type, large, small FROM avatars
        WHERE id = :id AND status = 'waiting'
        """,
        id=avatar_id,
    )


def lock_member(tx: Tx, member_id: UUID) -> None:
    """Lock the member, so that a member's picture changes one step at a time."""
    tx.run("SELECT 1 FROM members WHERE id = :id FOR NO KEY UPDATE", id=member_id)


def is_wanted(tx: Tx, avatar_id: UUID) -> bool:
    """Whether the picture still waits, its member exists, and no newer picture is shown or waiting."""
    return (
        tx.scalar_or_none(
            UUID,
            """
            SELECT a.id FROM avatars a JOIN members m ON m.id = a.member_id
            WHERE a.id = :id AND a.status = 'waiting' AND m.status <> 'deleted'
              AND NOT EXISTS (SELECT FROM avatars newer WHERE newer.member_id = a.member_id
                              AND newer.uploaded_at > a.uploaded_at AND newer.status IN ('waiting', 'live'))
            """,
            id=avatar_id,
        )
        is not None
    )


def shown(tx: Tx, member_id: UUID) -> list[UUID]:
    """The member's shown picture, if any."""
    return tx.column(UUID, "SELECT id FROM avatars WHERE member_id = :id AND status = 'live'", id=member_id)


def show(tx: Tx, avatar_id: UUID, member_id: UUID, url: str, now: datetime) -> None:
    """Mark the picture as live and put its address into the member's profile."""
    tx.run(
        "UPDATE avatars SET status = 'live', finished_at = :now, large = NULL, small = NULL WHERE id = :id",
        id=avatar_id,
        now=now,
    )
    tx.run(
        """
        UPDATE members SET avatar_url = :url, updated_at = :now, profile_revision = profile_revision + 1
        WHERE id = :id
        """,
        id=member_id,
        url=url,
        now=now,
    )


def retire(tx: Tx, avatar_id: UUID, now: datetime) -> None:
    """Mark a live or waiting picture as replaced."""
    tx.run(
        """
        UPDATE avatars SET status = 'replaced', finished_at = coalesce(finished_at, :now), large = NULL, small = NULL
        WHERE id = :id AND status IN ('waiting', 'live')
        """,
        id=avatar_id,
        now=now,
    )


def refuse(tx: Tx, avatar_id: UUID, now: datetime) -> bool:
    """Mark a waiting picture as refused; False if it was decided before."""
    return (
        tx.run(
            """
            UPDATE avatars SET status = 'refused', finished_at = :now, removed_at = :now, large = NULL, small = NULL
            WHERE id = :id AND status = 'waiting'
            """,
            id=avatar_id,
            now=now,
        )
        == 1
    )


def retired(tx: Tx, avatar_id: UUID) -> str | None:
    """The stored name of a replaced or refused picture; None for others."""
    return tx.scalar_or_none(
        str,
        "SELECT object_name FROM avatars WHERE id = :id AND status IN ('replaced', 'refused')",
        id=avatar_id,
    )


def mark_removed(tx: Tx, avatar_id: UUID, now: datetime) -> None:
    """Record that the picture's files are deleted."""
    tx.run("UPDATE avatars SET removed_at = coalesce(removed_at, :now) WHERE id = :id", id=avatar_id, now=now)
