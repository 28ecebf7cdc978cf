"""Referrals, and how far scans have been followed, as rows."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from shared.db import Tx
from shared.values import tiers
from shared.values.money import Usdt

ACTIVE = timedelta(days=30)  # whoever has scanned within it is active


@dataclass(frozen=True)
class Progress:
    """The last scan that was followed, and the chips that its week had up to there."""

    last_number: int
    as_of: datetime
    week_on: date | None
    scan_chips: int


@dataclass(frozen=True)
class Ended:
    """The last scan of the newest week that was opened, and the Sunday on which the week after it ends."""

    last_number: int
    next_on: date | None


def lock_progress(tx: Tx) -> Progress | None:
    """The progress, locked; None if another run works at it."""
    return tx.first(
        Progress,
        """
        SELECT last_number, as_of, week_on, scan_chips FROM referral_progress WHERE only_row
        FOR NO KEY UPDATE SKIP LOCKED
        """,
    )


def last_of_batch(tx: Tx, number: int, limit: int) -> int | None:
    """The last of the next scans; None without any. Numbers commit in order: none below a visible one is missing."""
    return tx.scalar_or_none(
        int,
        """
        SELECT max(number) AS number
        FROM (SELECT number FROM scans WHERE number > :number ORDER BY number LIMIT :limit) batch
        """,
        number=number,
        limit=limit,
    )


def note_scans(tx: Tx, after: int, last: int, now: datetime) -> None:
    """Note the newest scan and the tier of everybody who has scanned in the batch and was referred."""
    tx.run(
        """
        UPDATE referrals r
        SET last_scan_at = greatest(r.last_scan_at, newest.at),
            is_active = greatest(r.last_scan_at, newest.at) > :since,
            tier = greatest(m.permanent_tier, coalesce(q.tier, 'standard'))
        FROM (SELECT member_id, max(scanned_at) AS at FROM scans WHERE number > :after AND number <= :last
              GROUP BY member_id) newest
        JOIN members m ON m.id = newest.member_id
        LEFT JOIN member_quarters q ON q.member_id = m.id AND q.quarter = :quarter
        WHERE r.referred_id = newest.member_id
        """,
        after=after,
        last=last,
        since=now - ACTIVE,
        quarter=tiers.quarter_of(now),
    )


def follow_tiers(tx: Tx, now: datetime, limit: int) -> int:
    """Note tiers that people, tins or the end of a quarter have changed; returns how many changes there were."""
    return tx.scalar(
        int,
        """
        WITH changed AS (
            DELETE FROM referral_changes WHERE id IN (
                SELECT id FROM referral_changes ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)
            RETURNING member_id
        ), noted AS (
            UPDATE referrals r SET tier = greatest(m.permanent_tier, coalesce(q.tier, 'standard'))
            FROM (SELECT DISTINCT member_id FROM changed) changed
            JOIN members m ON m.id = changed.member_id
            LEFT JOIN member_quarters q ON q.member_id = m.id AND q.quarter = :quarter
            WHERE r.referred_id = changed.member_id
        )
        SELECT count(*) AS changes FROM changed
        """,
        limit=limit,
        quarter=tiers.quarter_of(now),
    )


def lapse(tx: Tx, now: datetime, limit: int) -> int:
    """Note who has not scanned for 30 days; returns how many."""
    return tx.run(
        """
        UPDATE referrals SET is_active = false WHERE referred_id IN (
            SELECT referred_id FROM referrals WHERE is_active AND last_scan_at <= :since
            ORDER BY last_scan_at LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED)
        """,
        since=now - ACTIVE,
        limit=limit,
    )


def newest_week(tx: Tx) -> Ended:
    """The newest week; before the first one, no scan and no Sunday."""
    return tx.first(
        Ended, "SELECT last_number, week_on + 7 AS next_on FROM affiliate_weeks ORDER BY week_on DESC LIMIT 1"
    ) or Ended(0, None)


def chips(tx: Tx, after: int, last: int) -> int:
    """The chips of scans in the range that nobody doubts."""
    return tx.scalar(
        int,
        """
        SELECT count(*) AS chips
        FROM affiliate_chips c LEFT JOIN doubted_scans(:after + 1, :last) d USING (scan_number)
        WHERE c.scan_number > :after AND c.scan_number <= :last AND d.scan_number IS NULL
        """,
        after=after,
        last=last,
    )


def move(tx: Tx, last: int, week_on: date | None, scan_chips: int) -> None:
    """Note how far the scans were followed, and the chips that they have given the present week."""
    tx.run(
        "UPDATE referral_progress SET last_number = :last, week_on = :week_on, scan_chips = :scan_chips WHERE only_row",
        last=last,
        week_on=week_on,
        scan_chips=scan_chips,
    )


def sum_up(tx: Tx, pool: Usdt, now: datetime) -> None:
    """Note the pool and the moved chips of the present week, and that everything is of now."""
    tx.run(
        """
        UPDATE referral_progress p
        SET as_of = :now, pool = :pool,
            moved_chips = (SELECT coalesce(sum(CASE kind WHEN 'vault' THEN -chips ELSE chips END), 0) FROM chip_moves
                           WHERE week_on = p.week_on)
        WHERE only_row
        """,
        pool=pool,
        now=now,
    )
