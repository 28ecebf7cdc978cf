"""Figures of affiliates as rows: each change of them is added once. Nothing but this job writes them.

Two runs at once add to the same rows in the order of the affiliates, so that neither waits for the other in turn.
"""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from shared.db import Tx


@dataclass(frozen=True)
class _OpenWeek:
    week_on: date
    done_affiliate: UUID


@dataclass(frozen=True)
class _Portion:
    shares: int
    last: UUID | None


def add_chips(tx: Tx, after: int, last: int) -> None:
    """Add the chips of scans in the range."""
    tx.run(
        """
        INSERT INTO affiliate_figures AS kept (affiliate_id, chips)
        SELECT affiliate_id, sum(chips) FROM affiliate_chips
        WHERE scan_number > :after AND scan_number <= :last
        GROUP BY affiliate_id ORDER BY affiliate_id
        ON CONFLICT (affiliate_id) DO UPDATE SET chips = kept.chips + excluded.chips
        """,
        after=after,
        last=last,
    )


def add_changes(tx: Tx, now: datetime, limit: int) -> int:  # noqa: ARG001 - as all work that is done in batches
    """Add what referrals and earnings have changed; returns how many changes there were."""
    return tx.scalar(
        int,
        """
        WITH changed AS (
            DELETE FROM affiliate_figure_changes WHERE id IN (
                SELECT id FROM affiliate_figure_changes ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)
            RETURNING affiliate_id, downline, earned
        ), added AS (
            INSERT INTO affiliate_figures AS kept (affiliate_id, downline, earned)
            SELECT affiliate_id, sum(downline), sum(earned) FROM changed GROUP BY affiliate_id ORDER BY affiliate_id
            ON CONFLICT (affiliate_id)
                DO UPDATE SET downline = kept.downline + excluded.downline, earned = kept.earned + excluded.earned
        )
        SELECT count(*) AS changes FROM changed
        """,
        limit=limit,
    )


def add_shares(tx: Tx, now: datetime, limit: int) -> int:  # noqa: ARG001 - likewise
    """Add the next shares of an approved week; returns how many, fewer than the limit when the week is done."""
    week = tx.first(
        _OpenWeek,
        """
        SELECT week_on, done_affiliate FROM affiliate_figure_weeks ORDER BY week_on LIMIT 1
        FOR NO KEY UPDATE SKIP LOCKED
        """,
    )
    if week is None:
        return 0
    portion = tx.one(
        _Portion,
        """
        WITH portion AS (
            SELECT affiliate_id, share FROM affiliate_week_shares
            WHERE week_on = :week_on AND affiliate_id > :done ORDER BY affiliate_id LIMIT :limit
        ), added AS (
            INSERT INTO affiliate_figures AS kept (affiliate_id, earned)
            SELECT affiliate_id, share FROM portion WHERE share > 0 ORDER BY affiliate_id
            ON CONFLICT (affiliate_id) DO UPDATE SET earned = kept.earned + excluded.earned
        )
        SELECT count(*) AS shares, (SELECT affiliate_id FROM portion ORDER BY affiliate_id DESC LIMIT 1) AS last
        FROM portion
        """,
        week_on=week.week_on,
        done=week.done_affiliate,
        limit=limit,
    )
    if portion.shares < limit:
        tx.run("DELETE FROM affiliate_figure_weeks WHERE week_on = :week_on", week_on=week.week_on)
    else:
        tx.run(
            "UPDATE affiliate_figure_weeks SET done_affiliate = :last WHERE week_on = :week_on",
            week_on=week.week_on,
            last=portion.last,
        )
    return portion.shares
