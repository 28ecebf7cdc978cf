"""Keeps members from writing or reading in the chat, and lets them again. The caller has locked the member's standing.

A mute or a timeout stops the next message at once and ends no listener. A ban ends listeners: the member's realtime
tokens are revoked, which raises the shift of the channels that not everybody sees.
"""

from datetime import datetime
from uuid import UUID

from functions.admin_social import rules, standing_store
from functions.admin_social.standing_store import Standing
from shared.auth import Admin
from shared.db import Tx
from shared.members import listeners
from shared.social import sanctions, standings
from shared.social.sanctions import Sanction, SanctionKind
from shared.values.problems import NotFound


def lock(tx: Tx, admin: Admin, member_id: UUID) -> None:
    """Lock the standing of a member who may be sanctioned. Raises NotFound, AdminNotSanctioned."""
    found = standing_store.person(tx, member_id)
    if found is None:
        raise NotFound
    if found.is_admin or member_id == admin.id:
        raise rules.AdminNotSanctioned
    standings.lock(tx, [member_id])


def changes_something(kind: SanctionKind, held: Standing, now: datetime) -> bool:
    """Whether a member who stands so is kept from more, or let do more. A timeout always counts anew."""
    if kind is SanctionKind.BAN:
        return held.banned_at is None
    if kind is SanctionKind.LIFT:
        kept = [until for until in (held.muted_until, held.timeout_until) if until]
        return held.banned_at is not None or any(until > now for until in kept)
    return True


def give(tx: Tx, sanction: Sanction, now: datetime) -> None:
    """Do it, record it, and tell the member."""
    match sanction.kind:
        case SanctionKind.MUTE:
            standing_store.mute(tx, sanction.member_id, sanction.until)
        case SanctionKind.TIMEOUT:
            standing_store.time_out(tx, sanction.member_id, sanction.until)
        case SanctionKind.BAN:
            standing_store.ban(tx, sanction.member_id, now)
            listeners.revoke(tx, sanction.member_id, now)
        case SanctionKind.LIFT:
            standing_store.lift(tx, sanction.member_id)
        case SanctionKind.REMOVAL:
            pass  # it is the message that changes
    sanctions.give(tx, sanction, now)
