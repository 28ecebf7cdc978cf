"""Affiliates as admins see them: a page of all, and one."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.db import Tx
from shared.values.fields import Money, Reply
from shared.values.tiers import Tier
from shared.web.paging import FIGURE_MAX, Rank

Order = Literal["earnings", "downline", "chips"]
FIRST = Rank("", FIGURE_MAX, UUID(int=2**128 - 1))  # everybody comes after it


class AffiliateListed(Reply):
    """An affiliate in the list of all. Who has closed the account stays without a name. `downline` is how many members
    they have referred, `chips` what all scans of these have given, and `earned` the shares of approved weeks and the
    earnings of their life, in USDT. The figures are of `as_of`; shares of a week that was approved just then, and
    what has happened since, come within minutes.
    """

    id: UUID
    username: str | None
    status: Literal["active", "suspended", "deleted"]
    has_wallet: bool
    joined_at: datetime
    downline: int
    chips: int
    earned: Money
    as_of: datetime


class AwardByHand(Reply):
    """An amount that admins gave, with who gave it and who agreed; `was_reversed` if it was taken back after a payout
    may have paid it.
    """

    id: UUID
    amount: Money
    status: Literal["in_review", "pending", "paid", "cancelled"]
    reason: str
    awarded_by: str
    agreed_by: str | None
    was_reversed: bool
    earned_at: datetime
    paid_at: datetime | None
    cancelled_at: datetime | None


@dataclass(frozen=True)
class Account:
    """An affiliate's account, and the figures that the job has noted last."""

    id: UUID
    username: str | None
    status: Literal["active", "suspended", "deleted"]
    has_wallet: bool
    joined_at: datetime
    permanent_tier: Tier
    is_affiliate: bool
    scan_chips: int
    as_of: datetime


def page(tx: Tx, order: Order, after: Rank | None, limit: int) -> list[AffiliateListed]:
    """At most `limit` affiliates after a rank, the largest figure first. One of the three indexes is
    read, so that a page costs the same however many affiliates there are.
    """
    begin = after or FIRST
    return tx.all(
        AffiliateListed,
        """
        SELECT found.affiliate_id AS id, CASE WHEN m.status <> 'deleted' THEN m.username END AS username, m.status,
               m.wallet_address IS NOT NULL AS has_wallet, m.created_at AS joined_at, found.downline, found.chips,
               found.earned, (SELECT as_of FROM referral_progress) AS as_of
        FROM ((SELECT f.*, earned AS figure FROM affiliate_figures f
               WHERE :order = 'earnings' AND (earned, affiliate_id) < (CAST(:figure AS bigint), CAST(:id AS uuid))
               ORDER BY earned DESC, affiliate_id DESC LIMIT :limit)
              UNION ALL
              (SELECT f.*, downline FROM affiliate_figures f
               WHERE :order = 'downline' AND (downline, affiliate_id) < (CAST(:figure AS bigint), CAST(:id AS uuid))
               ORDER BY downline DESC, affiliate_id DESC LIMIT :limit)
              UNION ALL
              (SELECT f.*, chips FROM affiliate_figures f
               WHERE :order = 'chips' AND (chips, affiliate_id) < (CAST(:figure AS bigint), CAST(:id AS uuid))
               ORDER BY chips DESC, affiliate_id DESC LIMIT :limit)) found
        JOIN members m ON m.id = found.affiliate_id
        ORDER BY found.figure DESC, found.affiliate_id DESC
        """,
        order=order,
        figure=begin.figure,
        id=begin.id,
        limit=limit,
    )


def account(tx: Tx, affiliate_id: UUID) -> Account | None:
    """The account of a member; None if there is none."""
    return tx.first(
        Account,
        """
        SELECT m.id, CASE WHEN m.status <> 'deleted' THEN m.username END AS username, m.status,
               m.wallet_address IS NOT NULL AS has_wallet, m.created_at AS joined_at, m.permanent_tier,
               is_affiliate(m.created_at) AS is_affiliate, coalesce(f.chips, 0) AS scan_chips,
               (SELECT as_of FROM referral_progress) AS as_of
        FROM members m LEFT JOIN affiliate_figures f ON f.affiliate_id = m.id WHERE m.id = :affiliate_id
        """,
        affiliate_id=affiliate_id,
    )


def awards(tx: Tx, affiliate_id: UUID, limit: int) -> list[AwardByHand]:
    """The newest awards by hand."""
    return tx.all(
        AwardByHand,
        """
        SELECT e.id, e.amount, e.status, e.reason, giver.username AS awarded_by, second.username AS agreed_by,
               EXISTS (SELECT FROM affiliate_earnings r WHERE r.reverses_id = e.id) AS was_reversed, e.earned_at,
               e.paid_at, e.cancelled_at
        FROM affiliate_earnings e JOIN members giver ON giver.id = e.awarded_by
        LEFT JOIN members second ON second.id = e.agreed_by
        WHERE e.affiliate_id = :affiliate_id AND e.kind = 'manual'
        ORDER BY e.earned_at DESC, e.id DESC LIMIT :limit
        """,
        affiliate_id=affiliate_id,
        limit=limit,
    )
