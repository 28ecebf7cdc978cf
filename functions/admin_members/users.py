"""Operations on accounts: the list of members, a member's file and timeline, and mending names and addresses."""

from datetime import datetime
from typing import Any
from uuid import UUID

from functions.admin_members import rules, timeline_store, user_store
from functions.admin_members.common import Operations, api
from functions.admin_members.models import (
    AdminUser,
    TimelineEntry,
    TimelineFilter,
    TimelineKind,
    UserAffiliate,
    UserChange,
    UserFilter,
    UserFlags,
    UserListed,
    UserTiers,
    UserTotals,
    UserWallet,
)
from functions.admin_members.user_store import Account, Listed, Wanted
from shared.affiliates.links import custom_codes
from shared.auth import Role
from shared.db import ConstraintViolated, Tx
from shared.members import open_reviews, standing, suspensions, usernames
from shared.members.accounts import NameReserved, UsernameTaken, is_reserved
from shared.values import tiers
from shared.values.fields import Listing
from shared.values.problems import NotFound
from shared.values.states import MemberStatus
from shared.web import audit, paging
from shared.web.audit import Action
from shared.web.http import Client, IfMatch
from shared.web.paging import Position


@api.get("/v1/admin/users")
def list_users(tx: Tx, admin: Operations, page: UserFilter, now: datetime) -> Listing[UserListed]:
    """List the members that match the filters, newest first."""
    wanted = Wanted(
        email=page.email,
        username=page.username,
        wallet=page.wallet,
        number=rules.member_number(page.member_id) if page.member_id else None,
        begins=rules.pattern_of_beginning(page.q) if page.q else None,
    )
    rows = user_store.members(tx, wanted, tiers.quarter_of(now), paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.created_at, row.id))
    return Listing[UserListed](items=[_listed(row) for row in shown], next_cursor=cursor)


@api.get("/v1/admin/users/{user_id}")
def get_user(tx: Tx, admin: Operations, user_id: UUID, client: Client, now: datetime) -> AdminUser:
    """Return a member's file. The audit log keeps that the admin has read it, once an hour."""
    found = _shown(tx, user_id, now)
    user_store.record_view(tx, admin, user_id, client, now)
    return found


@api.get("/v1/admin/users/{user_id}/timeline")
def list_user_timeline(
    tx: Tx, admin: Operations, user_id: UUID, page: TimelineFilter, client: Client, now: datetime
) -> Listing[TimelineEntry]:
    """List what has happened to a member, newest first: scans, comps, payouts, withdrawals, orders, chips, tiers,
    messages, mails, and what admins did. The audit log keeps that the admin has read it, once an hour.
    """
    after = paging.after(page.cursor)
    if user_store.account(tx, user_id) is None:
        raise NotFound
    user_store.record_view(tx, admin, user_id, client, now)
    kinds = [page.kind] if page.kind else list(TimelineKind)
    rows = timeline_store.entries(tx, user_id, kinds, after, page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda entry: Position(entry.happened_at, entry.id))
    return Listing[TimelineEntry](items=list(shown), next_cursor=cursor)


@api.put(
    "/v1/admin/users/{user_id}",
    problems=(rules.AccountClosed, rules.MemberIsAdmin, UsernameTaken, NameReserved),
)
def change_user(
    tx: Tx, admin: Operations, user_id: UUID, body: UserChange, version: IfMatch, client: Client, now: datetime
) -> AdminUser:
    """Mend the names, the address and the language of the version that was read. Nothing is written if nothing would
    change.
    """
    account = suspensions.lock(tx, user_id)
    before = user_store.account(tx, user_id)
    if account is None or before is None:
        raise NotFound
    by_owner = admin.role is Role.OWNER
    rules.check_rank(is_self=admin.id == account.id, is_admin=account.role is not None, by_owner=by_owner)
    if account.status == MemberStatus.DELETED:
        raise rules.AccountClosed
    version.check(before.revision)
    wanted = _wanted(body, before)
    changes = rules.changes(vars(before), wanted.model_dump(exclude={"reason"}))
    if changes:
        _change(tx, before, wanted, now)
        changes |= {"reason": body.reason}
        audit.record(tx, admin, client, Action("member.change", "member", user_id, changes), now)
    return _shown(tx, user_id, now)


def _wanted(body: UserChange, before: Account) -> UserChange:
    """The change with what it leaves out as it was."""
    left_out = set(UserChange.model_fields) - body.model_fields_set
    return body.model_copy(update={name: getattr(before, name) for name in left_out})


def _change(tx: Tx, before: Account, wanted: UserChange, now: datetime) -> None:
    """Store the change. Raises NameReserved, UsernameTaken."""
    is_renamed = wanted.username.lower() != before.username.lower()
    if is_renamed and is_reserved(wanted.username):
        raise NameReserved
    try:
        user_store.change(tx, before.id, wanted, now)
    except ConstraintViolated as refused:
        if refused.constraint in ("members_username", "username_former"):
            raise UsernameTaken from None
        raise
    if is_renamed and usernames.held(tx, [wanted.username], before.id):
        raise UsernameTaken


def _listed(row: Listed) -> UserListed:
    known: dict[str, Any] = {name: value for name, value in vars(row).items() if name in UserListed.model_fields}
    tier = tiers.effective(row.quarter_tier, row.permanent_tier)
    return UserListed(**known, member_id=tiers.member_id(row.number, tier), tier=tier)


def _shown(tx: Tx, member_id: UUID, now: datetime) -> AdminUser:
    """The member's file. Raises NotFound."""
    account = user_store.account(tx, member_id)
    held = standing.find(tx, member_id, tiers.quarter_of(now))
    if account is None or held is None:
        raise NotFound
    known: dict[str, Any] = {name: value for name, value in vars(account).items() if name in AdminUser.model_fields}
    return AdminUser(
        **known,
        member_id=held.member_id,
        tiers=UserTiers(
            tier=held.tier,
            quarter=tiers.quarter_of(now),
            quarter_tier=held.quarter_tier,
            quarter_scans=held.quarter_scans,
            permanent_tier=held.permanent_tier,
            downline_tins=held.downline_tins,
        ),
        totals=UserTotals(scans=account.scans, lifetime_comps=account.lifetime_comps, comps_paid=account.comps_paid),
        wallet=UserWallet(address=account.wallet_address, rests_until=account.wallet_rests_until),
        affiliate=UserAffiliate(
            is_affiliate=account.is_affiliate,
            downline=account.downline,
            custom_codes=custom_codes(tx, member_id),
            referred_by=account.referred_by,
            referred_by_username=account.referred_by_username,
        ),
        flags=UserFlags(
            open_reviews=open_reviews.of_member(tx, member_id), payouts_held=user_store.payouts_held(tx, member_id)
        ),
    )
