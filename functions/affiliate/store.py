"""Custom referral codes."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx


@dataclass(frozen=True)
class _Code:
    code: str


def codes(tx: Tx, member_id: UUID) -> list[str]:
    """The member's, the one chosen last first."""
    rows = tx.all(
        _Code,
        "SELECT code FROM referral_codes WHERE member_id = :member_id ORDER BY created_at DESC, code",
        member_id=member_id,
    )
    return [row.code for row in rows]


def take(tx: Tx, member_id: UUID, code: str, now: datetime) -> bool:
    """False when it is somebody else's. A code of their own becomes the first again."""
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
