"""How many different members and affiliates were active in a UTC day, week and month, each period counted as a whole.

Somebody who was active on two days is one in the week, so that no such count is ever a sum of others.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from shared.db import Tx
from shared.figures.metrics import name_of_distinct
from shared.values.periods import Interval, start_after

MONTH_SECONDS_MAX = 120  # for the scans of a month


@dataclass(frozen=True)
class _Numbers:
    """The lowest and the highest number of the scans of a time; None without any."""

    lowest: int | None
    highest: int | None


def counted_up_to(tx: Tx) -> datetime:
    """When the present week and month, and all before them, were last counted."""
    return tx.scalar(datetime, "SELECT as_of FROM figure_progress WHERE work = 'periods'")


def wait(tx: Tx) -> None:
    """Lock the counting of weeks and months; another run that has it is waited for."""
    tx.run("SELECT FROM figure_progress WHERE work = 'periods' FOR NO KEY UPDATE")


def count_anew(tx: Tx, interval: Interval, start: date, now: datetime) -> None:
    """Replace the counts of the period that begins on a day. The caller has locked the counting."""
    since, until = (datetime.combine(day, time.min, UTC) for day in (start, start_after(interval, start)))
    tx.allow(MONTH_SECONDS_MAX)
    counts = {
        "active_members": _active_members(tx, since, until),
        "active_affiliates": _active_affiliates(tx, since, until),
    }
    names = [name_of_distinct(name, interval) for name in counts]
    tx.run(
        "DELETE FROM metric_days WHERE day = :day AND metric = ANY(CAST(:metrics AS text[]))", day=start, metrics=names
    )
    tx.run(
        """
        INSERT INTO metric_days (day, metric, key, value, as_of)
        SELECT :day, row.metric, '', row.value, :now
        FROM unnest(CAST(:metrics AS text[]), CAST(:counts AS bigint[])) AS row (metric, value)
        WHERE row.value > 0
        """,
        day=start,
        now=now,
        metrics=names,
        counts=list(counts.values()),
    )


def note(tx: Tx, now: datetime) -> None:
    """Note that the present week and month, and those before, are counted up to now."""
    tx.run("UPDATE figure_progress SET as_of = greatest(as_of, :now) WHERE work = 'periods'", now=now)


def _active_members(tx: Tx, since: datetime, until: datetime) -> int:
    """How many members had an accepted scan or a paid order."""
    return tx.scalar(
        int,
        """
        SELECT count(*) AS active
        FROM (SELECT member_id FROM scans WHERE scanned_at >= :since AND scanned_at < :until
              UNION
              SELECT member_id FROM orders WHERE confirmed_at >= :since AND confirmed_at < :until) found
        """,
        since=since,
        until=until,
    )


def _active_affiliates(tx: Tx, since: datetime, until: datetime) -> int:
    """How many affiliates had chips of somebody's scan, or a match. Chips are found by the numbers of their scans,
    since an index of their times would make each scan dearer.
    """
    numbers = tx.one(
        _Numbers,
        # Without the zero Postgres may look for the lowest number in the order of all numbers there are.
        """
        SELECT min(number + 0) AS lowest, max(number + 0) AS highest FROM scans
        WHERE scanned_at >= :since AND scanned_at < :until
        """,
        since=since,
        until=until,
    )
    return tx.scalar(
        int,
        """
        SELECT count(*) AS active
        FROM (SELECT affiliate_id FROM affiliate_chips
              WHERE scan_number >= :lowest AND scan_number <= :highest AND earned_at >= :since AND earned_at < :until
              UNION
              SELECT affiliate_id FROM affiliate_earnings
              WHERE kind = 'prize_match' AND earned_at >= :since AND earned_at < :until) found
        """,
        lowest=numbers.lowest or 0,
        highest=numbers.highest or 0,
        since=since,
        until=until,
    )
