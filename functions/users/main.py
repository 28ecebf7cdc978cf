"""HTTP: the member's own profile, tiers, progress and comps (docs/product.md, "Tiers", "Prizes")."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from flask import Request, Response

from functions.users import store
from functions.users.store import Comp
from shared import settings
from shared.api import Api
from shared.auth import Member
from shared.comps import award_inputs
from shared.db import Tx
from shared.members import standing, tier_history
from shared.values import tiers
from shared.values.fields import Listing, Money, Page, Reply
from shared.values.tiers import Tier, TierProgress, TierStep
from shared.web import paging
from shared.web.paging import Position

api = Api("users")


def users(request: Request) -> Response:
    return api.handle(request)


class Profile(Reply):
    """The account of the signed-in member."""

    id: UUID
    member_id: str
    username: str
    email: str
    full_name: str
    tier: Tier
    permanent_tier: Tier
    wallet_address: str | None
    avatar_url: str | None
    language: str
    member_since: date


class MemberStats(Reply):
    """The member's progress and totals; amounts are USDT."""

    tier_progress: TierProgress
    total_scans: int
    lifetime_comps: Money
    comps_paid: Money
    gold_chips: int


class MemberTier(Reply):
    """The member's tiers. The effective tier is the better one of the quarter's, which ends at `quarter_ends_at`, and
    the permanent one.
    """

    member_id: str
    tier: Tier
    quarter_tier: Tier
    quarter_label: str
    quarter_ends_at: datetime
    quarter_scans: int
    progress: TierStep
    permanent_tier: Tier
    has_permanent_tier: bool
    downline_tins: int
    permanent_progress: TierStep


class TierEntry(Reply):
    """A line of the tier history: a tier was earned, set or removed by an admin, or ended with its quarter. A permanent
    tier has no quarter.
    """

    id: UUID
    kind: Literal["earned", "override", "override_removed", "ended"]
    tier: Tier
    is_permanent: bool
    quarter: str | None
    scan_count: int
    downline_tins: int | None
    achieved_at: datetime
    expires_at: datetime | None


class CompsPage(Page):
    """A page of comps: `crypto` are those paid in USDT, `trips` the trips, `gold_chips` the chips from referred
    members' scans and gifts. Without a filter it has comps of every type.
    """

    filter: Literal["crypto", "trips", "gold_chips"] | None = None


@api.get("/v1/users/me")
def get_me(tx: Tx, member: Member) -> Profile:
    """Return the member's account."""
    found = store.profile(tx, member.id)
    return Profile(
        id=member.id,
        member_id=tiers.member_id(member.number, member.tier),
        username=member.username,
        email=found.email,
        full_name=found.full_name,
        tier=member.tier,
        permanent_tier=member.permanent_tier,
        wallet_address=found.wallet_address,
        avatar_url=found.avatar_url,
        language=found.language,
        member_since=found.created_at.date(),
    )


@api.get("/v1/users/me/stats")
def get_stats(tx: Tx, member: Member, now: datetime) -> MemberStats:
    """Return the progress of the tier, and the totals."""
    quarter = tiers.quarter_of(now)
    found = store.totals(tx, member.id, quarter)
    thresholds = award_inputs.in_force(tx).tier_thresholds
    progress = tiers.progress(found.quarter_scans, member.tier, quarter, thresholds)
    return MemberStats(
        tier_progress=progress,
        total_scans=found.scans,
        lifetime_comps=found.lifetime_comps,
        comps_paid=found.comps_paid,
        gold_chips=found.gold_chips,
    )


@api.get("/v1/users/me/tier")
def get_tier(tx: Tx, member: Member, now: datetime) -> MemberTier:
    """Return the member's tiers, and what is missing for the next ones."""
    quarter, configured = tiers.quarter_of(now), settings.load(tx)
    found = standing.find(tx, member.id, quarter)
    assert found, "a member with a session exists"
    tins = max(found.downline_tins, 0)
    return MemberTier(
        member_id=found.member_id,
        tier=found.tier,
        quarter_tier=found.quarter_tier,
        quarter_label=tiers.quarter_label(quarter),
        quarter_ends_at=tiers.quarter_ends_at(quarter),
        quarter_scans=found.quarter_scans,
        progress=tiers.step(found.quarter_scans, found.tier, award_inputs.in_force(tx).tier_thresholds),
        permanent_tier=found.permanent_tier,
        has_permanent_tier=found.permanent_tier is not Tier.STANDARD,
        downline_tins=tins,
        permanent_progress=tiers.step(tins, found.permanent_tier, configured.permanent_tier_thresholds),
    )


@api.get("/v1/users/me/tier/history")
def list_tier_history(tx: Tx, member: Member, page: Page) -> Listing[TierEntry]:
    """List the history of the member's tiers, newest first."""
    rows = tier_history.entries(tx, member.id, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda entry: Position(entry.achieved_at, entry.id))
    return Listing[TierEntry](items=[_shown(entry) for entry in shown], next_cursor=cursor)


@api.get("/v1/users/me/comps")
def list_comps(tx: Tx, member: Member, page: CompsPage) -> Listing[Comp]:
    """List all comps that the member has won, newest first."""
    after = paging.after(page.cursor)
    if page.filter == "gold_chips":
        rows = store.gold_chips(tx, member.id, after, page.limit + 1)
    else:
        trips = None if page.filter is None else page.filter == "trips"
        rows = store.comps(tx, member.id, after, page.limit + 1, trips=trips)
    shown, cursor = paging.page(rows, page.limit, lambda comp: Position(comp.awarded_at, comp.id))
    return Listing[Comp](items=list(shown), next_cursor=cursor)


def _shown(entry: tier_history.Entry) -> TierEntry:
    """The line as the member may see it: without the admin's reason and name."""
    return TierEntry(**{name: value for name, value in vars(entry).items() if name not in ("reason", "set_by")})
