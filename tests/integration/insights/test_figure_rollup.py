"""The job that works figures out: by its schedules, its documents, its hourly numbers, and after a standstill."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from google.cloud.firestore import Client
from pg8000.dbapi import Connection

from functions.figure_rollup import (
    counts_store,
    days_store,
    documents,
    main,
    public_document,
    rules,
    steady_store,
)
from shared import clock, config, db
from shared.figures.names import Name
from tests import factories
from tests.fakes import public_rows
from tests.fakes.invoker import FunctionInvoker
from tests.fakes.plain_rows import put, unchecked
from tests.fakes.scan_rows import insert_scans
from tests.platform import Platform

pytest_plugins = ["tests.contract.firestore_plugin"]

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def invoker(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> FunctionInvoker:
    monkeypatch.setenv("FIGURE_RUN_SECONDS", "0")
    config.read.cache_clear()
    return FunctionInvoker(platform.invoker_token)


@pytest.fixture
def _noon(sql: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    factories.member()
    sql.execute_unnamed("UPDATE members SET created_at = $1", (NOON - timedelta(days=100),))
    sql.execute_unnamed("UPDATE guarantees SET verified_on = $1", ((NOON - timedelta(days=100)).date(),))
    monkeypatch.setattr(clock, "now", lambda: NOON)


def won(sql: Connection, at: datetime) -> None:
    identity = uuid4()
    with unchecked(sql):
        put(
            sql, "comps", id=identity, member_id=uuid4(), type="crypto_100", amount=1, source_kind="manual",
            source_id=str(identity), reason={}, awarded_at=at,
        )  # fmt: skip


def days(sql: Connection, metric: str) -> dict[date, int]:
    rows = sql.execute_unnamed("SELECT day, value FROM metric_days WHERE metric = $1", (metric,)).rows
    return {day: int(value) for day, value in rows}


def test_each_schedule_is_done(invoker: FunctionInvoker, listeners: Client, sql: Connection) -> None:
    del listeners
    for name in ("figures", "days", "count", "days-anew"):
        assert invoker.schedule("figure_rollup", name) == 204, name
    kept = {name for (name,) in sql.execute_simple("SELECT name FROM figures").rows}
    assert kept == {name.value for name in Name}


def test_listeners_see_the_figures_that_are_kept(invoker: FunctionInvoker, listeners: Client) -> None:
    assert invoker.schedule("figure_rollup", "figures") == 204

    pools: dict[str, Any] = listeners.document(documents.POOLS_PATH).get().to_dict() or {}
    figures: dict[str, Any] = listeners.document(documents.FIGURES_PATH).get().to_dict() or {}

    assert [pool["treasury"] for pool in pools["pools"]] == ["member", "affiliate", "wholesale"]
    assert pools["pools"][0]["accrued"] == "0.00"
    assert pools["payout_pipeline"] == {"queued": 0, "held": 0, "oldest_seconds": None}
    assert set(pools["as_of"]) == {"pools", "payout_pipeline"}
    assert figures["active_members"] == 0
    assert figures["reconciliation_status"] is None
    assert figures["reasons"]["reconciliation_status"]


def test_the_first_balance_replaces_that_there_is_none(
    invoker: FunctionInvoker, listeners: Client, sql: Connection
) -> None:
    """A balance is as of its hour's beginning, and what was said in that hour before it must not be newer."""
    del listeners
    assert invoker.schedule("figure_rollup", "figures") == 204
    public_rows.balances(sql)
    assert invoker.schedule("figure_rollup", "figures") == 204
    kept = sql.execute_simple("SELECT value IS NULL FROM figures WHERE name = 'on_chain_balances'").rows
    assert kept == [[False]]


def test_the_document_of_the_web_site_is_written_anew_when_something_in_it_changes(
    invoker: FunctionInvoker, listeners: Client, sql: Connection
) -> None:
    assert invoker.schedule("figure_rollup", "figures") == 204
    first = listeners.document(public_document.PATH).get().to_dict() or {}
    public_rows.feed_line(sql, "someone_was_paid", amount="100.00")
    public_rows.balances(sql)

    assert invoker.schedule("figure_rollup", "figures") == 204

    second = listeners.document(public_document.PATH).get().to_dict() or {}
    assert (first["feed"], first["treasuries"], first["reconciliation"]) == ([], None, None)
    assert [line["code"] for line in second["feed"]] == ["someone_was_paid"]
    assert [each["balance"] for each in second["treasuries"]] == ["1234567.50", "1234567.500001", "1234567.500002"]
    assert second["moments"]["treasuries"]["old_from"] > second["moments"]["treasuries"]["as_of"]
    assert second["made_at"] > first["made_at"]


def test_a_document_is_written_when_a_value_has_changed(
    invoker: FunctionInvoker, listeners: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    del invoker
    monkeypatch.setenv("FIGURE_RUN_SECONDS", "0.4")
    monkeypatch.setenv("FIGURE_POOL_SECONDS", "0.1")
    config.read.cache_clear()
    main.work_out(datetime.now(UTC))
    first = listeners.document(documents.POOLS_PATH).get()
    assert (first.create_time, first.exists) == (first.update_time, True)

    main.work_out(datetime.now(UTC))  # the next run says once more what holds

    assert listeners.document(documents.POOLS_PATH).get().update_time > first.update_time


def test_a_run_beside_another_one_does_nothing(invoker: FunctionInvoker, listeners: Client, sql: Connection) -> None:
    del listeners
    sql.execute_unnamed(
        "INSERT INTO leases VALUES ($1, $2, $3)", (main.LEASE, uuid4(), datetime.now(UTC) + timedelta(minutes=1))
    )
    assert invoker.schedule("figure_rollup", "figures") == 204
    assert sql.execute_simple("SELECT count(*) FROM figures").rows == [[0]]


@pytest.mark.usefixtures("_noon")
def test_all_days_of_a_standstill_are_counted(sql: Connection) -> None:
    for back in (99, 50, 3, 0):
        won(sql, NOON - timedelta(days=back))

    main.count_recent(NOON)

    assert list(days(sql, "comps_awarded").values()) == [1, 1, 1, 1]


@pytest.mark.usefixtures("_noon")
def test_a_late_commit_is_found_in_the_night(sql: Connection) -> None:
    main.count_recent(NOON)
    won(sql, NOON - timedelta(days=20))
    main.count_recent(NOON + timedelta(minutes=5))
    assert days(sql, "comps_awarded") == {}

    main.count_anew(NOON)

    assert days(sql, "comps_awarded") == {(NOON - timedelta(days=20)).date(): 1}


@pytest.mark.usefixtures("_noon")
def test_a_run_that_comes_late_takes_nothing_back(sql: Connection) -> None:
    main.count_recent(NOON)
    before = sql.execute_simple("SELECT as_of FROM figure_progress WHERE work = 'days'").rows

    main.count_recent(NOON - timedelta(hours=3))

    assert sql.execute_simple("SELECT as_of FROM figure_progress WHERE work = 'days'").rows == before


@pytest.mark.usefixtures("_noon")
def test_scans_are_followed_while_scans_are_locked(sql: Connection) -> None:
    """The job waits for no row that a scan locks until it commits."""
    insert_scans(sql, [(NOON - timedelta(seconds=5), 5)] * 3)
    sql.execute_simple(
        "BEGIN; SELECT FROM scan_counter FOR UPDATE; SELECT FROM members FOR NO KEY UPDATE; "
        "SELECT FROM member_totals FOR UPDATE; SELECT FROM scans FOR UPDATE"
    )
    try:
        main.follow_scans()
    finally:
        sql.execute_simple("ROLLBACK")
    assert sum(days(sql, "scans_by_tier").values()) == 3


@pytest.mark.usefixtures("_noon")
def test_a_run_leaves_to_another_one_what_that_has_begun(sql: Connection) -> None:
    insert_scans(sql, [(NOON - timedelta(seconds=5), 5)])
    won(sql, NOON)
    sql.execute_simple("BEGIN; SELECT FROM figure_progress FOR NO KEY UPDATE")
    try:
        main.follow_scans()
        main.count_recent(NOON)
        assert sql.execute_simple("SELECT count(*) FROM metric_days").rows == [[0]]
    finally:
        sql.execute_simple("ROLLBACK")
    main.follow_scans()
    main.count_recent(NOON)
    assert (len(days(sql, "scans_by_tier")), len(days(sql, "comps_awarded"))) == (1, 1)


@pytest.mark.usefixtures("_noon")
def test_the_night_waits_for_the_run_of_the_day(sql: Connection) -> None:
    sql.execute_simple("BEGIN; SELECT FROM figure_progress FOR NO KEY UPDATE")
    with ThreadPoolExecutor(1) as threads:
        night = threads.submit(main.count_anew, NOON)
        try:
            with pytest.raises(TimeoutError):
                night.result(timeout=0.5)
        finally:
            sql.execute_simple("ROLLBACK")
        assert night.result(timeout=20) is None


@pytest.mark.usefixtures("_noon")
def test_numbers_are_kept_once_an_hour(sql: Connection) -> None:
    with db.acting_for("figure_rollup"):
        main.count(NOON)
        for _ in range(2):
            main.count_days(NOON)
    kept = sql.execute_simple("SELECT metric, value FROM transparency_metrics ORDER BY metric").rows
    assert [metric for metric, _ in kept] == ["affiliates_active", "members"]


def test_each_metric_of_the_days_is_one_that_is_replaced(sql: Connection) -> None:
    """A metric that a day does not replace would be there twice when the day is counted again."""
    del sql
    text = " ".join(days_store.FACTS.values())
    assert all(f"'{metric}'" in text for metric in days_store.METRICS)
    named = {word.strip("'(),") for word in text.split() if word.strip("(),").startswith("'")}
    metrics = {word for word in named if word.startswith(tuple(days_store.METRICS))}
    assert metrics == set(days_store.METRICS)


@pytest.mark.usefixtures("_noon")
def test_what_other_jobs_have_counted_is_shown_as_they_have_it(sql: Connection) -> None:
    earlier, digest = NOON - timedelta(days=1), "ab" * 32
    with unchecked(sql):
        for at, parts in ((earlier, (1, 1)), (NOON - timedelta(hours=7), (5_000_000, -2_000_000))):
            run = uuid4()
            put(sql, "reconciliations", id=run, requested_by=uuid4(), requested_at=at, badge="balanced")
            for treasury, part in zip(("member", "affiliate"), parts, strict=True):
                put(sql, "reconciliation_treasuries", reconciliation_id=run, treasury=treasury, chain_balance=1,
                    difference=part)  # fmt: skip
        for week_on, state, approved_at in ((8, "completed", earlier), (15, "approved", NOON), (22, "ready", None)):
            put(sql, "affiliate_weeks", week_on=date(2026, 11, week_on), state=state, outcome="shared", first_number=1,
                last_number=9, pool=week_on * 1_000_000, chips_max=9, payout_min=1, chips=9, affiliates=week_on,
                recipients=1, proposed=1, approvals=1, digest=bytes.fromhex(digest), payment_digest=b"x" * 32,
                opened_at=earlier, ready_at=earlier, approved_at=approved_at,
                completed_at=NOON if state == "completed" else None)  # fmt: skip
        for day, source, tins in ((date(2026, 10, 31), "retail", 5), (date(2026, 11, 1), "retail", 3),
                                  (date(2026, 11, 1), "wholesale", 4), (NOON.date(), "retail", 2)):  # fmt: skip
            put(sql, "tins_sold_daily", day=day, source=source, tins=tins)
        sql.execute_unnamed("UPDATE referral_progress SET pool = 7000000, as_of = $1", (NOON,))
        sql.execute_unnamed("UPDATE sales_volume SET tins_per_month = 1000000, as_of = $1", (earlier,))

    main.work(steady_store.figures)

    rows = sql.execute_simple("SELECT name, value, as_of FROM figures").rows
    kept = {name: (value, as_of) for name, value, as_of in rows}
    status, compared_at = kept["reconciliation_status"]
    assert (status["badge"], status["difference"], status["tolerance"]) == ("balanced", 3, 10)
    assert compared_at == NOON - timedelta(hours=7)
    assert kept["weekly_pool"] == (
        {"accruing": 7, "last": {"week_on": "2026-11-15", "amount": 15, "affiliates": 15, "digest": digest}}, NOON,
    )  # fmt: skip
    assert (kept["tins_this_month"], kept["tins_per_month"]) == ((9, NOON), (1_000_000, earlier))
    assert (kept["sunset"][0]["state"], kept["sunset"][0]["percent"], kept["sunset"][1]) == ("open", 10, earlier)


def test_shares_add_up_to_a_hundred() -> None:
    for parts in ([1, 1, 1], [0, 7], [1] * 7, [999, 1], [5]):
        assert sum(share or 0 for share in rules.shares(parts)) == 100
    assert rules.shares([0, 0]) == [None, None]


def test_a_month_is_projected_by_its_pace() -> None:
    from shared.values.money import Usdt

    assert rules.projected(Usdt.of(10), datetime(2026, 11, 16, tzinfo=UTC)) == Usdt.of(20)
    assert rules.projected(Usdt.of(10), datetime(2026, 11, 1, tzinfo=UTC)) == Usdt.of(7_200)
    assert [f"{month:%Y-%m}" for month in rules.months_up_to(date(2026, 2, 3), 3)] == ["2025-12", "2026-01", "2026-02"]


@pytest.mark.parametrize(
    ("spent", "accrued", "status"),
    [(90, 100, "on_track"), (91, 100, "warning"), (100, 100, "warning"), (101, 100, "over_budget"), (5, 0, None)],
)
def test_the_budget_is_judged(spent: int, accrued: int, status: str | None) -> None:
    assert rules.budget_status(rules.percent(spent, accrued)) == status


@pytest.mark.parametrize(
    ("first", "missing", "down", "percent", "probe_ms"),
    [
        ("10 minutes", 0, 0, "100.0", 7),
        ("10 minutes", 1, 1, "80.0", 7),  # a minute without a look is down as well
        ("32 days", 0, 1, "99.9", 7),  # rounded down: all but one minute of 30 days are not 100 %
        ("0 minutes", 0, 0, None, None),  # the present minute has not ended
    ],
)
@pytest.mark.usefixtures("_noon")
def test_uptime_is_of_the_minutes_since_the_first_look(
    sql: Connection, first: str, missing: int, down: int, percent: str | None, probe_ms: int | None
) -> None:
    sql.execute_unnamed(
        "INSERT INTO watch_minutes SELECT minute, true, 7 "
        "FROM generate_series(CAST($1 AS timestamptz) - CAST($2::text AS interval), $1, interval '1 minute') AS minute",
        (NOON, first),
    )
    before = NOON - timedelta(minutes=2)
    for number in range(missing):
        sql.execute_unnamed("DELETE FROM watch_minutes WHERE minute = $1", (before - timedelta(minutes=number),))
    sql.execute_unnamed(
        "UPDATE watch_minutes SET is_up = false WHERE minute > $1 AND minute < $2",
        (NOON - timedelta(minutes=1 + down), NOON),
    )
    found = {figure.name: figure for figure in db.atomically(counts_store.figures, NOON)}

    uptime, probe = found[Name.UPTIME_PERCENT_30D], found[Name.PROBE_MS_AVERAGE]
    assert (str(uptime.value) if uptime.value is not None else None, probe.value) == (percent, probe_ms)
    assert [bool(each.reason) for each in (uptime, probe)] == [percent is None, probe_ms is None]
