"""Operations that suspend and activate a member; each has a reason, which the audit log keeps."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from functions.admin_members import rules
from functions.admin_members.common import Operations, api
from shared.auth import Admin, Role
from shared.db import ConstraintViolated, Tx
from shared.members import standing, suspensions
from shared.members.suspensions import Account
from shared.payouts import interests
from shared.values import tiers
from shared.values.fields import Body, Reason, Reply
from shared.values.problems import NotFound
from shared.values.states import MemberStatus
from shared.web import audit
from shared.web.audit import Action
from shared.web.http import Client


class MemberSuspension(Body):
    """The reason for the suspension; it is kept, and not told to the member."""

    reason: Reason


class MemberActivation(Body):
    """The reason for the activation; it is kept, and not told to the member."""

    reason: Reason


class AdminMemberStatus(Reply):
    """The status of a member's account."""

    id: UUID
    member_id: str
    username: str
    status: Literal["active", "suspended", "deleted"]


@api.post(
    "/v1/admin/members/{member_id}/suspend",
    problems=(rules.LastOwner, rules.MemberIsAdmin, rules.MemberNotActive),
)
def suspend_member(
    tx: Tx, admin: Operations, member_id: UUID, body: MemberSuspension, client: Client, now: datetime
) -> AdminMemberStatus:
    """Suspend a member: sessions and listeners end at once, no push notifications are sent, payouts are held."""
    account = _locked(tx, admin, member_id)
    if account.status != MemberStatus.ACTIVE:
        raise rules.MemberNotActive(member_status=account.status)
    try:
        suspensions.suspend(tx, member_id, now)
    except ConstraintViolated as refused:
        if refused.constraint == "last_owner":
            raise rules.LastOwner from None
        raise
    audit.record(tx, admin, client, Action("member.suspend", "member", member_id, {"reason": body.reason}), now)
    return _shown(tx, member_id, now)


@api.post(
    "/v1/admin/members/{member_id}/activate",
    problems=(rules.MemberIsAdmin, rules.MemberNotSuspended, interests.OwnInterest),
)
def activate_member(
    tx: Tx, admin: Operations, member_id: UUID, body: MemberActivation, client: Client, now: datetime
) -> AdminMemberStatus:
    """Let the member sign in again; payouts held only because of the suspension continue."""
    account = _locked(tx, admin, member_id)
    interests.require_none_in_member(tx, admin.id, member_id)
    if account.status != MemberStatus.SUSPENDED:
        raise rules.MemberNotSuspended(member_status=account.status)
    suspensions.activate(tx, member_id, now)
    audit.record(tx, admin, client, Action("member.activate", "member", member_id, {"reason": body.reason}), now)
    return _shown(tx, member_id, now)


def _locked(tx: Tx, admin: Admin, member_id: UUID) -> Account:
    """Lock the account. Raises NotFound, MemberIsAdmin."""
    account = suspensions.lock(tx, member_id)
    if account is None:
        raise NotFound
    by_owner = admin.role is Role.OWNER
    rules.check_rank(is_self=admin.id == account.id, is_admin=account.role is not None, by_owner=by_owner)
    return account


def _shown(tx: Tx, member_id: UUID, now: datetime) -> AdminMemberStatus:
    found = standing.find(tx, member_id, tiers.quarter_of(now))
    account = suspensions.lock(tx, member_id)
    assert found, "the row is locked"
    assert account, "the row is locked"
    return AdminMemberStatus(id=found.id, member_id=found.member_id, username=found.username, status=account.status)
