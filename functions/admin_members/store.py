"""The tiers that a member has earned and that admins have set, locked until the commit."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.values.tiers import Tier


@dataclass(frozen=True)
class Quarter:
    """A member's quarter; `recorded_tier` is the best earned tier in the quarter's history."""

    scans: int
    recorded_tier: Tier
    override_tier: Tier | None


@dataclass(frozen=True)
class Permanent:
    """The figures behind a member's permanent tier."""

    downline_tins: int
    earned_tier: Tier
    override_tier: Tier | None


def lock_quarter(tx: Tx, member_id: UUID, quarter: str) -> Quarter:
    """Lock the quarter's row, or insert it; the member's scans wait for the lock."""
    return tx.one(
        Quarter,
        """
        INSERT INTO member_quarters AS kept (member_id, quarter, scans, tier)
        VALUES (:member_id, :quarter, 0, 'standard')
        ON CONFLICT (member_id, quarter) DO UPDATE SET scans = kept.scans
        RETURNING scans,
                  coalesce((SELECT max(tier) FROM tier_history h
                            WHERE h.member_id = kept.member_id AND h.quarter = kept.quarter AND h.kind = 'earned'),
                           'standard') AS recorded_tier,
                  override_tier
        """,
        member_id=member_id,
        quarter=quarter,
    )


def set_quarter(tx: Tx, member_id: UUID, quarter: str, override: Tier | None, tier: Tier) -> None:
    """Store the quarter's override and the resulting tier."""
    tx.run_later(
        """
        UPDATE member_quarters SET override_tier = :override, tier = :tier
        WHERE member_id = :member_id AND quarter = :quarter
        """,
        override=override,
        tier=tier,
        member_id=member_id,
        quarter=quarter,
    )


def lock_permanent(tx: Tx, member_id: UUID) -> Permanent:
    """Lock the row of the permanent tier, or insert it; purchases of the member's downline wait for the lock."""
    return tx.one(
        Permanent,
        """
        INSERT INTO permanent_tiers AS kept (member_id, earned_tier)
        SELECT id, permanent_tier FROM members WHERE id = :member_id
        ON CONFLICT (member_id) DO UPDATE SET downline_tins = kept.downline_tins
        RETURNING downline_tins, earned_tier, override_tier
        """,
        member_id=member_id,
    )


def set_permanent(tx: Tx, member_id: UUID, override: Tier | None, tier: Tier, now: datetime) -> None:
    """Store the permanent override and the resulting tier."""
    tx.run_later(
        "UPDATE permanent_tiers SET override_tier = :override WHERE member_id = :member_id",
        override=override,
        member_id=member_id,
    )
    tx.run_later(
        "UPDATE members SET permanent_tier = :tier, updated_at = :now WHERE id = :member_id",
        tier=tier,
        member_id=member_id,
        now=now,
    )
