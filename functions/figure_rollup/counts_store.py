"""Figures that need a look at every member or affiliate. They are counted each ten minutes, one statement for each."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from functions.figure_rollup import rules
from functions.figure_rollup.store import Figure
from shared import settings
from shared.db import Tx
from shared.figures import names
from shared.figures.names import Name
from shared.figures.values import OrdersUnderWay, PermanentTierFloor, TierShare
from shared.values import tiers
from shared.values.tiers import Tier

SHARED_WEEKS = timedelta(weeks=4)
MATCHED_WITHIN = timedelta(days=30)
WATCHED = timedelta(days=30)


@dataclass(frozen=True)
class _Watched:
    """Whole minutes since the first look of the last 30 days, those in which all was up, and the mean of the probes."""

    minutes: int
    up: int
    probe_ms: int | None


@dataclass(frozen=True)
class _TierCount:
    tier: Tier
    permanent_tier: Tier
    members: int


def figures(tx: Tx, now: datetime) -> list[Figure]:
    """Return the figures of this module as of now."""
    counts = tier_counts(tx, tiers.quarter_of(now))
    having = [sum(count.members for count in counts if count.tier is tier) for tier in Tier]
    percents = rules.shares(having)
    distribution = [
        TierShare(tier=tier, members=members, percent=percent)
        for tier, members, percent in zip(Tier, having, percents, strict=True)
    ]
    needed = settings.load(tx).permanent_tier_thresholds
    floors = [
        PermanentTierFloor(
            tier=tier,
            tins=needed[tier],
            holders=sum(count.members for count in counts if count.permanent_tier is tier),
        )
        for tier in Tier
        if tier is not Tier.STANDARD
    ]
    return [
        Figure(Name.MEMBERS, sum(having), now),
        Figure(Name.TIER_DISTRIBUTION, distribution, now),
        Figure(Name.PERMANENT_TIERS, floors, now),
        Figure(Name.AFFILIATES_ACTIVE, active_affiliates(tx, now), now),
        Figure(Name.ORDERS_UNDER_WAY, orders_under_way(tx), now),
        *_watched(tx, now),
    ]


def tier_counts(tx: Tx, quarter: str) -> list[_TierCount]:
    """Members whose address is proved, by their tier in the quarter, the better of both, and their permanent one."""
    return tx.all(
        _TierCount,
        """
        SELECT greatest(coalesce(q.tier, 'standard'), m.permanent_tier) AS tier, m.permanent_tier, count(*) AS members
        FROM members m LEFT JOIN member_quarters q ON q.member_id = m.id AND q.quarter = :quarter
        WHERE m.email_verified_at IS NOT NULL AND m.status <> 'deleted'
        GROUP BY 1, 2
        """,
        quarter=quarter,
    )


def active_affiliates(tx: Tx, now: datetime) -> int:
    """Affiliates of whom a week of the last four has counted chips, or who have earned a match in 30 days."""
    return tx.scalar(
        int,
        """
        SELECT count(*) AS affiliates
        FROM (SELECT affiliate_id FROM affiliate_week_shares WHERE week_on > :week AND chips > 0
              UNION
              SELECT affiliate_id FROM affiliate_earnings
              WHERE earned_at > :since AND kind = 'prize_match' AND status IN ('pending', 'paid')) active
        """,
        week=(now.astimezone(UTC) - SHARED_WEEKS).date(),
        since=now - MATCHED_WITHIN,
    )


def orders_under_way(tx: Tx) -> OrdersUnderWay:
    """Orders that are neither delivered nor cancelled, by how far they have come."""
    return tx.one(
        OrdersUnderWay,
        """
        SELECT count(*) FILTER (WHERE order_is_unpaid(state)) AS unpaid,
               count(*) FILTER (WHERE state = 'confirmed') AS pending,
               count(*) FILTER (WHERE state = 'fulfilled') AS fulfilled,
               count(*) FILTER (WHERE state = 'shipped') AS shipped
        FROM orders WHERE order_is_under_way(state)
        """,
    )


def _watched(tx: Tx, now: datetime) -> list[Figure]:
    """How much of the last 30 days the platform was up, and how long its own probe took. A minute without a look counts
    as down; what was before the first look does not count. The present minute has not ended and is left out.
    """
    end = now.replace(second=0, microsecond=0)
    found = tx.one(
        _Watched,
        """
        SELECT CAST(coalesce(extract(epoch FROM CAST(:end AS timestamptz) - (
                       SELECT greatest(minute, CAST(:since AS timestamptz)) FROM watch_minutes
                       ORDER BY minute LIMIT 1)) / 60, 0) AS bigint) AS minutes,
               count(*) FILTER (WHERE is_up) AS up, CAST(round(avg(probe_ms)) AS bigint) AS probe_ms
        FROM watch_minutes WHERE minute >= :since AND minute < :end
        """,
        since=end - WATCHED,
        end=end,
    )
    reason = None if found.minutes > 0 else names.NOT_COUNTED
    return [
        Figure(Name.UPTIME_PERCENT_30D, rules.percent_at_least(found.up, found.minutes), now, reason),
        Figure(Name.PROBE_MS_AVERAGE, found.probe_ms, now, None if found.probe_ms is not None else names.NOT_COUNTED),
    ]
