"""After a restore no number is given again: nobody scans until the count was compared with what was published."""

import io
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from google.cloud.firestore import Client as Listeners
from pg8000.dbapi import Connection

from functions.feed_project import comparing, main, rules
from shared import config, log
from tests import factories
from tests.client import FunctionClient
from tests.fakes.locks import held, until_waiting
from tests.platform import Platform

pytest_plugins = ["tests.contract.firestore_plugin"]

Client = Callable[..., FunctionClient]
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
COUNTER = "counters/scans"
PUBLISHED = 12_345
KEY = {"Idempotency-Key": "one"}
COPY = 12_000  # where the copy counts on from, were it left alone


@pytest.fixture(autouse=True)
def _one_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTER_SECONDS", "0.05")
    monkeypatch.setenv("COUNTER_RUN_SECONDS", "0.02")
    config.read.cache_clear()


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """The lines that are logged."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    log.logger().addHandler(handler)
    yield stream
    log.logger().removeHandler(handler)


@pytest.fixture
def restored(listeners: Listeners, sql: Connection) -> Connection:
    """The count was published, then the database became a copy of an earlier moment, on another server."""
    factories.set_scan_counter(PUBLISHED)
    main.tick_counter(NOW)
    assert total(listeners) == PUBLISHED
    lose(sql)
    return sql


def lose(sql: Connection, counted: int = COPY) -> None:
    sql.execute_unnamed("UPDATE scan_counter SET value = $1, lineage = 'the lost database'", (counted,))


def total(listeners: Listeners) -> int:
    return int((listeners.document(COUNTER).get().to_dict() or {})["total"])


def submit(client: Client) -> Any:
    (code,) = factories.manufactured_codes(1)
    return client(factories.member().token).post("/v1/scans/submit", {"code": code})


def counted(sql: Connection) -> int:
    return int(sql.execute_simple("SELECT value FROM scan_counter").rows[0][0])


def test_scans_stop_by_themselves_and_change_nothing(client: Client, restored: Connection) -> None:
    answer = submit(client)

    assert (answer.status, answer.problem) == (503, "count-is-being-compared")
    assert int(answer.headers["Retry-After"]) > 0
    assert counted(restored) == COPY
    assert restored.execute_simple("SELECT count(*) FROM scans").rows == [[0]]
    assert restored.execute_simple("SELECT count(*) FROM codes WHERE status = 'scanned'").rows == [[0]]
    assert restored.execute_simple("SELECT count(*) FROM idempotency_keys").rows == [[0]]


@pytest.mark.usefixtures("restored")
def test_the_same_request_goes_through_when_the_count_goes_on(client: Client) -> None:
    (code,), me = factories.manufactured_codes(1), client(factories.member().token)
    assert me.post("/v1/scans/submit", {"code": code}, **KEY).status == 503
    main.tick_counter(NOW)

    receipt = me.post("/v1/scans/submit", {"code": code}, **KEY)

    assert receipt.status == 201
    assert receipt.body["scan_number"] == PUBLISHED + rules.MARGIN_MIN + 1


@pytest.mark.usefixtures("restored")
def test_who_shows_the_count_says_so_too(client: Client) -> None:
    me = client(factories.member().token)
    for path in ("/v1/insights/live", "/v1/comps/prizes"):
        answer = me.get(path)
        assert (answer.status, answer.problem) == (503, "count-is-being-compared"), path
        assert answer.headers["Retry-After"]


def test_the_count_goes_on_above_what_was_published(listeners: Listeners, restored: Connection) -> None:
    main.tick_counter(NOW)

    above = PUBLISHED + rules.MARGIN_MIN
    assert counted(restored) == above
    kept = restored.execute_simple(
        "SELECT lineage_before, lineage = database_lineage(), value_before, published, margin, value, source "
        "FROM count_comparisons"
    ).rows
    assert kept == [["the lost database", True, COPY, PUBLISHED, rules.MARGIN_MIN, above, COUNTER]]
    main.tick_counter(NOW)
    assert total(listeners) == above


def test_it_is_compared_once_however_often_and_by_however_many(restored: Connection, platform: Platform) -> None:
    with ThreadPoolExecutor(4) as threads:
        with held(platform, "SELECT FROM scan_counter FOR UPDATE"):
            comparisons = [threads.submit(comparing.compare, NOW) for _ in range(4)]
            until_waiting(restored, 4)
        assert [comparison.result() for comparison in comparisons] == [True] * 4
    assert comparing.compare(NOW)

    assert counted(restored) == PUBLISHED + rules.MARGIN_MIN
    assert restored.execute_simple("SELECT count(*) FROM count_comparisons").rows == [[1]]


@pytest.mark.usefixtures("listeners")
def test_a_copy_that_lost_nothing_leaves_room_too(sql: Connection) -> None:
    factories.set_scan_counter(PUBLISHED)
    main.tick_counter(NOW)
    lose(sql, PUBLISHED + 5)  # five were given after the last publication, and maybe more that are lost

    main.tick_counter(NOW)

    assert counted(sql) == PUBLISHED + rules.MARGIN_MIN


def test_the_room_grows_with_the_busiest_minute(restored: Connection) -> None:
    restored.execute_unnamed(
        """
        INSERT INTO scan_rollups (period, starts_at, scans, processing_ms, histogram, peak_scans, peak_at)
        VALUES ('day', CAST($1 AS timestamptz) - interval '2 days', 90000, 1, '{}', 900, $1)
        """,
        (NOW,),
    )
    main.tick_counter(NOW)
    assert counted(restored) == PUBLISHED + rules.MARGIN_MINUTES * 900


@pytest.mark.usefixtures("listeners")
def test_without_anything_published_people_decide(sql: Connection, client: Client, written: io.StringIO) -> None:
    lose(sql)
    main.tick_counter(NOW)

    assert "the count cannot be compared" in written.getvalue()
    assert submit(client).status == 503
    sql.execute_unnamed("SELECT let_count_go_on(20000, 500, 'receipts of members, by Ada', $1)", (NOW,))
    assert submit(client).body["scan_number"] == 20_501


@pytest.mark.usefixtures("listeners")
def test_what_was_published_long_before_the_copy_decides_nothing(sql: Connection) -> None:
    factories.set_scan_counter(PUBLISHED)
    main.tick_counter(NOW)
    lose(sql, PUBLISHED + rules.MARGIN_MIN + 1)

    assert not comparing.compare(NOW)

    assert counted(sql) == PUBLISHED + rules.MARGIN_MIN + 1
    assert sql.execute_simple("SELECT count(*) FROM count_comparisons").rows == [[0]]


def test_another_database_that_counts_on_is_noticed(listeners: Listeners, written: io.StringIO) -> None:
    factories.set_scan_counter(PUBLISHED)
    main.tick_counter(NOW)
    factories.set_scan_counter(COPY)

    main.tick_counter(NOW)

    assert "a higher count is published than ours" in written.getvalue()
    assert total(listeners) == PUBLISHED


def test_rules_that_changed_before_the_count_went_on_rule_from_there(restored: Connection) -> None:
    restored.execute_simple("UPDATE sales_volume SET tins_per_month = 2500")
    revisions = "SELECT from_number, body -> 'tins_per_month' FROM award_inputs WHERE revision > 1"
    assert restored.execute_simple(revisions).rows == []

    main.tick_counter(NOW)

    assert restored.execute_simple(revisions).rows == [[PUBLISHED + rules.MARGIN_MIN + 1, 2_500]]


def test_scans_that_wait_when_it_goes_on_take_numbers_above(client: Client, restored: Connection) -> None:
    statuses = []
    for _ in range(3):
        statuses.append(submit(client).status)
        main.tick_counter(NOW)
    assert statuses == [503, 201, 201]
    assert restored.execute_simple("SELECT min(number) FROM scans").rows == [[PUBLISHED + rules.MARGIN_MIN + 1]]


@pytest.mark.parametrize(
    "document", [None, {}, {"total": "7", "velocity": {}}, {"total": 7}, {"total": 7, "velocity": None}]
)
def test_a_document_that_is_none_of_ours_says_nothing(document: dict[str, object] | None) -> None:
    assert rules.published(document) is None
