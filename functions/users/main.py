"""HTTP: the member's own profile, progress and comps (plan section "Users")."""

from datetime import date, datetime
from uuid import UUID

from flask import Request, Response

from functions.users import store
from shared import paging, settings, tiers
from shared.api import Api
from shared.auth import Member
from shared.db import Tx
from shared.fields import Listing, Money, Page, Reply
from shared.paging import Position
from shared.prizes import CompType
from shared.tiers import Tier, TierProgress

api = Api("users")


def users(request: Request) -> Response:
    """The function's door."""
    return api.handle(request)


class Profile(Reply):
    """The signed-in member."""

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
    """Progress and totals; amounts are USDT."""

    tier_progress: TierProgress
    total_scans: int
    lifetime_comps: Money
    comps_paid: Money
    gold_chips: int


class Comp(Reply):
    """A comp; `transaction_hash` is the Polygon transaction that paid it."""

    id: UUID
    type: CompType
    amount: Money
    status: str
    awarded_at: datetime
    paid_at: datetime | None
    transaction_hash: str | None
    scan_number: int | None


@api.get("/v1/users/me")
def get_me(tx: Tx, member: Member) -> Profile:
    """The account."""
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
    """Tier progress and totals."""
    quarter = tiers.quarter_of(now)
    found = store.totals(tx, member.id, quarter)
    thresholds = settings.load(tx).tier_thresholds
    progress = tiers.progress(found.quarter_scans, member.tier, quarter, thresholds)
    return MemberStats(
        tier_progress=progress,
        total_scans=found.scans,
        lifetime_comps=found.lifetime_comps,
        comps_paid=found.comps_paid,
        gold_chips=found.gold_chips,
    )


@api.get("/v1/users/me/comps")
def list_comps(tx: Tx, member: Member, page: Page) -> Listing[Comp]:
    """Everything the member has won, newest first."""
    rows = store.comps(tx, member.id, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda comp: Position(comp.awarded_at, comp.id))
    return Listing[Comp](items=[Comp(**vars(comp)) for comp in shown], next_cursor=cursor)
