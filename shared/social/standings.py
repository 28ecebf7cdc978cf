"""The standings of members in the chat: every act of a member there, and against one, begins by locking theirs."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from shared.db import Tx


def lock(tx: Tx, members: Collection[UUID]) -> None:
    """Lock the members' standings until the commit, made where there was none; sorted, so that two callers cannot
    deadlock.
    """
    tx.run_later(
        """
        INSERT INTO social_standings (member_id)
        SELECT member_id FROM unnest(CAST(:members AS uuid[])) AS given (member_id)
        WHERE NOT EXISTS (SELECT FROM social_standings s WHERE s.member_id = given.member_id)
        ORDER BY member_id
        ON CONFLICT DO NOTHING
        """,
        members=list(members),
    )
    tx.run_later(
        """
        SELECT 1 FROM social_standings WHERE member_id = ANY(CAST(:members AS uuid[]))
        ORDER BY member_id FOR NO KEY UPDATE
        """,
        members=list(members),
    )


def is_banned(tx: Tx, member_id: UUID) -> bool:
    """Whether the member is banned from the chat."""
    found = tx.scalar_or_none(
        datetime, "SELECT banned_at FROM social_standings WHERE member_id = :member_id", member_id=member_id
    )
    return found is not None
