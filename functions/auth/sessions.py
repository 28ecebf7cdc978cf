"""Sessions: begin and end them, and list the member's own."""

from datetime import datetime
from uuid import UUID, uuid4

from functions.auth import device_names, session_records, store, tellings
from functions.auth.models import Device, LiveSession
from functions.auth.session_records import Live
from functions.auth.store import Credentials
from shared.auth import Member
from shared.db import Tx
from shared.members import listeners
from shared.values.fields import Listing
from shared.values.problems import NotFound
from shared.web.http import Client


def begin(
    tx: Tx, member: Credentials, device: Device, client: Client, proved_at: datetime | None, now: datetime
) -> UUID:
    """Begin a session, end the member's earlier one of its kind, notify the owner of a new device; returns the
    session's id.
    """
    identity = uuid4()
    session_records.start(
        tx,
        session_id=identity,
        member_id=member.id,
        device_kind=device.kind,
        device_id=device.id,
        device_name=device.name,
        ip_address=client.ip_address,
        user_agent=client.user_agent,
        now=now,
        proved_at=proved_at,
    )
    tellings.tell_of_device(tx, member, device, client, now)
    return identity


def end(tx: Tx, member_id: UUID, session_id: UUID, reason: str, now: datetime) -> bool:
    """End the session: its tokens are refused, its device gets no more notifications, its real-time listeners are
    revoked. Returns False if the member has no such live session.
    """
    if not session_records.end(tx, member_id, session_id, reason, now):
        return False
    listeners.revoke(tx, member_id, now)
    return True


def list_sessions(tx: Tx, member: Member, now: datetime) -> Listing[LiveSession]:
    """List the member's live sessions on one page, the last used first."""
    found = session_records.live(tx, member.id, now)
    return Listing[LiveSession](items=[_shown(session, member) for session in found], next_cursor=None)


def end_session(tx: Tx, member: Member, session_id: UUID, now: datetime) -> None:
    """End another of the member's sessions; its tokens are refused from the next request on."""
    if not end(tx, member.id, session_id, "ended from another session", now):
        raise NotFound


def end_all_sessions(tx: Tx, member: Member, now: datetime) -> None:
    """End every session of the member, this one too; all tokens are refused from the next request on."""
    store.end_sessions(tx, member.id, None, "signed out everywhere", now)
    listeners.revoke(tx, member.id, now)


def _shown(session: Live, member: Member) -> LiveSession:
    network = Client(session.ip_address, "").coarse_network if session.ip_address else None
    return LiveSession.model_validate(
        {
            "id": session.id,
            "kind": session.device_kind,
            "device_name": session.device_name or device_names.of_user_agent(session.user_agent or ""),
            "network": network,
            "created_at": session.created_at,
            "last_used_at": session.last_used_at,
            "ends_at": session.ends_at,
            "is_current": session.id == member.session_id,
        }
    )
