"""An affiliate's figures, as members and admins see them: what was earned, what is owed and why, downline and links."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID

from shared.db import Tx
from shared.values.fields import Money, Reply
from shared.values.money import Usdt
from shared.values.tiers import Tier

LOOKED_BACK = timedelta(days=30)


class Owed(Reply):
    """A sum that is owed, and what it waits for: a payout that is `proposed` to people or `being_paid`; the next week;
    people who review a scan; a wallet, or the 24 hours of a changed one; more, since it is below the least amount that
    is paid. It may be below zero: what was taken back lowers the next payout.
    """

    reason: Literal[
        "proposed", "being_paid", "next_week", "in_review", "no_wallet", "wallet_rests", "below_minimum", "suspended"
    ]
    amount: Money


class TierCount(Reply):
    """How many referred members have the tier, and how many of them are active."""

    tier: Tier
    members: int
    active: int


class Downline(Reply):
    """The referred members; active ones have scanned within 30 days."""

    total: int
    active: int
    by_tier: list[TierCount]


class LinkFigures(Reply):
    """Clicks on the member's links in the last 30 days, and who signed up by them or their code in that time;
    `conversion` is sign-ups per click, null without clicks.
    """

    clicks: int
    sign_ups: int
    conversion: Decimal | None


@dataclass(frozen=True)
class Earned:
    """Sums that were earned in this UTC month, in the one before, and in all."""

    this_month: Usdt
    last_month: Usdt
    lifetime: Usdt


def earned(tx: Tx, affiliate_id: UUID, now: datetime) -> Earned:
    """Earnings that wait for no review, and shares of approved weeks, in the month of the approval."""
    month = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return tx.one(
        Earned,
        """
        SELECT CAST(coalesce(sum(amount) FILTER (WHERE at >= :month), 0) AS bigint) AS this_month,
               CAST(coalesce(sum(amount) FILTER (WHERE at >= :before AND at < :month), 0) AS bigint) AS last_month,
               CAST(coalesce(sum(amount), 0) AS bigint) AS lifetime
        FROM (SELECT earned_at AS at, amount FROM affiliate_earnings
              WHERE affiliate_id = :affiliate_id AND status IN ('pending', 'paid')
              UNION ALL
              SELECT w.approved_at, s.share FROM affiliate_week_shares s JOIN affiliate_weeks w USING (week_on)
              WHERE s.affiliate_id = :affiliate_id AND w.approved_at IS NOT NULL AND NOT s.given_up) AS earned
        """,
        affiliate_id=affiliate_id,
        month=month,
        before=(month - timedelta(days=1)).replace(day=1),
    )


def owed(tx: Tx, affiliate_id: UUID, least: Usdt, now: datetime) -> list[Owed]:
    """Sums that are owed and not paid, by the reason; a share is owed once its week is approved."""
    return tx.all(
        Owed,
        """
        WITH parts AS (
            SELECT s.share AS amount, p.state
            FROM affiliate_week_shares s JOIN affiliate_weeks w USING (week_on)
            LEFT JOIN affiliate_payout_lines l
                ON l.share_week = s.week_on AND l.affiliate_id = s.affiliate_id AND l.released_at IS NULL
            LEFT JOIN affiliate_payouts p ON p.id = l.payout_id
            WHERE s.affiliate_id = :affiliate_id AND s.share > 0 AND s.settled_at IS NULL AND w.approved_at IS NOT NULL
            UNION ALL
            SELECT e.amount, p.state
            FROM affiliate_earnings e
            LEFT JOIN affiliate_payout_lines l ON l.earning_id = e.id AND l.released_at IS NULL
            LEFT JOIN affiliate_payouts p ON p.id = l.payout_id
            WHERE e.affiliate_id = :affiliate_id AND e.status = 'pending'
        ), free AS (
            SELECT CASE WHEN m.status <> 'active' THEN 'suspended'
                        WHEN m.wallet_address IS NULL THEN 'no_wallet'
                        WHEN m.wallet_rests_until > :now THEN 'wallet_rests'
                        WHEN (SELECT sum(amount) FROM parts WHERE state IS NULL) < CAST(:least AS bigint)
                            THEN 'below_minimum'
                        ELSE 'next_week' END AS reason
            FROM members m WHERE m.id = :affiliate_id
        )
        SELECT reason, CAST(sum(amount) AS bigint) AS amount
        FROM (SELECT CASE state WHEN 'proposed' THEN 'proposed' WHEN 'requested' THEN 'being_paid' ELSE free.reason END
                         AS reason, amount
              FROM parts CROSS JOIN free
              UNION ALL
              SELECT 'in_review', amount FROM affiliate_earnings
              WHERE affiliate_id = :affiliate_id AND status = 'in_review') AS waiting
        GROUP BY reason HAVING sum(amount) <> 0 ORDER BY reason
        """,
        affiliate_id=affiliate_id,
        least=least,
        now=now,
    )


def downline(tx: Tx, affiliate_id: UUID) -> Downline:
    """The referred members by tier, the lowest tier first; tiers that nobody has are there with zero."""
    counts = tx.all(
        TierCount,
        """
        SELECT level.tier, coalesce(r.members, 0) AS members, coalesce(r.active, 0) AS active
        FROM unnest(enum_range(CAST(NULL AS tier))) AS level (tier)
        LEFT JOIN (SELECT tier, count(*) AS members, count(*) FILTER (WHERE is_active) AS active
                   FROM referrals WHERE affiliate_id = :affiliate_id GROUP BY tier) r USING (tier)
        ORDER BY level.tier
        """,
        affiliate_id=affiliate_id,
    )
    return Downline(
        total=sum(count.members for count in counts), active=sum(count.active for count in counts), by_tier=counts
    )


def link_30_days(tx: Tx, affiliate_id: UUID, now: datetime) -> LinkFigures:
    """Clicks and sign-ups of the last 30 days by the affiliate's links and codes."""
    clicks, sign_ups = _clicks(tx, affiliate_id, now), _sign_ups(tx, affiliate_id, now)
    conversion = (Decimal(sign_ups) / clicks).quantize(Decimal("0.0001")) if clicks else None
    return LinkFigures(clicks=clicks, sign_ups=sign_ups, conversion=conversion)


def downline_tins(tx: Tx, affiliate_id: UUID) -> int:
    """The tins that the downline has bought; below zero if more were refunded than counted."""
    return (
        tx.scalar_or_none(
            int, "SELECT downline_tins FROM permanent_tiers WHERE member_id = :member_id", member_id=affiliate_id
        )
        or 0
    )


def _sign_ups(tx: Tx, affiliate_id: UUID, now: datetime) -> int:
    """How many members have joined by the affiliate in the last 30 days."""
    return tx.scalar(
        int,
        """
        SELECT CAST(coalesce(sum(joined.members), 0) AS bigint) AS members
        FROM unnest(ARRAY[true, false]) AS state (is_active)
        CROSS JOIN unnest(enum_range(CAST(NULL AS tier))) AS level (tier)
        CROSS JOIN LATERAL (
            SELECT count(*) AS members FROM referrals
            WHERE affiliate_id = :affiliate_id AND is_active = state.is_active AND tier = level.tier
              AND joined_at >= :since) joined
        """,
        affiliate_id=affiliate_id,
        since=now - LOOKED_BACK,
    )


def _clicks(tx: Tx, affiliate_id: UUID, now: datetime) -> int:
    """How often the affiliate's links were followed on the last 30 UTC days, today included."""
    return tx.scalar(
        int,
        """
        SELECT CAST(coalesce(sum(clicks), 0) AS bigint) AS clicks FROM referral_clicks
        WHERE member_id = :affiliate_id AND day > :before
        """,
        affiliate_id=affiliate_id,
        before=(now.astimezone(UTC) - LOOKED_BACK).date(),
    )
