"""A member's tiers, and setting them by hand with a reason (docs/product.md, "Tiers")."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID, uuid4

from pydantic import StringConstraints

from functions.admin_members import rules, store
from functions.admin_members.common import Operations, api
from functions.admin_members.rules import Scope
from shared.auth import Admin
from shared.comps import award_inputs, totals
from shared.db import Tx
from shared.members import listeners, standing, tier_history
from shared.members.standing import Standing
from shared.members.tier_history import TierChange
from shared.messages import notifications
from shared.payouts import interests
from shared.values import tiers
from shared.values.fields import LINES, Body, Reply
from shared.values.problems import NotFound
from shared.values.tiers import Tier
from shared.web import audit
from shared.web.audit import Action
from shared.web.http import Client

HISTORY_SHOWN = 20


class TierOverride(Body):
    """A tier for the rest of this quarter, or for good. It is a minimum: scans and tins may still earn more."""

    scope: Literal["quarter", "permanent"]
    tier: Literal["vip", "high_roller", "whale"]
    reason: Annotated[str, StringConstraints(min_length=1, max_length=500), LINES]


class AdminTierEntry(Reply):
    """A line of the tier history, with its reason and the admin who set the tier."""

    id: UUID
    kind: Literal["earned", "override", "override_removed", "ended"]
    tier: Tier
    is_permanent: bool
    quarter: str | None
    scan_count: int
    downline_tins: int | None
    achieved_at: datetime
    expires_at: datetime | None
    reason: str | None
    set_by: UUID | None


class AdminMemberTier(Reply):
    """A member's tiers with the figures behind them; `history` has the newest lines."""

    id: UUID
    member_id: str
    username: str
    tier: Tier
    quarter: str
    quarter_scans: int
    quarter_tier: Tier
    quarter_override: Tier | None
    permanent_tier: Tier
    permanent_earned: Tier
    permanent_override: Tier | None
    downline_tins: int
    history: list[AdminTierEntry]


@dataclass(frozen=True)
class Held:
    """One of a member's two tiers, locked: the earned one, the override, and the figures behind it."""

    scope: Scope
    quarter: str | None
    earned: Tier
    override: Tier | None
    scans: int = 0
    downline_tins: int | None = None


@api.get("/v1/admin/members/{member_id}/tier")
def get_member_tier(tx: Tx, admin: Operations, member_id: UUID, now: datetime) -> AdminMemberTier:
    """Return the member's tiers, the figures behind them, and the newest lines of their history."""
    return _shown(tx, member_id, now)


@api.put("/v1/admin/members/{member_id}/tier", problems=(rules.TierAlreadyEarned, interests.OwnInterest))
def override_tier(
    tx: Tx, admin: Operations, member_id: UUID, body: TierOverride, client: Client, now: datetime
) -> AdminMemberTier:
    """Set a tier above the earned one; a later override replaces it."""
    interests.require_none_in_member(tx, admin.id, member_id)
    wanted, held = Tier(body.tier), _lock(tx, member_id, Scope(body.scope), now)
    before = _found(tx, member_id, now).tier
    rules.check_override(wanted, held.earned)
    _set(tx, member_id, held, wanted, now)
    tier_history.record(tx, _change(member_id, "override", wanted, held, admin, reason=body.reason, now=now))
    changes = {"scope": held.scope, "quarter": held.quarter, "tier": wanted, "before": held.override}
    action = Action("member.tier_override", "member", member_id, changes | {"reason": body.reason})
    audit.record(tx, admin, client, action, now)
    _tell(tx, member_id, "tier_set" if held.quarter else "tier_set_for_good", wanted, now)
    if not _found(tx, member_id, now).tier.at_least(before):
        listeners.revoke(tx, member_id, now)  # their realtime token names the higher tier that was set before
    return _shown(tx, member_id, now)


@api.delete("/v1/admin/members/{member_id}/tier/quarter")
def remove_quarter_override(
    tx: Tx, admin: Operations, member_id: UUID, client: Client, now: datetime
) -> AdminMemberTier:
    """Remove this quarter's override; the earned tier remains."""
    return _remove(tx, admin, client, member_id, Scope.QUARTER, now=now)


@api.delete("/v1/admin/members/{member_id}/tier/permanent")
def remove_permanent_override(
    tx: Tx, admin: Operations, member_id: UUID, client: Client, now: datetime
) -> AdminMemberTier:
    """Remove the permanent override; the earned tier remains."""
    return _remove(tx, admin, client, member_id, Scope.PERMANENT, now=now)


def _remove(tx: Tx, admin: Admin, client: Client, member_id: UUID, scope: Scope, now: datetime) -> AdminMemberTier:
    """Remove the override of one tier. Raises NotFound if none was set."""
    held = _lock(tx, member_id, scope, now)
    if held.override is None:
        raise NotFound
    _set(tx, member_id, held, None, now)
    tier_history.record(tx, _change(member_id, "override_removed", held.earned, held, admin, reason=None, now=now))
    changes = {"scope": held.scope, "quarter": held.quarter, "tier": held.earned, "before": held.override}
    audit.record(tx, admin, client, Action("member.tier_override_remove", "member", member_id, changes), now)
    left = _found(tx, member_id, now).tier
    _tell(tx, member_id, "tier_set_ended", left, now)
    listeners.revoke(tx, member_id, now)  # their realtime token names the tier that has ended
    return _shown(tx, member_id, now)


def _lock(tx: Tx, member_id: UUID, scope: Scope, now: datetime) -> Held:
    """Lock one of the member's tiers; the member's scans wait until the commit. Raises NotFound."""
    totals.lock(tx, member_id)
    _found(tx, member_id, now)
    if scope is Scope.PERMANENT:
        kept = store.lock_permanent(tx, member_id)
        return Held(scope, None, kept.earned_tier, kept.override_tier, downline_tins=kept.downline_tins)
    quarter = tiers.quarter_of(now)
    row = store.lock_quarter(tx, member_id, quarter)
    earned = rules.earned_in_quarter(row.scans, row.recorded_tier, award_inputs.in_force(tx).tier_thresholds)
    return Held(scope, quarter, earned, row.override_tier, scans=row.scans)


def _set(tx: Tx, member_id: UUID, held: Held, override: Tier | None, now: datetime) -> None:
    tier = tiers.effective(held.earned, override or Tier.STANDARD)
    if held.quarter:
        store.set_quarter(tx, member_id, held.quarter, override, tier)
    else:
        store.set_permanent(tx, member_id, override, tier, now)


def _change(
    member_id: UUID, kind: str, tier: Tier, held: Held, admin: Admin, reason: str | None, now: datetime
) -> TierChange:
    return TierChange(
        member_id=member_id,
        kind=kind,
        tier=tier,
        achieved_at=now,
        quarter=held.quarter,
        expires_at=tiers.quarter_ends_at(held.quarter) if held.quarter else None,
        scan_count=held.scans,
        downline_tins=held.downline_tins,
        reason=reason,
        set_by=admin.id,
    )


def _tell(tx: Tx, member_id: UUID, code: str, tier: Tier, now: datetime) -> None:
    note = notifications.note(member_id, code, {"tier": tier.value}, f"tier-override:{uuid4()}", tier=tier)
    notifications.notify(tx, note, now)


def _found(tx: Tx, member_id: UUID, now: datetime) -> Standing:
    found = standing.find(tx, member_id, tiers.quarter_of(now))
    if found is None:
        raise NotFound
    return found


def _shown(tx: Tx, member_id: UUID, now: datetime) -> AdminMemberTier:
    found = _found(tx, member_id, now)
    history = tier_history.entries(tx, member_id, None, HISTORY_SHOWN)
    known = {name: value for name, value in vars(found).items() if name != "number"}
    return AdminMemberTier(
        **known,
        member_id=found.member_id,
        tier=found.tier,
        quarter=tiers.quarter_of(now),
        history=[AdminTierEntry(**vars(entry)) for entry in history],
    )
