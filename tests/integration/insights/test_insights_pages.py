"""The pages of figures: values with the moment of each, what is old or unknown said so, and bad questions refused."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pg8000.dbapi import Connection

from functions.figure_rollup import counts_store, main, quick_store, steady_store, store, totals_store
from functions.insights import memory
from shared import db
from shared.figures.names import Name
from shared.values.tiers import Tier
from tests import factories
from tests.client import FunctionClient
from tests.fakes.plain_rows import put
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

PAGES = ("overview", "treasury", "systems", "comps", "partners")
BESIDE = {"as_of", "stale", "reasons"}
NEVER_YET = {"bank_balances", "uptime_percent_30d", "probe_ms_average"}  # nothing is connected or watched here


def worked_out() -> None:
    with db.acting_for("figure_rollup"):
        main.follow_scans()
        main.count_recent(datetime.now(UTC))
        for figures in (quick_store.figures, steady_store.figures, totals_store.figures, counts_store.figures):
            main.work(figures)
    memory.forget()


@pytest.fixture
def member(client: Client) -> FunctionClient:
    return client(factories.member().token)


@pytest.mark.parametrize("page", PAGES)
def test_before_anything_is_counted_figures_are_null_with_the_reason(page: str, member: FunctionClient) -> None:
    answer = member.get(f"/v1/insights/{page}")

    assert answer.status == 200
    for field in set(answer.body) - BESIDE:
        if answer.body[field] is None:
            assert answer.body["reasons"][field], field
        else:
            assert field in answer.body["as_of"], field
    assert answer.body["stale"] == []


@pytest.mark.parametrize("page", PAGES)
def test_once_counted_each_figure_has_its_moment(page: str, member: FunctionClient, sql: Connection) -> None:
    sql.execute_simple("UPDATE scan_rollup_position SET as_of = now(); UPDATE sales_volume SET as_of = now()")
    sql.execute_simple("UPDATE referral_progress SET as_of = now()")
    worked_out()

    body = member.get(f"/v1/insights/{page}").body

    fields = set(body) - BESIDE
    assert fields <= set(body["as_of"])
    assert {field for field in fields if body[field] is None} == set(body["reasons"]) & fields
    assert body["stale"] == []
    assert NEVER_YET & fields <= set(body["reasons"])


def test_a_figure_that_is_older_than_it_should_be_is_named(member: FunctionClient, sql: Connection) -> None:
    worked_out()
    sql.execute_simple(
        "ALTER TABLE figures DISABLE TRIGGER figure_is_newer;"
        "UPDATE figures SET as_of = now() - interval '61 seconds' WHERE name IN ('active_members', 'members')"
    )

    body = member.get("/v1/insights/overview").body

    assert "active_members" in body["stale"]
    assert "members" not in body["stale"]
    assert datetime.fromisoformat(body["as_of"]["active_members"]) < datetime.now(UTC) - timedelta(seconds=60)
    assert body["active_members"] == 0


def test_every_figure_that_is_older_than_its_promise_is_named_on_each_page(
    client: Client, member: FunctionClient, sql: Connection
) -> None:
    worked_out()
    sql.execute_simple(
        "ALTER TABLE figures DISABLE TRIGGER figure_is_newer;"
        "UPDATE figures SET as_of = now() - (fresh_seconds + 1) * interval '1 second'"
    )
    recent = datetime.now(UTC) - timedelta(seconds=5)
    for page, asker in [*((page, member) for page in PAGES), ("public", client())]:
        body = asker.get(f"/v1/insights/{page}").body
        old = {field for field, at in body["as_of"].items() if datetime.fromisoformat(at) < recent}
        assert old, page
        assert set(body["stale"]) == old, page


def test_an_older_figure_never_replaces_a_newer_one(sql: Connection) -> None:
    worked_out()
    before = sql.execute_simple("SELECT name, as_of FROM figures WHERE name = 'pools'").rows

    db.atomically(lambda tx: store.keep(tx, quick_store.figures(tx, datetime.now(UTC) - timedelta(hours=1))))

    assert sql.execute_simple("SELECT name, as_of FROM figures WHERE name = 'pools'").rows == before


def test_a_figure_of_another_form_is_not_counted_yet(member: FunctionClient, sql: Connection) -> None:
    """As a release before has kept it."""
    worked_out()
    sql.execute_simple("""UPDATE figures SET value = '{"queue": 1}' WHERE name = 'payout_pipeline'""")

    body = member.get("/v1/insights/systems").body

    assert body["payout_pipeline"] is None
    assert body["reasons"]["payout_pipeline"] == "It has not been counted yet."


def test_the_overview_says_what_is_there(member: FunctionClient, sql: Connection) -> None:
    for _ in range(3):
        factories.member()
    factories.set_scan_counter(7_492)
    put(sql, "feed_items", kind="comp_paid", text="Someone was paid $100.", amount=100_000_000, dedupe_key="a",
        happened_at=datetime.now(UTC), code="someone_was_paid", params={"amount": "100.00"})  # fmt: skip
    worked_out()

    body = member.get("/v1/insights/overview").body

    assert (body["global_scan_count"], body["members"], body["growth_percent"]) == (7_492, 4, None)
    assert body["reasons"]["growth_percent"] == "There is nothing yet that it could be reckoned from."
    progress = {each["prize"]: each for each in body["milestone_progress"]}
    assert (progress["crypto_100"]["next_number"], progress["crypto_100"]["remaining"]) == (7_500, 8)
    assert progress["crypto_100"]["percent"] == 98.4
    assert (progress["crypto_1k"]["next_number"], progress["crypto_1k"]["remaining"]) == (7_500, 8)
    assert [(line["kind"], line["amount"]) for line in body["live_feed"]] == [("comp_paid", 100.0)]
    assert body["payouts_last_24h"] == {"count": 0, "amount": 0.0}


def test_the_feed_of_partners_has_their_lines_and_the_members_feed_has_all(
    member: FunctionClient, sql: Connection
) -> None:
    assert member.get("/v1/insights/partners").body["feed"] == []
    began = datetime.now(UTC)
    kinds = ["match_earned", "comp_paid", "week_shared", "wholesale_comp_awarded", "match_earned"]
    for back, kind in enumerate(kinds):
        put(sql, "feed_items", kind=kind, text=kind, amount=1_000_000, dedupe_key=str(back),
            happened_at=began - timedelta(minutes=back), params={})  # fmt: skip
    memory.forget()

    partners, overview = (member.get(f"/v1/insights/{page}").body for page in ("partners", "overview"))

    assert [line["kind"] for line in partners["feed"]] == [kind for kind in kinds if kind != "comp_paid"]
    assert [line["kind"] for line in overview["live_feed"]] == kinds
    assert "feed" not in partners["reasons"]
    matches = member.get("/v1/insights/feed?kind=match_earned").body["items"]
    assert [line["id"] for line in matches] == [partners["feed"][0]["id"], partners["feed"][-1]["id"]]


def test_tiers_are_those_of_the_quarter_or_for_good(client: Client) -> None:
    now = datetime.now(UTC)
    quarter = f"{now.year}-Q{(now.month + 2) // 3}"
    for tier, permanent in ((Tier.VIP, Tier.STANDARD), (Tier.VIP, Tier.WHALE), (Tier.STANDARD, Tier.HIGH_ROLLER)):
        factories.quarter(factories.member(permanent_tier=permanent), tier, 9, quarter)
    worked_out()

    body = client(factories.member().token).get("/v1/insights/systems").body
    partners = client(factories.member().token).get("/v1/insights/partners").body

    assert [(each["tier"], each["members"]) for each in body["tier_distribution"]] == [
        ("standard", 0), ("vip", 1), ("high_roller", 1), ("whale", 1),
    ]  # fmt: skip
    assert [each["percent"] for each in body["tier_distribution"]] == [0.0, 33.4, 33.3, 33.3]
    assert [(each["tier"], each["tins"], each["holders"]) for each in partners["permanent_tiers"]] == [
        ("vip", 210, 0), ("high_roller", 2_100, 1), ("whale", 21_000, 1),
    ]  # fmt: skip


def test_while_the_count_is_being_compared_it_is_null_and_all_else_is_shown(
    client: Client, member: FunctionClient, sql: Connection
) -> None:
    worked_out()
    sql.execute_simple("UPDATE scan_counter SET lineage = 'another database'")

    for body in (member.get("/v1/insights/overview").body, client().get("/v1/insights/public").body):
        assert body["global_scan_count"] is None
        assert body["milestone_progress"] is None
        assert "compared" in body["reasons"]["global_scan_count"]
        assert body["tins_per_month"] == 0


def test_the_public_page_shows_nothing_that_members_are_not_shown(client: Client, member: FunctionClient) -> None:
    worked_out()
    public = client().get("/v1/insights/public")
    assert public.headers["Cache-Control"] == "public, max-age=30"

    shown: dict[str, Any] = {}
    for page in PAGES:
        shown |= member.get(f"/v1/insights/{page}").body
    changes = {"milestone_progress", "global_scan_count", "live_feed", "comps_paid"} | BESIDE

    for field, value in public.body.items():
        if field not in changes:
            assert value == shown[field], field
    assert public.body["comps_paid"]["count"] == sum(part["count"] for part in shown["payout_ledger"])
    assert public.body["milestone_progress"] == shown["milestone_progress"]


@pytest.mark.parametrize("page", [*PAGES, "public"])
def test_a_client_that_has_the_page_gets_304(
    page: str, member: FunctionClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "FRESH_SECONDS", 60.0)
    first = member.get(f"/v1/insights/{page}")
    assert first.headers["ETag"].startswith('W/"')

    again = member.send("GET", f"/v1/insights/{page}", headers={"If-None-Match": first.headers["ETag"]})

    assert again.status == 304
    assert again.body is None


@pytest.mark.parametrize("page", [*PAGES, "feed"])
def test_the_pages_are_for_members(page: str, client: Client) -> None:
    assert client().get(f"/v1/insights/{page}").problem == "token-missing"


@pytest.mark.parametrize(
    "query",
    ["overview?from=2026-01-01", "treasury?days=36500", "systems?from=2026-12-01&to=2026-01-01",
     "comps?metric=revenue", "partners?zone=America/Reno", "feed?kind=scan", "feed?kind=", "feed?limit=0",
     "feed?cursor=x", "feed?from=1926-01-01", "scans?period=century", "public?since=1926"],
)  # fmt: skip
def test_what_no_page_knows_is_refused_and_changes_nothing(query: str, member: FunctionClient, sql: Connection) -> None:
    worked_out()
    before = rows_of_all_tables(sql)

    answer = member.get(f"/v1/insights/{query}")

    assert (answer.status, answer.problem) == (422, "not-valid")
    named = query.partition("?")[2].split("&")
    assert {error["field"] for error in answer.body["errors"]} == {f"/{one.partition('=')[0]}" for one in named}
    assert rows_of_all_tables(sql) == before


def test_every_figure_has_a_period_for_which_it_is_fresh(sql: Connection) -> None:
    worked_out()
    kept = {name for (name,) in sql.execute_simple("SELECT name FROM figures").rows}
    assert kept == {name.value for name in Name}
