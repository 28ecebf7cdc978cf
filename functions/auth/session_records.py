"""Sessions as rows: begin, use, list and end them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.members import listeners


@dataclass(frozen=True)
class Live:
    """A session that has not ended."""

    id: UUID
    device_kind: str
    device_name: str | None
    user_agent: str | None
    ip_address: str | None
    created_at: datetime
    last_used_at: datetime
    ends_at: datetime


def start(
    tx: Tx,
    *,
    session_id: UUID,
    member_id: UUID,
    device_kind: str,
    device_id: str | None,
    ip_address: str | None,
    user_agent: str,
    now: datetime,
    proved_at: datetime | None = None,
    device_name: str | None = None,
) -> None:
    """Start a session. The member's earlier session of the same kind ends, and so do its real-time listeners."""
    tx.run_later("UPDATE members SET last_login_at = :now WHERE id = :member_id", member_id=member_id, now=now)
    ended = tx.run(
        """
        UPDATE sessions SET ended_at = :now, end_reason = 'signed in elsewhere'
        WHERE member_id = :member_id AND device_kind = :device_kind AND ended_at IS NULL
        """,
        member_id=member_id,
        device_kind=device_kind,
        now=now,
    )
    if ended:
        listeners.revoke(tx, member_id, now)
    tx.run_later(
        """
        INSERT INTO sessions (id, member_id, device_kind, device_id, device_name, ip_address, user_agent, created_at,
                              last_used_at, totp_at)
        VALUES (:id, :member_id, :device_kind, :device_id, :device_name, :ip_address, :user_agent, :now, :now,
                :proved_at)
        """,
        id=session_id,
        member_id=member_id,
        device_kind=device_kind,
        device_id=device_id,
        device_name=device_name,
        ip_address=ip_address,
        user_agent=user_agent,
        now=now,
        proved_at=proved_at,
    )


def touch(tx: Tx, session_id: UUID, now: datetime) -> None:
    """Record that the session is in use."""
    tx.run_later("UPDATE sessions SET last_used_at = :now WHERE id = :id", id=session_id, now=now)


def live(tx: Tx, member_id: UUID, now: datetime) -> list[Live]:
    """The member's live sessions, the last used first; there is at most one of each kind."""
    return tx.all(
        Live,
        """
        SELECT id, device_kind, device_name, user_agent, host(ip_address) AS ip_address, created_at, last_used_at,
               ends_at
        FROM sessions WHERE member_id = :member_id AND ended_at IS NULL AND ends_at > :now
        ORDER BY last_used_at DESC, id
        """,
        member_id=member_id,
        now=now,
    )


def end(tx: Tx, member_id: UUID, session_id: UUID, reason: str, now: datetime) -> bool:
    """End the session, so that its tokens are refused; False if the member has no such live session."""
    return bool(
        tx.run(
            """
            UPDATE sessions SET ended_at = :now, end_reason = :reason
            WHERE id = :id AND member_id = :member_id AND ended_at IS NULL
            """,
            id=session_id,
            member_id=member_id,
            reason=reason,
            now=now,
        )
    )
