"""After any history each figure is what a slow count of the facts says, however often, late or parallel the job ran."""

import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import simplejson
from pg8000.dbapi import Connection

from functions.figure_rollup import counts_store, main, quick_store, steady_store, totals_store
from functions.scan_rollup import main as scan_rollup
from shared import clock, db, settings
from shared.database.session import Session
from shared.values import tiers
from tests import factories
from tests.fakes.crashes import Crash, crash
from tests.fakes.figure_rows import Facts

START = datetime(2026, 10, 20, 6, 0, tzinfo=UTC)
STEPS = 80
PAUSES = (1, 60, 3_000, 20_000, 90_000, 200_000)  # seconds
STATEMENTS_MAX = 30  # of a run, before it dies
# The first day of the period that a fact counts in, by the metric; weeks begin on Sunday.
STARTS = {
    "active_members": "CAST(at AS date)",
    "active_members_week": "CAST(at AS date) - CAST(extract(dow FROM at) AS integer)",
    "active_members_month": "CAST(date_trunc('month', at) AS date)",
}
ACTS: Sequence[tuple[Callable[[Facts], None], int]] = (
    (Facts.scan, 10), (Facts.order, 6), (Facts.sign_up, 6), (Facts.comp, 10), (Facts.payout, 10), (Facts.earning, 6),
    (Facts.chips, 6), (Facts.wholesale, 5), (Facts.book, 12), (Facts.tier, 8), (Facts.snapshot, 2),
)  # fmt: skip

# What each figure must be, counted from the facts. `now` is $1, today $2, the quarter $3.
SLOW: Mapping[str, str] = {
    "members": "SELECT count(*) FROM members WHERE email_verified_at IS NOT NULL AND status <> 'deleted'",
    "active_members": """
        SELECT count(DISTINCT member_id)
        FROM (SELECT member_id, scanned_at AT TIME ZONE 'UTC' AS at FROM scans
              UNION ALL SELECT member_id, confirmed_at FROM orders WHERE confirmed_at IS NOT NULL) did
        WHERE CAST(at AT TIME ZONE 'UTC' AS date) > $2 - 30
        """,
    "scans_today": "SELECT count(*) FROM scans WHERE CAST(scanned_at AT TIME ZONE 'UTC' AS date) = $2",
    "scans_this_month": """
        SELECT count(*) FROM scans WHERE date_trunc('month', scanned_at, 'UTC') = date_trunc('month', $1, 'UTC')
        """,
    "scans_this_week": """
        SELECT count(*) FROM scans WHERE CAST(scanned_at AT TIME ZONE 'UTC' AS date)
            >= $2 - CAST(extract(dow FROM $2) AS integer)
        """,
    "revenue": """
        SELECT jsonb_build_object(
            'today', coalesce(sum(paid) FILTER (WHERE day = $2), 0),
            'this_week', coalesce(sum(paid) FILTER (WHERE day >= $2 - CAST(extract(dow FROM $2) AS integer)), 0),
            'this_month', coalesce(sum(paid) FILTER (WHERE day >= date_trunc('month', CAST($2 AS timestamp))), 0))
        FROM (SELECT CAST(confirmed_at AT TIME ZONE 'UTC' AS date) AS day,
                     (total_amount - tax_amount - shipping_tax) / 1000000.0 AS paid
              FROM orders WHERE confirmed_at IS NOT NULL) sales
        """,
    "orders_under_way": """
        SELECT jsonb_object_agg(shown, coalesce(n, 0))
        FROM (VALUES ('unpaid', 'pending age_verification payment_processing'), ('pending', 'confirmed'),
                     ('fulfilled', 'fulfilled'), ('shipped', 'shipped')) AS names (shown, states)
        LEFT JOIN LATERAL (SELECT count(*) AS n FROM orders
                           WHERE CAST(state AS text) = ANY (string_to_array(states, ' '))) counted ON true
        """,
    "sparklines": """
        SELECT jsonb_agg(jsonb_build_object('treasury', name, 'days', days) ORDER BY place)
        FROM (SELECT name, place,
                     (SELECT coalesce(jsonb_agg(jsonb_build_object(
                          'day', day, 'closing', closing / 1000000.0, 'lowest', lowest / 1000000.0,
                          'highest', highest / 1000000.0) ORDER BY day), '[]')
                      FROM (SELECT CAST(at AT TIME ZONE 'UTC' AS date) AS day, min(onchain_balance) AS lowest,
                                   max(onchain_balance) AS highest,
                                   (array_agg(onchain_balance ORDER BY at DESC))[1] AS closing
                            FROM treasury_snapshots WHERE treasury = name GROUP BY 1) daily
                      WHERE day > $2 - 90) AS days
              FROM unnest(ARRAY['member', 'affiliate', 'wholesale']) WITH ORDINALITY AS names (name, place)) lines
        WHERE EXISTS (SELECT FROM treasury_snapshots)
        """,
    "chips_issued": """
        SELECT (SELECT count(*) FROM affiliate_chips)
               + (SELECT coalesce(sum(chips), 0) FROM chip_moves WHERE kind = 'bonus' OR kind = 'grant')
        """,
    "affiliates_active": """
        SELECT count(*) FROM members m
        WHERE EXISTS (SELECT FROM affiliate_week_shares s
                      WHERE s.affiliate_id = m.id AND s.chips > 0 AND s.week_on > $2 - 28)
           OR EXISTS (SELECT FROM affiliate_earnings e WHERE e.affiliate_id = m.id AND e.kind = 'prize_match'
                      AND e.status <> 'in_review' AND e.earned_at > $1 - interval '30 days')
        """,
    "payouts_last_24h": """
        SELECT jsonb_build_object('count', count(*), 'amount', coalesce(sum(amount), 0) / 1000000.0) FROM payouts
        WHERE state = 'PAID' AND source_kind NOT IN ('manual', 'rotation') AND paid_at > $1 - interval '24 hours'
        """,
    "payout_pipeline": """
        SELECT jsonb_build_object(
            'queued', count(*) FILTER (WHERE state IN ('REQUESTED', 'IN_FLIGHT')),
            'held', count(*) FILTER (WHERE state = 'HELD'),
            'oldest_seconds', floor(extract(epoch FROM $1 - min(requested_at))))
        FROM payouts WHERE state IN ('REQUESTED', 'IN_FLIGHT', 'HELD')
        """,
    "payout_success": """
        SELECT jsonb_build_object(
            'success_percent', round(100.0 * count(*) FILTER (WHERE state = 'PAID') / nullif(count(*), 0), 1),
            'average_confirmation_seconds',
            round(avg(extract(epoch FROM paid_at - (SELECT allocated_at FROM payout_slots WHERE payout_id = p.id)))))
        FROM payouts p
        WHERE state IN ('PAID', 'CANCELLED') AND source_kind NOT IN ('manual', 'rotation')
          AND CAST(state_at AT TIME ZONE 'UTC' AS date) > $2 - 30
        """,
    "match_paid": """
        SELECT jsonb_build_object('count', count(*) FILTER (WHERE kind = 'prize_match'),
                                  'amount', coalesce(sum(amount), 0) / 1000000.0)
        FROM affiliate_earnings WHERE status = 'paid'
        """,
    "wholesale": """
        SELECT jsonb_build_object(
            'active_accounts', (SELECT count(*) FROM wholesale_accounts WHERE status = 'active'),
            'chips_issued', (SELECT coalesce(sum(chips), 0) FROM wholesale_chips),
            'comps_awarded', (SELECT count(*) FROM wholesale_comps),
            'comps_amount', (SELECT coalesce(sum(amount), 0) / 1000000.0 FROM wholesale_comps))
        """,
    "comps": """
        SELECT jsonb_agg(jsonb_build_object(
            'type', kind, 'awarded', awarded, 'amount', amount / 1000000.0, 'paid', paid,
            'paid_amount', paid_amount / 1000000.0) ORDER BY kind)
        FROM (SELECT kind, count(c.id) FILTER (WHERE c.status <> 'cancelled') AS awarded,
                     coalesce(sum(c.amount) FILTER (WHERE c.status <> 'cancelled'), 0) AS amount,
                     count(*) FILTER (WHERE c.status = 'paid') AS paid,
                     coalesce(sum(c.amount) FILTER (WHERE c.status = 'paid'), 0) AS paid_amount
              FROM unnest(enum_range(CAST(NULL AS comp_type))) AS kind LEFT JOIN comps c ON c.type = kind
              GROUP BY kind) counted
        """,
    "pools": """
        SELECT jsonb_agg(jsonb_build_object(
            'treasury', pool, 'accrued', accrued / 1000000.0, 'owed', owed / 1000000.0, 'paid', paid / 1000000.0,
            'free', free / 1000000.0) ORDER BY place)
        FROM (SELECT pool, place,
                     coalesce(sum(amount) FILTER (WHERE ref LIKE 'accrual:%' AND account = 'pool:' || pool), 0)
                         AS accrued,
                     coalesce(sum(amount) FILTER (WHERE account = 'owed:' || pool), 0) AS owed,
                     coalesce(sum(amount) FILTER (WHERE account = 'settled:' || pool), 0) AS paid,
                     coalesce(sum(amount) FILTER (WHERE account = 'pool:' || pool), 0) AS free
              FROM unnest(ARRAY['member', 'affiliate', 'wholesale']) WITH ORDINALITY AS pools (pool, place)
              CROSS JOIN (SELECT ref, account, amount FROM ledger_journals j JOIN ledger_postings ON journal_id = j.id
                          UNION ALL SELECT '', '', 0) lines
              GROUP BY pool, place) summed
        """,
    "vault": """
        SELECT jsonb_build_object(
            'vaulted', coalesce(sum(chips) FILTER (WHERE kind IN ('vault', 'overflow')), 0),
            'expired', coalesce(sum(chips) FILTER (WHERE kind = 'expire'), 0),
            'bonus', (SELECT coalesce(sum(chips), 0) FROM chip_moves WHERE kind = 'bonus'))
        FROM vault_moves
        """,
    "tier_distribution": """
        SELECT jsonb_agg(jsonb_build_object('tier', level, 'members', people) ORDER BY level)
        FROM (SELECT level, count(m.id) AS people
              FROM unnest(enum_range(CAST(NULL AS tier))) AS level
              LEFT JOIN members m ON m.email_verified_at IS NOT NULL AND m.status <> 'deleted'
                AND level = greatest(m.permanent_tier, (SELECT tier FROM member_quarters
                                                        WHERE member_id = m.id AND quarter = $3))
              GROUP BY level) counted
        """,
    "permanent_tiers": """
        SELECT jsonb_agg(jsonb_build_object('tier', level, 'holders', people) ORDER BY level)
        FROM (SELECT level,
                     (SELECT count(*) FROM members WHERE permanent_tier = level AND status <> 'deleted') AS people
              FROM unnest(enum_range(CAST(NULL AS tier))) AS level WHERE level <> 'standard') counted
        """,
    "budget": """
        SELECT jsonb_build_object(
            'accrued', coalesce(sum(amount) FILTER (WHERE ref LIKE 'accrual:%'), 0) / 1000000.0,
            'spent', -coalesce(sum(amount) FILTER (WHERE ref NOT LIKE 'accrual:%'), 0) / 1000000.0)
        FROM ledger_journals j JOIN ledger_postings ON journal_id = j.id
        WHERE account = 'pool:member' AND date_trunc('month', posted_at, 'UTC') = date_trunc('month', $1, 'UTC')
        """,
    "growth_percent": """
        SELECT round(100.0 * (recent - before) / nullif(before, 0), 1)
        FROM (SELECT count(*) FILTER (WHERE verified_on > $2 - 30) AS recent,
                     count(*) FILTER (WHERE verified_on <= $2 - 30 AND verified_on > $2 - 60) AS before
              FROM guarantees WHERE verified_on <= $2) counted
        """,
}  # fmt: skip


class _History:
    """Facts and runs of the job in any order; runs die, come at once, or come late."""

    def __init__(self, sql: Connection, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - the same seed plays the same history
        people = [factories.member() for _ in range(8)]
        sql.execute_unnamed("UPDATE members SET created_at = $1", (START - timedelta(days=1),))
        sql.execute_unnamed("UPDATE guarantees SET verified_on = $1", ((START - timedelta(days=1)).date(),))
        self.facts = Facts(sql, people, self.chance, START)

    def now(self) -> datetime:
        return self.facts.time

    def step(self) -> None:
        self.facts.time += timedelta(seconds=self.chance.choice(PAUSES))
        if self.chance.random() < 0.3:
            self.run()
        else:
            acts, weights = zip(*ACTS, strict=True)
            self.chance.choices(acts, weights)[0](self.facts)

    def run(self) -> None:
        chance = self.chance.random()
        if chance < 0.2:
            with ThreadPoolExecutor(3) as threads:
                list(threads.map(lambda _: run_all(self.facts.time), range(3)))
        elif chance < 0.6:
            at, after = self.chance.randint(1, STATEMENTS_MAX), self.chance.random() < 0.5
            with suppress(Crash), crash(Session, self.chance.choice(("execute", "commit")), at=at, after=after):
                run_all(self.facts.time)
        elif chance < 0.7:
            run_all(self.facts.time - timedelta(hours=3))  # it was called three hours ago, and comes now
        else:
            run_all(self.facts.time)


def run_all(now: datetime) -> None:
    with db.acting_for("scan_rollup"):
        scan_rollup.catch_up()
    with db.acting_for("figure_rollup"):
        main.follow_scans()
        main.count_recent(now)
        main.count_periods(now)
        for figures in (quick_store.figures, steady_store.figures, totals_store.figures, counts_store.figures):
            main.work(figures)


@pytest.fixture
def history(request: pytest.FixtureRequest, sql: Connection, monkeypatch: pytest.MonkeyPatch) -> _History:
    settings.forget()
    made = _History(sql, request.param)
    monkeypatch.setattr(clock, "now", made.now)
    monkeypatch.setattr(main, "SCANS_AT_ONCE", 5)
    return made


@pytest.mark.parametrize("history", range(4), indirect=True)
def test_each_figure_is_what_a_slow_count_of_the_facts_says(history: _History, sql: Connection) -> None:
    for _ in range(STEPS):
        history.step()
    history.facts.time += timedelta(seconds=1)
    run_all(history.facts.time)

    kept, slow = figures(sql), slow_counts(sql, history.facts.time)

    assert {name: shown(kept, name) for name in slow} == slow
    check_sums(sql, kept)
    check_people(sql)


@pytest.mark.parametrize("history", range(2), indirect=True)
def test_a_night_that_counts_all_days_anew_changes_nothing(history: _History, sql: Connection) -> None:
    for _ in range(STEPS // 2):
        history.step()
    run_all(history.facts.time)
    counted = "SELECT day, metric, key, value FROM metric_days ORDER BY 1, 2, 3"
    before = sql.execute_simple(counted).rows

    main.count_anew(history.facts.time)

    assert sql.execute_simple(counted).rows == before


def check_sums(sql: Connection, kept: Mapping[str, Any]) -> None:
    """Sums of buckets are totals, and percentages add up."""
    sums = dict(sql.execute_simple("SELECT metric, sum(value) FROM metric_days GROUP BY metric").rows)
    scans = sql.execute_simple("SELECT count(*) FROM scans").rows[0][0]
    assert (sums.get("scans_by_tier", 0), sums.get("scans_by_product", 0)) == (scans, scans)
    assert sum(tier["members"] for tier in kept["tier_distribution"]) == kept["members"]
    for parts in (kept["tier_distribution"], kept["payout_ledger"]):
        percents = [part["percent"] for part in parts]
        assert percents == [None] * len(percents) or sum(percents) == 100
    paid = {part["type"]: (part["count"], part["amount"]) for part in kept["payout_ledger"]}
    assert paid == {comp["type"]: (comp["paid"], comp["paid_amount"]) for comp in kept["comps"]}
    months = kept["comp_budget_health"]["months"]
    assert months[-1]["accrued"] == kept["comp_budget_health"]["accrued"]
    assert kept["pools"][0]["accrued"] == sum(month["accrued"] for month in months)


def check_people(sql: Connection) -> None:
    """Each day, week and month has each of its active members once."""
    for metric, start in STARTS.items():
        slow = f"""
            SELECT {start} AS day, count(DISTINCT member_id)
            FROM (SELECT member_id, scanned_at AT TIME ZONE 'UTC' AS at FROM scans
                  UNION ALL SELECT member_id, confirmed_at AT TIME ZONE 'UTC' FROM orders
                  WHERE confirmed_at IS NOT NULL) facts
            GROUP BY 1 ORDER BY 1
            """
        kept = "SELECT day, CAST(value AS bigint) FROM metric_days WHERE metric = $1 ORDER BY day"
        assert sql.execute_unnamed(kept, (metric,)).rows == sql.execute_simple(slow).rows, metric


def figures(sql: Connection) -> dict[str, Any]:
    rows = sql.execute_simple("SELECT name, CAST(value AS text) FROM figures").rows
    return {name: text and simplejson.loads(text, use_decimal=True) for name, text in rows}


def slow_counts(sql: Connection, now: datetime) -> dict[str, Any]:
    values = (now, now.astimezone(UTC).date(), tiers.quarter_of(now))
    types = {"$1": "CAST($1 AS timestamptz)", "$2": "CAST($2 AS date)", "$3": "CAST($3 AS text)"}
    found = {}
    for name, query in SLOW.items():
        typed = query
        for place, text in types.items():
            typed = typed.replace(place, text)
        used = ", ".join(types.values())
        text = f"SELECT CAST(to_jsonb(slow) AS text) FROM (SELECT ({typed}) AS slow, {used}) counted"
        found[name] = simplejson.loads(sql.execute_unnamed(text, values).rows[0][0] or "null", use_decimal=True)
    return found


def shown(kept: Mapping[str, Any], name: str) -> Any:
    """The figure in the form of its slow count."""
    if name == "budget":
        return {field: kept["comp_budget_health"][field] for field in ("accrued", "spent")}
    left_out = {
        "pools": {"utilization_percent"}, "vault": {"rules"}, "tier_distribution": {"percent"},
        "permanent_tiers": {"tins"},
    }.get(name, set())  # fmt: skip
    value = kept[name]
    if isinstance(value, list):
        return [{key: item for key, item in each.items() if key not in left_out} for each in value]
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if key not in left_out}
    return value
