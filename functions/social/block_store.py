"""Blocks of members by members as rows."""

from datetime import datetime
from uuid import UUID

from functions.social.models import ChatBlock
from shared.db import Tx
from shared.web.paging import Position


def insert(tx: Tx, member_id: UUID, blocked_id: UUID, now: datetime) -> bool:
    """Store a block; False if it is there."""
    return bool(
        tx.run(
            """
            INSERT INTO social_blocks (member_id, blocked_id, blocked_at) VALUES (:member_id, :blocked_id, :now)
            ON CONFLICT DO NOTHING
            """,
            member_id=member_id,
            blocked_id=blocked_id,
            now=now,
        )
    )


def delete(tx: Tx, member_id: UUID, blocked_id: UUID) -> None:
    """Delete a block, if it is there."""
    tx.run(
        "DELETE FROM social_blocks WHERE member_id = :member_id AND blocked_id = :blocked_id",
        member_id=member_id,
        blocked_id=blocked_id,
    )


def exists(tx: Tx, member_id: UUID) -> bool:
    """Whether there is such a member, whose account is not closed."""
    return tx.scalar(
        bool,
        "SELECT EXISTS (SELECT FROM members WHERE id = :member_id AND status <> 'deleted') AS found",
        member_id=member_id,
    )


def count(tx: Tx, member_id: UUID) -> int:
    """How many others the member has blocked."""
    return tx.scalar(
        int, "SELECT count(*) AS number FROM social_blocks WHERE member_id = :member_id", member_id=member_id
    )


def blocks(tx: Tx, member_id: UUID, after: Position | None, limit: int) -> list[ChatBlock]:
    """The members whom the member has blocked after a position, newest first, at most `limit`."""
    return tx.all(
        ChatBlock,
        """
        SELECT b.blocked_id AS member_id, CASE WHEN m.status <> 'deleted' THEN m.username END AS username,
               m.avatar_url, b.blocked_at
        FROM social_blocks b JOIN members m ON m.id = b.blocked_id
        WHERE b.member_id = :member_id
          AND (CAST(:at AS timestamptz) IS NULL OR (b.blocked_at, b.blocked_id) < (:at, CAST(:id AS uuid)))
        ORDER BY b.blocked_at DESC, b.blocked_id DESC LIMIT :limit
        """,
        member_id=member_id,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )
