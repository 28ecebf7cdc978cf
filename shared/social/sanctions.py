"""Sanctions of members of the chat, and lifts: a row that they may appeal, and a notification that says so.

Its `id` is the case that a member names in an appeal (docs/support.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.db import Tx
from shared.messages import notifications
from shared.values.encoding import moment


class SanctionKind(StrEnum):
    """The kind of what was done to a member."""

    MUTE = "mute"
    TIMEOUT = "timeout"
    BAN = "ban"
    LIFT = "lift"
    REMOVAL = "removal"


NOTICES: Mapping[SanctionKind, str] = {
    SanctionKind.MUTE: "chat_muted",
    SanctionKind.TIMEOUT: "chat_timed_out",
    SanctionKind.BAN: "chat_banned",
    SanctionKind.LIFT: "chat_allowed",
    SanctionKind.REMOVAL: "message_removed",
}


@dataclass(frozen=True)
class Sanction:
    """An act against a member, or a lift; without an admin the rules have acted. A removal names its message."""

    id: UUID
    member_id: UUID
    kind: SanctionKind
    reason: str
    until: datetime | None = None
    given_by: UUID | None = None
    case_id: UUID | None = None
    message_id: UUID | None = None


def give(tx: Tx, sanction: Sanction, now: datetime) -> None:
    """Record what was done, and tell the member why, until when, and under which case they may appeal."""
    tx.run(
        """
        INSERT INTO social_sanctions (id, member_id, kind, until, reason, given_by, case_id, message_id, given_at)
        VALUES (:id, :member_id, :kind, :until, :reason, :given_by, :case_id, :message_id, :now)
        """,
        id=sanction.id,
        member_id=sanction.member_id,
        kind=sanction.kind.value,
        until=sanction.until,
        reason=sanction.reason,
        given_by=sanction.given_by,
        case_id=sanction.case_id,
        message_id=sanction.message_id,
        now=now,
    )
    data = {
        "case_id": str(sanction.id),
        "reason": sanction.reason,
        "until": moment(sanction.until) if sanction.until else None,
        "message_id": str(sanction.message_id) if sanction.message_id else None,
    }
    known = {name: value for name, value in data.items() if value is not None}
    note = notifications.note(sanction.member_id, NOTICES[sanction.kind], known, f"chat-sanction:{sanction.id}")
    notifications.notify(tx, note, now)
