"""HTTP: the affiliate's figures on one page (docs/affiliates.md, "Referrals")."""

from datetime import date, datetime

from functions.affiliate import present_week_store, rules
from functions.affiliate.common import api
from shared import settings
from shared.affiliates import figures
from shared.affiliates.figures import Downline, LinkFigures, Owed
from shared.affiliates.program import AffiliateProgramClosed, require_affiliate
from shared.auth import Member
from shared.db import Tx
from shared.values import tiers
from shared.values.fields import Money, Reply
from shared.values.tiers import Tier, TierStep
from shared.values.weeks import next_sunday


class WeekSoFar(Reply):
    """The present week. `estimated_share` is what the chips of now would get of the pool of now, null while that cannot
    be told. Once the program has closed, the chips are the locked share.
    """

    ends_on: date
    chips: int
    all_chips: int | None
    pool: Money | None
    estimated_share: Money | None


class AffiliateStats(Reply):
    """Sums that the affiliate has earned (shares of approved weeks and matches, less what was taken back), what of it
    is owed and why it is not paid yet, and the figures of the downline, the links and the present week. `as_of` is the
    moment of which the downline and the week are true; the rest is of now. Months are of UTC.
    """

    earned_this_month: Money
    earned_last_month: Money
    earned_lifetime: Money
    owed: list[Owed]
    next_payout_on: date
    downline: Downline
    link_30_days: LinkFigures
    week: WeekSoFar
    permanent_tier: Tier
    downline_tins: int
    permanent_progress: TierStep
    as_of: datetime


@api.get("/v1/affiliate/stats", problems=(AffiliateProgramClosed,))
def get_affiliate_stats(tx: Tx, member: Member, now: datetime) -> AffiliateStats:
    """Return the affiliate's figures."""
    require_affiliate(tx, member.id)
    configured = settings.load(tx)
    earned = figures.earned(tx, member.id, now)
    week, as_of = _week(tx, member, now)
    tins = max(figures.downline_tins(tx, member.id), 0)
    return AffiliateStats(
        earned_this_month=earned.this_month,
        earned_last_month=earned.last_month,
        earned_lifetime=earned.lifetime,
        owed=figures.owed(tx, member.id, configured.affiliates.payout_min, now),
        next_payout_on=next_sunday(now),
        downline=figures.downline(tx, member.id),
        link_30_days=figures.link_30_days(tx, member.id, now),
        week=week,
        permanent_tier=member.permanent_tier,
        downline_tins=tins,
        permanent_progress=tiers.step(tins, member.permanent_tier, configured.permanent_tier_thresholds),
        as_of=as_of,
    )


def _week(tx: Tx, member: Member, now: datetime) -> tuple[WeekSoFar, datetime]:
    """The present week, and the moment of which its sums are true."""
    found = present_week_store.find(tx, member.id)
    cap = settings.load(tx).affiliates.chips_max
    chips = max(found.chips, 0) if found.is_locked else min(max(found.chips, 0), cap)
    ends_on = next_sunday(now)
    if found.week_on != ends_on or now - found.as_of > present_week_store.TOLD_WITHIN:
        return WeekSoFar(ends_on=ends_on, chips=chips, all_chips=None, pool=None, estimated_share=None), found.as_of
    return WeekSoFar(
        ends_on=ends_on,
        chips=chips,
        all_chips=found.all_chips,
        pool=found.pool,
        estimated_share=rules.estimated_share(found.pool, chips, found.all_chips),
    ), found.as_of
