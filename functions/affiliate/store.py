"""Custom referral codes as rows."""

from datetime import datetime
from uuid import UUID

from shared.db import Tx


def take(tx: Tx, member_id: UUID, code: str, now: datetime) -> bool:
    """Take a code, or make the member's earlier code the current one; False if it is another member's."""
    return bool(
        tx.run(
            """
            INSERT INTO referral_codes AS held (code, member_id, created_at) VALUES (:code, :member_id, :now)
            ON CONFLICT (code) DO UPDATE SET created_at = :now WHERE held.member_id = :member_id
            """,
            code=code,
            member_id=member_id,
            now=now,
        )
    )
