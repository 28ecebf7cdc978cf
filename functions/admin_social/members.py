"""Operations on what members may do in the chat. The member is told why, until when, and how to appeal."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

from functions.admin_social import rules, sanctioning, standing_store
from functions.admin_social.common import Support, api
from functions.admin_social.models import AdminChatMember, ChatBan, ChatLift, ChatTimeout
from shared.auth import Admin
from shared.db import Tx
from shared.members import standing
from shared.social.sanctions import Sanction, SanctionKind
from shared.values import tiers
from shared.values.encoding import moment
from shared.values.problems import NotFound
from shared.web import audit
from shared.web.audit import Action
from shared.web.http import Client

SANCTIONS_SHOWN = 50


@api.get("/v1/admin/social/users/{user_id}")
def get_admin_chat_member(tx: Tx, admin: Support, user_id: UUID, now: datetime) -> AdminChatMember:
    """Return the member's standing, and what was done to them."""
    return record(tx, user_id, now)


@api.post("/v1/admin/social/users/{user_id}/timeout", problems=(rules.AdminNotSanctioned,))
def time_out_chat_member(
    tx: Tx, admin: Support, user_id: UUID, body: ChatTimeout, client: Client, now: datetime
) -> AdminChatMember:
    """Keep a member from writing for a while; they may read on. A later timeout replaces an earlier one."""
    until = rules.ends_at(SanctionKind.TIMEOUT, body.hours, now)
    return _sanction(tx, admin, client, Sanction(uuid4(), user_id, SanctionKind.TIMEOUT, body.reason, until), now)


@api.post("/v1/admin/social/users/{user_id}/ban", problems=(rules.AdminNotSanctioned,))
def ban_chat_member(
    tx: Tx, admin: Support, user_id: UUID, body: ChatBan, client: Client, now: datetime
) -> AdminChatMember:
    """Ban a member from the chat until somebody lifts it: they neither write nor read, and their listeners end.
    Harmless twice.
    """
    return _sanction(tx, admin, client, Sanction(uuid4(), user_id, SanctionKind.BAN, body.reason), now)


@api.post("/v1/admin/social/users/{user_id}/lift", problems=(rules.AdminNotSanctioned,))
def lift_chat_sanctions(
    tx: Tx, admin: Support, user_id: UUID, body: ChatLift, client: Client, now: datetime
) -> AdminChatMember:
    """Lift the ban, the timeout and the mute of a member. Harmless twice."""
    return _sanction(tx, admin, client, Sanction(uuid4(), user_id, SanctionKind.LIFT, body.reason), now)


def record(tx: Tx, member_id: UUID, now: datetime) -> AdminChatMember:
    """The member's standing, with what was done to them. Raises NotFound."""
    found = standing.find(tx, member_id, tiers.quarter_of(now))
    if found is None:
        raise NotFound
    held = standing_store.standing(tx, member_id)
    return AdminChatMember(
        id=found.id,
        member_id=found.member_id,
        username=found.username,
        **vars(held),
        sanctions=standing_store.given(tx, member_id, SANCTIONS_SHOWN),
    )


def _sanction(tx: Tx, admin: Admin, client: Client, wanted: Sanction, now: datetime) -> AdminChatMember:
    """Do it by hand, and record it, unless it would change nothing."""
    sanctioning.lock(tx, admin, wanted.member_id)
    held = standing_store.standing(tx, wanted.member_id)
    if sanctioning.changes_something(wanted.kind, held, now):
        sanction = replace(wanted, given_by=admin.id)
        sanctioning.give(tx, sanction, now)
        until = moment(sanction.until) if sanction.until else None
        changes = {"until": until, "reason": sanction.reason, "sanction_id": str(sanction.id)}
        action = Action(f"chat_member.{sanction.kind.value}", "member", wanted.member_id, changes)
        audit.record(tx, admin, client, action, now)
    return record(tx, wanted.member_id, now)
