"""HTTP for admins: all affiliates by their figures, and one on a page (docs/affiliates.md, "All affiliates")."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from functions.admin_affiliates import affiliate_store
from functions.admin_affiliates.affiliate_store import AffiliateListed, AwardByHand, Order
from functions.admin_affiliates.common import Treasurer, api
from shared import settings
from shared.affiliates import chips, figures, payouts_made
from shared.affiliates.figures import Downline, LinkFigures, Owed
from shared.affiliates.links import custom_codes
from shared.affiliates.payouts_made import PayoutShown
from shared.db import Tx
from shared.members import open_reviews
from shared.members.open_reviews import OpenReview
from shared.values.fields import Listing, Money, Page, Reply
from shared.values.problems import NotFound
from shared.values.tiers import Tier
from shared.web import paging
from shared.web.paging import Rank

SHOWN_MAX = 20  # payouts, and awards by hand


class AffiliatesPage(Page):
    """A page of affiliates, the largest figure first."""

    sort: Order = "earnings"


class AffiliateChips(Reply):
    """The chips of an affiliate: those of the present week that a week would count, those of scans that people look at,
    and vaulted ones that are still good, with the moment at which the first of them expire. `by_scans` is what all
    scans have given, up to `as_of`.
    """

    active: int
    waiting: int
    vaulted: int
    next_expiry_at: datetime | None
    by_scans: int


class AffiliatePaid(Reply):
    """A payout to an affiliate, after people had agreed to it."""

    id: UUID
    week_on: date | None
    amount: Money
    state: PayoutShown
    made_at: datetime
    state_at: datetime
    transaction_hash: str | None


class AdminAffiliate(Reply):
    """An affiliate: what was earned, what is owed and why, the downline, the links, chips, codes, the newest twenty
    payouts and awards by hand, and what of theirs people look at (`open_reviews`). Members who signed up after the
    program had closed are shown too (`is_affiliate` false). `as_of` is the moment of which the downline and
    `chips.by_scans` are true; the rest is of now.
    """

    id: UUID
    username: str | None
    status: Literal["active", "suspended", "deleted"]
    has_wallet: bool
    joined_at: datetime
    is_affiliate: bool
    permanent_tier: Tier
    custom_codes: list[str]
    earned_this_month: Money
    earned_last_month: Money
    earned_lifetime: Money
    owed: list[Owed]
    downline: Downline
    link_30_days: LinkFigures
    chips: AffiliateChips
    payouts: list[AffiliatePaid]
    awards: list[AwardByHand]
    open_reviews: list[OpenReview]
    as_of: datetime


@api.get("/v1/admin/affiliates")
def list_affiliates(tx: Tx, admin: Treasurer, page: AffiliatesPage) -> Listing[AffiliateListed]:
    """List all affiliates, the largest figure first."""
    after = paging.after_rank(page.cursor, page.sort)
    rows = affiliate_store.page(tx, page.sort, after, page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: _rank(page.sort, row))
    return Listing[AffiliateListed](items=list(shown), next_cursor=cursor)


@api.get("/v1/admin/affiliates/{affiliate_id}")
def get_affiliate(tx: Tx, admin: Treasurer, affiliate_id: UUID, now: datetime) -> AdminAffiliate:
    """Return one affiliate, with everything that a decision about them needs."""
    account = affiliate_store.account(tx, affiliate_id)
    if account is None:
        raise NotFound
    earned = figures.earned(tx, affiliate_id, now)
    return AdminAffiliate(
        id=account.id,
        username=account.username,
        status=account.status,
        has_wallet=account.has_wallet,
        joined_at=account.joined_at,
        is_affiliate=account.is_affiliate,
        permanent_tier=account.permanent_tier,
        custom_codes=custom_codes(tx, affiliate_id),
        earned_this_month=earned.this_month,
        earned_last_month=earned.last_month,
        earned_lifetime=earned.lifetime,
        owed=figures.owed(tx, affiliate_id, settings.load(tx).affiliates.payout_min, now),
        downline=figures.downline(tx, affiliate_id),
        link_30_days=figures.link_30_days(tx, affiliate_id, now),
        chips=_chips(tx, affiliate_id, account.scan_chips, now),
        payouts=_payouts(tx, affiliate_id),
        awards=affiliate_store.awards(tx, affiliate_id, SHOWN_MAX),
        open_reviews=open_reviews.of_member(tx, affiliate_id),
        as_of=account.as_of,
    )


def _rank(order: Order, row: AffiliateListed) -> Rank:
    figure = {"earnings": row.earned.micro, "downline": row.downline, "chips": row.chips}[order]
    return Rank(order, figure, row.id)


def _chips(tx: Tx, affiliate_id: UUID, by_scans: int, now: datetime) -> AffiliateChips:
    standing = chips.standing(tx, affiliate_id, now)
    return AffiliateChips(
        active=chips.uncounted(tx, affiliate_id).active,
        waiting=standing.waiting,
        vaulted=standing.vaulted,
        next_expiry_at=standing.next_expiry_at,
        by_scans=by_scans,
    )


def _payouts(tx: Tx, affiliate_id: UUID) -> list[AffiliatePaid]:
    return [
        AffiliatePaid(
            id=row.id,
            week_on=row.week_on,
            amount=row.amount,
            state=row.state,
            made_at=row.made_at,
            state_at=row.state_at,
            transaction_hash=row.transaction_hash,
        )
        for row in payouts_made.made(tx, affiliate_id, None, None, SHOWN_MAX)
    ]
