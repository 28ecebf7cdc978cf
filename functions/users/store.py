"""Accounts, totals and comps as their members see them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.db import Tx
from shared.values.fields import Money, Reply
from shared.values.money import Usdt
from shared.values.prizes import CompType
from shared.web.paging import Position


@dataclass(frozen=True)
class Profile:
    """The account of a member."""

    email: str
    full_name: str
    wallet_address: str | None
    avatar_url: str | None
    language: str
    created_at: datetime


@dataclass(frozen=True)
class Totals:
    """Running totals and the scans of one quarter."""

    scans: int
    lifetime_comps: Usdt
    comps_paid: Usdt
    gold_chips: int
    quarter_scans: int


class Comp(Reply):
    """A comp; `transaction_hash` is the Polygon transaction that paid it. Gold chips have their number in `chips` and
    no amount.
    """

    id: UUID
    type: CompType | Literal["gold_chips"]
    amount: Money
    status: str
    awarded_at: datetime
    paid_at: datetime | None
    transaction_hash: str | None
    scan_number: int | None
    chips: int | None


def profile(tx: Tx, member_id: UUID) -> Profile:
    return tx.one(
        Profile,
        """
        SELECT email, full_name, wallet_address, avatar_url, language, created_at FROM members WHERE id = :member_id
        """,
        member_id=member_id,
    )


def totals(tx: Tx, member_id: UUID, quarter: str) -> Totals:
    """The member's totals; a quarter without scans counts as zero."""
    return tx.one(
        Totals,
        """
        SELECT t.scans, t.lifetime_comps, t.comps_paid, coalesce(c.earned, 0) AS gold_chips,
               coalesce(q.scans, 0) AS quarter_scans
        FROM member_totals t
        LEFT JOIN chip_counts c ON c.affiliate_id = t.member_id
        LEFT JOIN member_quarters q ON q.member_id = t.member_id AND q.quarter = :quarter
        WHERE t.member_id = :member_id
        """,
        member_id=member_id,
        quarter=quarter,
    )


def comps(tx: Tx, member_id: UUID, after: Position | None, limit: int, *, trips: bool | None) -> list[Comp]:
    """Comps after a position, newest first: only trips, only other comps, or (None) all."""
    return tx.all(
        Comp,
        """
        SELECT id, type, amount, status, awarded_at, paid_at, transaction_hash, scan_number,
               CAST(NULL AS integer) AS chips
        FROM comps
        WHERE member_id = :member_id
          AND (CAST(:trips AS boolean) IS NULL OR (type = 'trip') = CAST(:trips AS boolean))
          AND (CAST(:at AS timestamptz) IS NULL OR (awarded_at, id) < (:at, CAST(:id AS uuid)))
        ORDER BY awarded_at DESC, id DESC LIMIT :limit
        """,
        member_id=member_id,
        trips=trips,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def gold_chips(tx: Tx, member_id: UUID, after: Position | None, limit: int) -> list[Comp]:
    """Chips after a position, newest first, in the shape of comps."""
    return tx.all(
        Comp,
        """
        SELECT id, 'gold_chips' AS type, CAST(0 AS bigint) AS amount, 'earned' AS status, earned_at AS awarded_at,
               CAST(NULL AS timestamptz) AS paid_at, CAST(NULL AS text) AS transaction_hash, scan_number, chips
        FROM affiliate_chips
        WHERE affiliate_id = :member_id
          AND (CAST(:at AS timestamptz) IS NULL OR (earned_at, id) < (:at, CAST(:id AS uuid)))
        ORDER BY earned_at DESC, id DESC LIMIT :limit
        """,
        member_id=member_id,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )
