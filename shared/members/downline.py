"""The permanent tier: earned by the tins that an affiliate's downline buys, and never lost."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared import settings
from shared.db import Tx
from shared.members import tier_history
from shared.members.tier_history import TierChange
from shared.messages import notifications
from shared.values import tiers
from shared.values.tiers import Tier


@dataclass(frozen=True)
class _Downline:
    member_id: UUID
    downline_tins: int
    earned_tier: Tier


def add_tins(tx: Tx, buyer_id: UUID, tins: int, source_id: str, now: datetime) -> None:
    """Count tins that a member has paid for (negative if refunded) for the referring affiliate, once per `source_id`. A
    permanent tier that the affiliate earns by them is set and told.

    The affiliate's rows are locked until the commit, and the call waits for the affiliate's scans. So call it for one
    buyer per transaction, and before anybody is notified. Does nothing for a buyer whom nobody has referred.
    """
    if tins == 0:
        return
    _lock_referrer(tx, buyer_id)
    found = _count(tx, buyer_id, tins, source_id, now)
    if found is None:
        return
    earned = tiers.downline_tier(found.downline_tins, settings.load(tx).permanent_tier_thresholds)
    if earned.rank > found.earned_tier.rank:
        _raise(tx, found, earned, now)


def _lock_referrer(tx: Tx, buyer_id: UUID) -> None:
    """Lock the referrer's totals before the permanent tier, in the order of an admin's change, against deadlocks."""
    tx.run_later(
        """
        SELECT FROM member_totals WHERE member_id = (SELECT referred_by_id FROM members WHERE id = :buyer_id)
        FOR NO KEY UPDATE
        """,
        buyer_id=buyer_id,
    )


def _count(tx: Tx, buyer_id: UUID, tins: int, source_id: str, now: datetime) -> _Downline | None:
    """The referrer's downline with these tins added; None without a referrer, and if the source was counted before."""
    return tx.first(
        _Downline,
        """
        WITH entry AS (
            INSERT INTO downline_entries (source_id, affiliate_id, buyer_id, tins, counted_at)
            SELECT :source_id, referred_by_id, id, :tins, :now FROM members
            WHERE id = :buyer_id AND referred_by_id IS NOT NULL
            ON CONFLICT (source_id) DO NOTHING
            RETURNING affiliate_id, tins
        )
        INSERT INTO permanent_tiers AS kept (member_id, downline_tins, earned_tier)
        SELECT m.id, entry.tins, m.permanent_tier FROM entry JOIN members m ON m.id = entry.affiliate_id
        ON CONFLICT (member_id) DO UPDATE SET downline_tins = kept.downline_tins + EXCLUDED.downline_tins
        RETURNING member_id, downline_tins, earned_tier
        """,
        source_id=source_id,
        buyer_id=buyer_id,
        tins=tins,
        now=now,
    )


def _raise(tx: Tx, found: _Downline, earned: Tier, now: datetime) -> None:
    tx.run_later(
        "UPDATE permanent_tiers SET earned_tier = :tier WHERE member_id = :member_id",
        tier=earned,
        member_id=found.member_id,
    )
    tx.run_later(
        """
        UPDATE members SET permanent_tier = greatest(permanent_tier, CAST(:tier AS tier)), updated_at = :now
        WHERE id = :member_id
        """,
        tier=earned,
        member_id=found.member_id,
        now=now,
    )
    change = TierChange(found.member_id, "earned", earned, now, downline_tins=found.downline_tins)
    tier_history.record(tx, change)
    data = {"tier": earned.value, "permanent": True}
    values = {"tier": earned, "tins": found.downline_tins}
    note = notifications.note(found.member_id, "tier_earned_for_good", data, f"permanent-tier:{earned}", **values)
    notifications.notify(tx, note, now)
