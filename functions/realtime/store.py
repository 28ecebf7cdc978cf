"""The rows by which a realtime token says something of its member."""

from uuid import UUID

from shared.db import Tx


def is_banned(tx: Tx, member_id: UUID) -> bool:
    """Whether the member is banned from the chat."""
    return tx.scalar(
        bool,
        """
        SELECT EXISTS (SELECT FROM social_standings WHERE member_id = :member_id AND banned_at IS NOT NULL) AS banned
        """,
        member_id=member_id,
    )
