"""Referred members as rows."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.db import Tx
from shared.values.fields import Money, Reply
from shared.values.tiers import Tier
from shared.web.paging import Position


class ReferralState(StrEnum):
    """Whether a referred member has scanned within 30 days."""

    ACTIVE = "active"
    INACTIVE = "inactive"


class Referral(Reply):
    """A referred member; the name of one who has left is null. `tier`, `state` and the last scan are at most some
    minutes old. `tins` are those that were bought, less refunds; `earned` is what the affiliate has earned by this
    member, in USDT.
    """

    id: UUID
    username: str | None
    tier: Tier
    state: ReferralState
    scans: int
    tins: int
    earned: Money
    joined_at: datetime
    last_scan_at: datetime | None


def page(
    tx: Tx, affiliate_id: UUID, chosen: tuple[list[bool], list[Tier]], after: Position | None, limit: int
) -> list[Referral]:
    """At most `limit` referrals with the chosen states (true for active) and tiers, after a position, newest first.
    Each pair of state and tier is read in the order of its index, so that a page costs the same however many referrals
    there are, wherever it begins and whatever it filters.
    """
    return tx.all(
        Referral,
        """
        SELECT r.referred_id AS id, CASE WHEN m.status <> 'deleted' THEN m.username END AS username, r.tier,
               CASE WHEN r.is_active THEN 'active' ELSE 'inactive' END AS state, coalesce(t.scans, 0) AS scans,
               (SELECT CAST(coalesce(sum(d.tins), 0) AS bigint) FROM downline_entries d
                WHERE d.buyer_id = r.referred_id) AS tins,
               (SELECT CAST(coalesce(sum(e.amount), 0) AS bigint) FROM affiliate_earnings e
                WHERE e.referred_id = r.referred_id AND e.status IN ('pending', 'paid')) AS earned,
               r.joined_at, r.last_scan_at
        FROM (SELECT found.* FROM unnest(CAST(:states AS boolean[])) AS state (is_active)
              CROSS JOIN unnest(CAST(:tiers AS tier[])) AS level (tier)
              CROSS JOIN LATERAL (
                  SELECT referred_id, tier, is_active, joined_at, last_scan_at FROM referrals
                  WHERE affiliate_id = :affiliate_id AND is_active = state.is_active AND tier = level.tier
                    AND (joined_at, referred_id) < (coalesce(CAST(:at AS timestamptz), 'infinity'),
                                                    coalesce(CAST(:id AS uuid), CAST(:last AS uuid)))
                  ORDER BY joined_at DESC, referred_id DESC LIMIT :limit) found
              ORDER BY joined_at DESC, referred_id DESC LIMIT :limit) r
        JOIN members m ON m.id = r.referred_id
        LEFT JOIN member_totals t ON t.member_id = r.referred_id
        ORDER BY r.joined_at DESC, r.referred_id DESC
        """,
        affiliate_id=affiliate_id,
        states=chosen[0],
        tiers=chosen[1],
        at=after.at if after else None,
        id=after.id if after else None,
        last=UUID(int=2**128 - 1),
        limit=limit,
    )
