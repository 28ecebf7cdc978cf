"""Counts and sums of a UTC day, each counted anew from facts that never change once they have happened.

Something that is undone later (a cancelled comp) counts on the day on which that happened, under a name of its own. So
a day that is counted twice, late, or beside another run comes to the same rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import LiteralString

from shared.database.retention import PERIODS
from shared.db import Tx
from shared.figures.metrics import name_of_distinct
from shared.values.periods import Interval, start_after, start_of

# Each gives rows of (metric, key, value) for the day that begins at `since` and ends before `until`.
FACTS: Mapping[str, LiteralString] = {
    "sign_ups": """
        SELECT 'sign_ups' AS metric, '' AS key, CAST(count(*) AS numeric) AS value
        FROM guarantees
        WHERE verified_on >= CAST(CAST(:since AS timestamptz) AS date)
          AND verified_on < CAST(CAST(:until AS timestamptz) AS date)
        """,
    "comps_awarded": """
        SELECT made.metric, c.type AS key, made.value
        FROM (SELECT CAST(type AS text) AS type, count(*) AS comps, sum(amount) AS amount FROM comps
              WHERE awarded_at >= :since AND awarded_at < :until GROUP BY type) c
        CROSS JOIN LATERAL (VALUES ('comps_awarded', CAST(comps AS numeric)),
                                   ('comps_awarded_amount', amount / 1000000.0)) made (metric, value)
        """,
    "comps_cancelled": """
        SELECT made.metric, c.type AS key, made.value
        FROM (SELECT CAST(type AS text) AS type, count(*) AS comps, sum(amount) AS amount FROM comps
              WHERE status = 'cancelled' AND cancelled_at >= :since AND cancelled_at < :until GROUP BY type) c
        CROSS JOIN LATERAL (VALUES ('comps_cancelled', CAST(comps AS numeric)),
                                   ('comps_cancelled_amount', amount / 1000000.0)) made (metric, value)
        """,
    "comps_paid": """
        SELECT made.metric, c.type AS key, made.value
        FROM (SELECT CAST(type AS text) AS type, count(*) AS comps, sum(amount) AS amount FROM comps
              WHERE status = 'paid' AND paid_at >= :since AND paid_at < :until GROUP BY type) c
        CROSS JOIN LATERAL (VALUES ('comps_paid', CAST(comps AS numeric)),
                                   ('comps_paid_amount', amount / 1000000.0)) made (metric, value)
        """,
    "payouts_paid": """
        SELECT made.metric, p.source_kind AS key, made.value
        FROM (SELECT source_kind, count(*) AS payouts, sum(amount) AS amount,
                     sum(extract(epoch FROM paid_at - began.at)) AS seconds, count(began.at) AS timed
              FROM payouts CROSS JOIN LATERAL (
                  SELECT min(allocated_at) AS at FROM payout_slots WHERE payout_id = payouts.id) began
              WHERE treasury IN ('member', 'affiliate', 'wholesale', 'shop') AND state = 'PAID'
                AND paid_at >= :since AND paid_at < :until
              GROUP BY source_kind) p
        CROSS JOIN LATERAL (VALUES ('payouts_paid', CAST(payouts AS numeric)),
                                   ('payouts_paid_amount', amount / 1000000.0),
                                   ('payouts_paid_seconds', CAST(coalesce(seconds, 0) AS numeric)),
                                   ('payouts_paid_timed', CAST(timed AS numeric))) made (metric, value)
        """,
    "payouts_cancelled": """
        SELECT 'payouts_cancelled' AS metric, source_kind AS key, CAST(count(*) AS numeric) AS value FROM payouts
        WHERE state = 'CANCELLED' AND state_at >= :since AND state_at < :until GROUP BY source_kind
        """,
    "matches_paid": """
        SELECT made.metric, '' AS key, made.value
        FROM (SELECT count(*) FILTER (WHERE e.kind = 'prize_match') AS matches, sum(e.amount) AS amount
              FROM affiliate_earnings e LEFT JOIN affiliate_earnings taken ON taken.id = e.reverses_id
              WHERE e.status = 'paid' AND e.paid_at >= :since AND e.paid_at < :until
                AND coalesce(taken.kind, e.kind) = 'prize_match'
              HAVING count(*) > 0) e
        CROSS JOIN LATERAL (VALUES ('matches_paid', CAST(matches AS numeric)),
                                   ('matches_paid_amount', amount / 1000000.0)) made (metric, value)
        """,
    "chips_given": """
        SELECT 'chips_given' AS metric, kind AS key, CAST(sum(chips) AS numeric) AS value FROM chip_moves
        WHERE kind IN ('bonus', 'grant') AND moved_at >= :since AND moved_at < :until GROUP BY kind
        """,
    "vault": """
        SELECT 'vault' AS metric, kind AS key, CAST(sum(chips) AS numeric) AS value FROM vault_moves
        WHERE happened_at >= :since AND happened_at < :until GROUP BY kind
        """,
    "wholesale_chips": """
        SELECT 'wholesale_chips' AS metric, '' AS key, CAST(sum(chips) AS numeric) AS value FROM wholesale_chips
        WHERE earned_at >= :since AND earned_at < :until HAVING count(*) > 0
        """,
    # By the kind of the order; without the sales tax, which is not ours.
    "orders": """
        SELECT made.metric, o.kind AS key, made.value
        FROM (SELECT kind, count(*) AS orders, sum(tins) AS tins, sum(subtotal + shipping_cost) AS amount FROM orders
              WHERE confirmed_at >= :since AND confirmed_at < :until GROUP BY kind) o
        CROSS JOIN LATERAL (VALUES ('orders', CAST(orders AS numeric)), ('units', CAST(tins AS numeric)),
                                   ('revenue', amount / 1000000.0)) made (metric, value)
        """,
    "refunds": """
        SELECT made.metric, r.reason AS key, made.value
        FROM (SELECT reason, count(*) AS refunds, sum(tins) AS tins, sum(goods + shipping) AS amount FROM refunds
              WHERE recorded_at >= :since AND recorded_at < :until GROUP BY reason) r
        CROSS JOIN LATERAL (VALUES ('refunds', CAST(refunds AS numeric)), ('units_refunded', CAST(tins AS numeric)),
                                   ('refunds_amount', amount / 1000000.0)) made (metric, value)
        """,
    # Earnings as they come, whatever becomes of them later; the shares of a week when people have approved it.
    "affiliate_earnings": """
        SELECT 'affiliate_earnings_amount' AS metric, e.kind AS key, sum(e.amount) / 1000000.0 AS value
        FROM (SELECT kind, amount FROM affiliate_earnings WHERE earned_at >= :since AND earned_at < :until
              UNION ALL
              SELECT 'week_share', s.share FROM affiliate_weeks w JOIN affiliate_week_shares s ON s.week_on = w.week_on
              WHERE w.approved_at >= :since AND w.approved_at < :until AND w.outcome = 'shared') e
        GROUP BY e.kind
        """,
    "affiliate_earnings_cancelled": """
        SELECT 'affiliate_earnings_cancelled_amount' AS metric, kind AS key, sum(amount) / 1000000.0 AS value
        FROM affiliate_earnings WHERE status = 'cancelled' AND cancelled_at >= :since AND cancelled_at < :until
        GROUP BY kind
        """,
    # By how much each journal changed what a treasury holds, whether it is promised to a payout or not.
    "treasury_flows": """
        SELECT CASE WHEN moved > 0 THEN 'treasury_inflow' ELSE 'treasury_outflow' END AS metric, treasury AS key,
               abs(sum(moved)) / 1000000.0 AS value
        FROM (SELECT split_part(p.account, ':', 2) AS treasury, sum(p.amount) AS moved
              FROM ledger_journals j JOIN ledger_postings p ON p.journal_id = j.id
              WHERE j.posted_at >= :since AND j.posted_at < :until
                AND p.account IN ('treasury:member', 'treasury:affiliate', 'treasury:wholesale', 'treasury:shop',
                                  'in_flight:member', 'in_flight:affiliate', 'in_flight:wholesale', 'in_flight:shop')
              GROUP BY j.id, 1) flows
        WHERE moved <> 0 GROUP BY 1, 2
        """,
    # What sales gave a pool, less what refunds took back; and what the pool has promised, less what it got back.
    "pools": """
        SELECT CASE WHEN j.ref LIKE 'accrual:%' THEN 'pool_accrued' ELSE 'pool_spent' END AS metric,
               split_part(p.account, ':', 2) AS key,
               sum(CASE WHEN j.ref LIKE 'accrual:%' THEN p.amount ELSE -p.amount END) / 1000000.0 AS value
        FROM ledger_journals j JOIN ledger_postings p ON p.journal_id = j.id
        WHERE j.posted_at >= :since AND j.posted_at < :until
          AND p.account IN ('pool:member', 'pool:affiliate', 'pool:wholesale')
        GROUP BY 1, 2
        """,
    # What was said in each channel, whether it was taken back later or not.
    "messages": """
        SELECT 'messages' AS metric, c.slug AS key, CAST(count(*) AS numeric) AS value
        FROM social_messages m JOIN social_channels c ON c.id = m.channel_id
        WHERE m.posted_at >= :since AND m.posted_at < :until GROUP BY c.slug
        """,
}
METRICS = (
    *("sign_ups", "payouts_paid_seconds", "payouts_paid_timed", "payouts_cancelled", "chips_given", "vault"),
    *(f"{subject}{suffix}" for subject in ("comps_awarded", "comps_cancelled", "comps_paid", "payouts_paid",
                                           "matches_paid") for suffix in ("", "_amount")),
    *("wholesale_chips", "pool_accrued", "pool_spent", "orders", "units", "revenue", "refunds", "units_refunded"),
    *("refunds_amount", "affiliate_earnings_amount", "affiliate_earnings_cancelled_amount", "treasury_inflow"),
    *("treasury_outflow", "messages"),
)  # fmt: skip

# How long the facts of a statement are there; what was counted of them is kept.
KEPT_FOR: Mapping[str, timedelta] = {"messages": PERIODS["social_messages"].kept}


@dataclass(frozen=True)
class _Fact:
    metric: str
    key: str
    value: Decimal


def lock(tx: Tx) -> datetime | None:
    """Lock the counting of days; returns until when it has come, None while another run has it."""
    return tx.scalar_or_none(
        datetime, "SELECT as_of FROM figure_progress WHERE work = 'days' FOR NO KEY UPDATE SKIP LOCKED"
    )


def wait(tx: Tx) -> None:
    """Lock the counting of days; another run that has it is waited for."""
    tx.run("SELECT FROM figure_progress WHERE work = 'days' FOR NO KEY UPDATE")


def first_day(tx: Tx) -> date | None:
    """The UTC day on which the first member joined; None without members. Nothing has happened before it."""
    return tx.scalar_or_none(
        date, "SELECT CAST(created_at AT TIME ZONE 'UTC' AS date) AS day FROM members ORDER BY number LIMIT 1"
    )


def count_anew(tx: Tx, day: date, now: datetime) -> None:
    """Replace the day's rows by what the facts say, but for those of facts that are gone. The caller has locked the
    counting of days.
    """
    since = datetime.combine(day, time.min, UTC)
    until = since + timedelta(days=1)
    gone = {name for name, kept in KEPT_FOR.items() if since + kept <= now}
    rows = [row for name in FACTS if name not in gone for row in tx.all(_Fact, FACTS[name], since=since, until=until)]
    tx.run(
        "DELETE FROM metric_days WHERE day = :day AND metric = ANY(CAST(:metrics AS text[]))",
        day=day,
        metrics=[metric for metric in METRICS if metric not in gone],
    )
    tx.run(
        """
        INSERT INTO metric_days (day, metric, key, value, as_of)
        SELECT :day, row.metric, row.key, row.value, :now
        FROM unnest(CAST(:metrics AS text[]), CAST(:keys AS text[]), CAST(CAST(:figures AS text[]) AS numeric[]))
             AS row (metric, key, value)
        WHERE row.value <> 0
        """,
        day=day,
        now=now,
        metrics=[row.metric for row in rows],
        keys=[row.key for row in rows],
        figures=[f"{row.value:f}" for row in rows],
    )
    for interval in Interval:
        _count_channels(tx, interval, start_of(interval, day), now)


def _count_channels(tx: Tx, interval: Interval, start: date, now: datetime) -> None:
    """Count the channels in which something was said in a period, which the days' messages tell."""
    metric = name_of_distinct("active_channels", interval)
    tx.run("DELETE FROM metric_days WHERE day = :start AND metric = :metric", start=start, metric=metric)
    tx.run(
        """
        INSERT INTO metric_days (day, metric, key, value, as_of)
        SELECT :start, CAST(:metric AS text), '', count(DISTINCT key), :now FROM metric_days
        WHERE metric = 'messages' AND day >= :start AND day < :until
        HAVING count(*) > 0
        """,
        start=start,
        until=start_after(interval, start),
        metric=metric,
        now=now,
    )


def note(tx: Tx, now: datetime) -> None:
    """Note that today and yesterday are counted up to now."""
    tx.run("UPDATE figure_progress SET as_of = greatest(as_of, :now) WHERE work = 'days'", now=now)
