"""Members' standings in the chat, and what was done to them, as rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.admin_social.models import AdminChatSanction
from shared.db import Tx


@dataclass(frozen=True)
class Person:
    """A member whose account is not closed, and whether they have an admin role."""

    id: UUID
    is_admin: bool


@dataclass(frozen=True)
class Standing:
    """A member's ban, timeout and mute, and their strikes as they were when the last one was given."""

    strikes: int
    muted_until: datetime | None
    timeout_until: datetime | None
    banned_at: datetime | None


def person(tx: Tx, member_id: UUID) -> Person | None:
    """The member; None for an unknown or closed account."""
    return tx.first(
        Person,
        "SELECT id, role IS NOT NULL AS is_admin FROM members WHERE id = :member_id AND status <> 'deleted'",
        member_id=member_id,
    )


def mute(tx: Tx, member_id: UUID, until: datetime | None) -> None:
    """Mute the member, whose standing is locked."""
    tx.run(
        "UPDATE social_standings SET muted_until = :until WHERE member_id = :member_id",
        member_id=member_id,
        until=until,
    )


def time_out(tx: Tx, member_id: UUID, until: datetime | None) -> None:
    """Give the member a timeout; the standing is locked."""
    tx.run(
        "UPDATE social_standings SET timeout_until = :until WHERE member_id = :member_id",
        member_id=member_id,
        until=until,
    )


def ban(tx: Tx, member_id: UUID, now: datetime) -> None:
    """Ban the member, whose standing is locked; a ban that is there stays as it is."""
    tx.run(
        "UPDATE social_standings SET banned_at = coalesce(banned_at, :now) WHERE member_id = :member_id",
        member_id=member_id,
        now=now,
    )


def lift(tx: Tx, member_id: UUID) -> None:
    """Let the member write again; the standing is locked."""
    tx.run(
        """
        UPDATE social_standings SET muted_until = NULL, timeout_until = NULL, banned_at = NULL
        WHERE member_id = :member_id
        """,
        member_id=member_id,
    )


def standing(tx: Tx, member_id: UUID) -> Standing:
    """The member's standing; that of a member who has never written is empty."""
    found = tx.first(
        Standing,
        """
        SELECT strikes, muted_until, timeout_until, banned_at FROM social_standings WHERE member_id = :member_id
        """,
        member_id=member_id,
    )
    return found or Standing(0, None, None, None)


def given(tx: Tx, member_id: UUID, limit: int) -> list[AdminChatSanction]:
    """The member's sanctions and lifts, newest first."""
    return tx.all(
        AdminChatSanction,
        """
        SELECT s.id, s.kind, s.until, s.reason, s.given_at, m.username AS given_by_username, s.case_id, s.message_id
        FROM social_sanctions s LEFT JOIN members m ON m.id = s.given_by
        WHERE s.member_id = :member_id ORDER BY s.given_at DESC, s.id LIMIT :limit
        """,
        member_id=member_id,
        limit=limit,
    )
