"""Figures that are added in the order of the scans' numbers: scans by tier and product, chips, who was active.

Whoever has locked the progress is the only one who writes them, so that rows need no order in which they are locked.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.db import Tx

LATE = timedelta(hours=1)  # an order that was confirmed before that time is committed


@dataclass(frozen=True)
class Progress:
    """Up to which number scans are added, and the moment of which that is true."""

    last_number: int
    as_of: datetime


@dataclass(frozen=True)
class Batch:
    """The next scans: how many, the last number and the latest time; None if there are none."""

    scans: int
    last_number: int | None
    newest_at: datetime | None


def lock(tx: Tx) -> Progress | None:
    """The progress, locked; None while another run has it."""
    return tx.first(
        Progress,
        """
        SELECT last_number, as_of FROM figure_progress WHERE work = 'scans' FOR NO KEY UPDATE SKIP LOCKED
        """,
    )


def next_batch(tx: Tx, after: int, limit: int) -> Batch:
    """The next scans. Numbers commit in order, so none below a visible one can be missing."""
    return tx.one(
        Batch,
        """
        SELECT count(*) AS scans, max(number) AS last_number, max(scanned_at) AS newest_at
        FROM (SELECT number, scanned_at FROM scans WHERE number > :after ORDER BY number LIMIT :limit) batch
        """,
        after=after,
        limit=limit,
    )


def add(tx: Tx, after: int, last: int, now: datetime) -> None:
    """Add the scans of a range of numbers, and the chips that they gave to affiliates."""
    tx.run(
        """
        INSERT INTO metric_days AS kept (day, metric, key, value, as_of)
        SELECT day, metric, key, sum(added), :now
        FROM (SELECT CAST(s.scanned_at AT TIME ZONE 'UTC' AS date) AS day, what.metric, what.key, 1 AS added
              FROM scans s CROSS JOIN LATERAL (VALUES ('scans_by_tier', CAST(s.tier AS text)),
                                                      ('scans_by_product', s.product_sku)) what (metric, key)
              WHERE s.number > :after AND s.number <= :last
              UNION ALL
              SELECT CAST(earned_at AT TIME ZONE 'UTC' AS date), 'chips_of_scans', '', chips FROM affiliate_chips
              WHERE scan_number > :after AND scan_number <= :last) found
        GROUP BY day, metric, key
        ON CONFLICT (day, metric, key) DO UPDATE SET value = kept.value + EXCLUDED.value, as_of = EXCLUDED.as_of
        """,
        after=after,
        last=last,
        now=now,
    )


def note_scanners(tx: Tx, after: int, last: int) -> None:
    """Note on which day the members of a range of scans were active."""
    tx.run(
        """
        INSERT INTO activity AS kept (member_id, last_day)
        SELECT member_id, CAST(max(scanned_at) AT TIME ZONE 'UTC' AS date) FROM scans
        WHERE number > :after AND number <= :last GROUP BY member_id
        ON CONFLICT (member_id) DO UPDATE SET last_day = EXCLUDED.last_day WHERE kept.last_day < EXCLUDED.last_day
        """,
        after=after,
        last=last,
    )


def note_buyers(tx: Tx, since: datetime, until: datetime) -> None:
    """Note on which day those were active whose order was confirmed in that time, or a little before it."""
    tx.run(
        """
        INSERT INTO activity AS kept (member_id, last_day)
        SELECT member_id, CAST(max(confirmed_at) AT TIME ZONE 'UTC' AS date) FROM orders
        WHERE confirmed_at > :since AND confirmed_at <= :until GROUP BY member_id
        ON CONFLICT (member_id) DO UPDATE SET last_day = EXCLUDED.last_day WHERE kept.last_day < EXCLUDED.last_day
        """,
        since=since - LATE,
        until=until,
    )


def move(tx: Tx, last_number: int, as_of: datetime) -> None:
    """Move the progress: all scans up to this number are added, and there are no others from before `as_of`."""
    tx.run_later(
        """
        UPDATE figure_progress SET last_number = :last_number, as_of = greatest(as_of, :as_of) WHERE work = 'scans'
        """,
        last_number=last_number,
        as_of=as_of,
    )
