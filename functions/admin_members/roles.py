"""The operation by which an owner gives a member a role, another one, or none (docs/admin.md, "Roles")."""

from datetime import datetime
from uuid import UUID

from functions.admin_members import rules, user_store
from functions.admin_members.common import Owner, api
from functions.admin_members.models import AdminUserRole, RoleChange
from shared.auth import Role
from shared.credentials import totp
from shared.credentials.totp import SECOND_FACTOR
from shared.db import ConstraintViolated, Tx
from shared.members import listeners, standing, suspensions
from shared.values import tiers
from shared.values.problems import NotFound
from shared.values.states import MemberStatus
from shared.web import audit
from shared.web.audit import Action
from shared.web.http import Client


@api.put(
    "/v1/admin/users/{user_id}/role",
    problems=(rules.RoleOfOneself, rules.LastOwner, rules.MemberNotActive, *SECOND_FACTOR),
)
def change_role(tx: Tx, admin: Owner, user_id: UUID, body: RoleChange, client: Client, now: datetime) -> AdminUserRole:
    """Give the member this role, from now on. Their sessions as an admin end; nothing is written if they have the role
    already.
    """
    totp.spend(tx, admin.id, body.totp, now)
    account = suspensions.lock(tx, user_id)
    if account is None:
        raise NotFound
    if account.id == admin.id:
        raise rules.RoleOfOneself
    if body.role is not None and account.status != MemberStatus.ACTIVE:
        raise rules.MemberNotActive(member_status=account.status)
    if body.role is not account.role:
        _set(tx, user_id, body.role, now)
        changes = {"before": account.role, "after": body.role, "reason": body.reason}
        audit.record(tx, admin, client, Action("member.role", "member", user_id, changes), now)
    found = standing.find(tx, user_id, tiers.quarter_of(now))
    assert found, "the row is locked"
    return AdminUserRole(id=found.id, member_id=found.member_id, username=found.username, role=body.role)


def _set(tx: Tx, user_id: UUID, role: Role | None, now: datetime) -> None:
    """Store the role. Raises LastOwner."""
    try:
        user_store.set_role(tx, user_id, role, now)
    except ConstraintViolated as refused:
        if refused.constraint == "last_owner":
            raise rules.LastOwner from None
        raise
    user_store.end_admin_sessions(tx, user_id, now)
    listeners.revoke(tx, user_id, now)
