"""The live numbers for everybody, and the history per hour and day, from rollups alone."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from pg8000.dbapi import Connection

from functions.insights import memory
from functions.scan_rollup import main as rollup
from shared.scans import histogram
from tests import factories
from tests.client import FunctionClient
from tests.fakes.scan_rows import expected_rollups, insert_scans, random_scans, rollups
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def rolled_up(sql: Connection, as_of: datetime = NOON) -> None:
    rollup.catch_up()
    sql.execute_unnamed("UPDATE scan_rollup_position SET as_of = $1", (as_of,))


def test_the_live_numbers_need_no_sign_in(client: Client, sql: Connection) -> None:
    factories.set_scan_counter(511)
    insert_scans(sql, [*[(NOON - timedelta(seconds=30), 20)] * 8, *[(NOON - timedelta(minutes=30), 20)] * 3])
    rolled_up(sql)

    answer = client().get("/v1/insights/live")

    assert answer.status == 200
    assert answer.body["total"] == 511
    assert answer.body["velocity"] == {
        "per_minute": 8, "per_hour": 11, "peak_per_minute": 8, "peak_at": "2026-11-22T11:59:00Z",
        "processing_ms_average": 20, "processing_ms_p95": histogram.upper_bound(histogram.bucket_of(20)),
        "as_of": "2026-11-22T12:00:00Z",
    }  # fmt: skip
    assert abs(datetime.fromisoformat(answer.body["as_of"]) - datetime.now(UTC)) < timedelta(minutes=1)


def test_before_the_first_scan_there_are_numbers_too(client: Client) -> None:
    answer = client().get("/v1/insights/live")

    assert (answer.body["total"], answer.body["velocity"]["per_minute"]) == (0, 0)
    assert answer.body["velocity"]["processing_ms_p95"] is None


def test_within_a_second_everybody_gets_the_same_answer(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "FRESH_SECONDS", 60.0)
    first = client().get("/v1/insights/live")
    factories.set_scan_counter(7)

    again = client().get("/v1/insights/live")

    assert again.body == first.body
    assert again.headers["Cache-Control"] == "public, max-age=1"
    monkeypatch.setattr(memory, "FRESH_SECONDS", 0.0)
    later = client().get("/v1/insights/live")
    assert later.body["total"] == 7
    assert later.body["as_of"] > first.body["as_of"]


def test_no_figure_is_counted_from_the_scans_themselves(client: Client, sql: Connection) -> None:
    insert_scans(sql, random_scans(20))
    rolled_up(sql)
    member = client(factories.member().token)
    live, hours = client().get("/v1/insights/live").body, member.get("/v1/insights/scans").body
    sql.execute_simple("DELETE FROM scans")
    memory.forget()

    assert client().get("/v1/insights/live").body["velocity"] == live["velocity"]
    assert member.get("/v1/insights/scans").body == hours
    assert hours["items"]


@pytest.mark.parametrize("period", ["hour", "day"])
def test_the_history_is_newest_first_in_pages(period: str, client: Client, sql: Connection) -> None:
    insert_scans(sql, random_scans(150, hours=60))
    rolled_up(sql)
    member = client(factories.member().token)

    seen, cursor = [], ""
    for _ in range(20):
        page = member.get(f"/v1/insights/scans?period={period}&limit=7{cursor}").body
        seen += page["items"]
        cursor = f"&cursor={page['next_cursor']}"
        if page["next_cursor"] is None:
            break

    expected = [row for row in reversed(expected_rollups(sql)) if row[0] == period]
    assert rollups(sql) == expected_rollups(sql)
    assert [(datetime.fromisoformat(item["starts_at"]), item["scans"]) for item in seen] == [
        (row[1], row[2]) for row in expected
    ]
    assert [(item["peak_per_minute"], datetime.fromisoformat(item["peak_at"])) for item in seen] == [
        (row[5], row[6]) for row in expected
    ]
    assert [item["processing_ms_average"] for item in seen] == [round(row[3] / row[2]) for row in expected]


@pytest.mark.parametrize(("later", "over"), [(-1, [False, False, True]), (0, [False, True, True])])
def test_a_period_is_over_when_all_its_scans_are_counted(
    client: Client, sql: Connection, later: int, over: list[bool]
) -> None:
    insert_scans(sql, [(NOON - timedelta(minutes=90), 5), (NOON - timedelta(minutes=30), 5), (NOON, 5)])
    rolled_up(sql, NOON + timedelta(microseconds=later))
    member = client(factories.member().token)

    hours = member.get("/v1/insights/scans").body["items"]
    days = member.get("/v1/insights/scans?period=day").body["items"]

    assert [hour["is_over"] for hour in hours] == over
    assert [day["is_over"] for day in days] == [False]


def test_the_95th_percentile_is_within_a_bucket_of_the_exact_one(client: Client, sql: Connection) -> None:
    insert_scans(sql, [(NOON, ms) for _, ms in random_scans(200)])
    rolled_up(sql)
    exact = sql.execute_simple("SELECT percentile_disc(0.95) WITHIN GROUP (ORDER BY processing_ms) FROM scans").rows

    (hour,) = client(factories.member().token).get("/v1/insights/scans").body["items"]

    assert histogram.bucket_of(hour["processing_ms_p95"]) == histogram.bucket_of(int(exact[0][0]))


def test_the_history_is_for_members(client: Client) -> None:
    assert client().get("/v1/insights/scans").problem == "token-missing"


@pytest.mark.parametrize(
    "query",
    ["period=minute", "period=week", "period=", "period=HOUR", "period=hour&period=day", "limit=0", "limit=101",
     "limit=x", "cursor=x", "since=2026"],
)  # fmt: skip
def test_wrong_questions_are_told_what_is_wrong(query: str, client: Client, sql: Connection) -> None:
    member = client(factories.member().token)
    before = rows_of_all_tables(sql)

    answer = member.get(f"/v1/insights/scans?{query}")

    assert (answer.status, answer.problem) == (422, "not-valid")
    assert [error["field"] for error in answer.body["errors"]] == [f"/{query.partition('=')[0]}"]
    assert rows_of_all_tables(sql) == before
