"""Pictures on their way into the storage and out of it."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from shared.db import Tx


@dataclass(frozen=True)
class Waiting:
    """A picture that nobody has looked at yet."""

    id: UUID
    member_id: UUID
    object_name: str
    content_type: str
    large: bytes = field(repr=False)
    small: bytes = field(repr=False)


@dataclass(frozen=True)
class Retired:
    """Where a picture lies that is not shown any more."""

    object_name: str


@dataclass(frozen=True)
class Identity:
    """Just an id."""

    id: UUID


def waiting(tx: Tx, avatar_id: UUID) -> Waiting | None:
    """None when there is nothing to do (any more)."""
    return tx.first(
        Waiting,
        """
        SELECT id, member_id, object_name, content_type, large, small FROM avatars
        WHERE id = :id AND status = 'waiting'
        """,
        id=avatar_id,
    )


def lock_member(tx: Tx, member_id: UUID) -> None:
    """One change of a member's picture at a time."""
    tx.run("SELECT 1 FROM members WHERE id = :id FOR NO KEY UPDATE", id=member_id)


def is_wanted(tx: Tx, avatar_id: UUID) -> bool:
    """It still waits, its member is there, and no newer one is shown or on its way."""
    return (
        tx.first(
            Identity,
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


def shown(tx: Tx, member_id: UUID) -> list[Identity]:
    """The one that is shown, if any."""
    return tx.all(Identity, "SELECT id FROM avatars WHERE member_id = :id AND status = 'live'", id=member_id)


def show(tx: Tx, avatar_id: UUID, member_id: UUID, url: str, now: datetime) -> None:
    """Everybody sees it from now on."""
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
    """It is not shown any more, or never was."""
    tx.run(
        """
        UPDATE avatars SET status = 'replaced', finished_at = coalesce(finished_at, :now), large = NULL, small = NULL
        WHERE id = :id AND status IN ('waiting', 'live')
        """,
        id=avatar_id,
        now=now,
    )


def refuse(tx: Tx, avatar_id: UUID, now: datetime) -> bool:
    """It will not be shown; False when it was decided before."""
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


def retired(tx: Tx, avatar_id: UUID) -> Retired | None:
    """None for one that is shown or waits."""
    return tx.first(
        Retired,
        "SELECT object_name FROM avatars WHERE id = :id AND status IN ('replaced', 'refused')",
        id=avatar_id,
    )


def mark_removed(tx: Tx, avatar_id: UUID, now: datetime) -> None:
    """It does not lie in the storage any more."""
    tx.run("UPDATE avatars SET removed_at = coalesce(removed_at, :now) WHERE id = :id", id=avatar_id, now=now)
