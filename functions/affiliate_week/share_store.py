"""Counts a week: whose chips it has, what each share is, and which chips wait for people.

Only `chip_balances` is written by scans, and nothing here touches it: a week never holds up a scan.
"""

from dataclasses import dataclass
from datetime import datetime

from functions.affiliate_week import week_store
from functions.affiliate_week.week_store import Week
from shared.db import Tx

JUDGED_MAX = 1_000


@dataclass(frozen=True)
class _Counted:
    affiliates: int
    chips: int


def count(tx: Tx, week: Week, now: datetime) -> bool:
    """Take the week from OPENED to COUNTED; one that has nothing to divide is completed, and its chips are carried on
    to the next week.
    """
    tx.allow(week_store.WHOLE_WEEK_SECONDS)
    _withhold(tx, week, now)
    tx.run("SELECT return_doubted_chips(:week_on, :now)", week_on=week.week_on, now=now)
    if not week.pool:
        _carry_on(tx, week, now)
        week_store.give_back(tx, week, "no_pool", now)
        return True
    _insert_shares(tx, week)
    found = tx.one(
        _Counted,
        """
        SELECT CAST(count(*) AS integer) AS affiliates, CAST(coalesce(sum(chips), 0) AS bigint) AS chips
        FROM affiliate_week_shares WHERE week_on = :week_on
        """,
        week_on=week.week_on,
    )
    if not found.chips:
        week_store.give_back(tx, week, "no_chips", now)
        return True
    tx.run(
        """
        UPDATE affiliate_weeks SET state = 'counted', outcome = 'shared', chips = :chips, affiliates = :affiliates
        WHERE week_on = :week_on
        """,
        week_on=week.week_on,
        **vars(found),
    )
    return True


def judge_postponed(tx: Tx, now: datetime) -> None:
    """Give back to the present week the chips that people have cleared since; those of confirmed fraud never count."""
    tx.run(
        """
        WITH judged AS (
            SELECT p.scan_number, p.affiliate_id, ('confirmed' IN (f.status, r.status)) IS NOT TRUE AS counts
            FROM withheld_chips p LEFT JOIN flagged_scans f USING (scan_number)
            LEFT JOIN referral_reviews r ON r.referred_id = p.referred_id AND r.status <> 'cleared'
            WHERE p.judged_at IS NULL AND ('open' IN (f.status, r.status)) IS NOT TRUE
              AND EXISTS (SELECT FROM affiliate_weeks w WHERE w.week_on = p.week_on
                          AND (w.approved_at IS NOT NULL OR w.state = 'completed'))
            ORDER BY p.scan_number LIMIT :limit FOR UPDATE OF p SKIP LOCKED
        ), noted AS (
            UPDATE withheld_chips p SET judged_at = :now, counts = judged.counts FROM judged
            WHERE p.scan_number = judged.scan_number
        )
        INSERT INTO chip_moves (affiliate_id, week_on, kind, chips, source, moved_at)
        SELECT affiliate_id, chip_week(:now), 'cleared', 1, CAST(scan_number AS text), :now FROM judged WHERE counts
        """,
        limit=JUDGED_MAX,
        now=now,
    )


def _withhold(tx: Tx, week: Week, now: datetime) -> None:
    """Leave out the chips of scans that people have not cleared, or whose member's referral they have not cleared; a
    week that is counted anew leaves out those of now.

    A scan that is doubted after this statement counts: what follows asks these rows, and not the scans again.
    """
    tx.run("DELETE FROM withheld_chips WHERE week_on = :week_on AND judged_at IS NULL", week_on=week.week_on)
    tx.run(
        """
        INSERT INTO withheld_chips (scan_number, affiliate_id, referred_id, week_on, judged_at, counts)
        SELECT scan_number, affiliate_id, d.member_id, :week_on,
               CASE WHEN d.status = 'confirmed' THEN CAST(:now AS timestamptz) END,
               CASE WHEN d.status = 'confirmed' THEN false END
        FROM doubted_scans(:first, :last) d JOIN affiliate_chips USING (scan_number)
        ON CONFLICT (scan_number) DO NOTHING
        """,
        now=now,
        week_on=week.week_on,
        first=week.first_number,
        last=week.last_number,
    )


def _insert_shares(tx: Tx, week: Week) -> None:
    """Divide the pool by chips: each gets the whole micro-USDT of its part, and what is left goes to the largest
    remainders, one micro-USDT each, equal ones in the order of their marks (`Usdt.allocate` does the same). Weeks after
    the program's end are divided by locked shares, which SQL's `week_chips` gives for chips, without a cap.
    """
    tx.run(
        """
        INSERT INTO mark_secrets (member_id) SELECT affiliate_id FROM week_chips(:week_on, :first, :last)
        ON CONFLICT DO NOTHING
        """,
        week_on=week.week_on,
        first=week.first_number,
        last=week.last_number,
    )
    tx.run(
        """
        WITH capped AS (
            SELECT counted.*, member_mark(secret, 'week:' || CAST(CAST(:week_on AS date) AS text)) AS mark,
                   least(scan_chips + brought - put_away, (SELECT week_cap(:week_on, CAST(:chips_max AS integer))))
                       AS chips
            FROM week_chips(:week_on, :first, :last) counted JOIN mark_secrets ON member_id = affiliate_id
        ), parts AS (
            SELECT capped.*, CAST(:pool AS numeric) * chips AS product, nullif(sum(chips) OVER (), 0) AS total
            FROM capped
        ), floors AS (
            SELECT parts.*, div(product, total) AS floor, mod(product, total) AS remainder FROM parts
        ), ranked AS (
            SELECT floors.*, row_number() OVER (ORDER BY remainder DESC, mark) AS rank,
                   CAST(:pool AS numeric) - sum(floor) OVER () AS left_over
            FROM floors
        )
        INSERT INTO affiliate_week_shares (week_on, affiliate_id, mark, scan_chips, brought, put_away, chips, overflow,
                                           share)
        SELECT :week_on, affiliate_id, mark, scan_chips, brought, put_away, chips,
               scan_chips + brought - put_away - chips,
               coalesce(floor + CASE WHEN rank <= left_over THEN 1 ELSE 0 END, 0)
        FROM ranked
        """,
        week_on=week.week_on,
        first=week.first_number,
        last=week.last_number,
        chips_max=week.chips_max,
        pool=week.pool,
    )


def _carry_on(tx: Tx, week: Week, now: datetime) -> None:
    """Bring the chips of a week without a pool to the present one, whole and without a cap; locked shares stay."""
    tx.run(
        """
        INSERT INTO chip_moves (affiliate_id, week_on, kind, chips, source, moved_at)
        SELECT affiliate_id, chip_week(:now), 'carried', scan_chips + brought - put_away,
               CAST(CAST(:week_on AS date) AS text) || ':' || CAST(affiliate_id AS text), :now
        FROM earned_week_chips(:week_on, :first, :last)
        WHERE scan_chips + brought > put_away AND NOT week_is_locked(:week_on)
        """,
        week_on=week.week_on,
        first=week.first_number,
        last=week.last_number,
        now=now,
    )
