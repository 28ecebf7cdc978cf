"""The public counter document: total, pace and velocity, never going back, by one writer, about once a second."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.cloud.firestore import Client
from pg8000.dbapi import Connection

from functions.feed_project import main
from functions.scan_rollup import main as rollup
from shared import config
from tests import factories
from tests.fakes.scan_rows import insert_scans

pytest_plugins = ["tests.contract.firestore_plugin"]

Run = Callable[[float], None]

COUNTER = "counters/scans"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SEEN_SECONDS_MAX = 5.0


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """The schedule's work for some seconds, twenty times as fast."""
    monkeypatch.setenv("COUNTER_SECONDS", "0.05")

    def tick(seconds: float) -> None:
        monkeypatch.setenv("COUNTER_RUN_SECONDS", str(seconds))
        config.read.cache_clear()
        main.tick_counter(NOON)

    return tick


def shown(listeners: Client) -> dict[str, Any]:
    found: dict[str, Any] = listeners.document(COUNTER).get().to_dict() or {}
    return found


@contextmanager
def watched(listeners: Client) -> Iterator[list[dict[str, Any]]]:
    """Every version that a listener sees meanwhile."""
    versions: list[dict[str, Any]] = []
    begun = threading.Event()

    def heard(documents: list[Any], _changes: list[Any], _read_time: object) -> None:
        versions.extend(data for document in documents if (data := document.to_dict()))
        begun.set()

    watch = listeners.document(COUNTER).on_snapshot(heard)
    assert begun.wait(SEEN_SECONDS_MAX)
    yield versions
    deadline = time.monotonic() + SEEN_SECONDS_MAX
    while time.monotonic() < deadline and (not versions or versions[-1] != shown(listeners)):
        time.sleep(0.05)
    watch.unsubscribe()  # type: ignore[no-untyped-call] # the client leaves it untyped


def test_it_says_what_the_counter_and_the_rollups_say(listeners: Client, run: Run, sql: Connection) -> None:
    factories.set_scan_counter(509)
    insert_scans(sql, [(NOON - timedelta(minutes=1), 12)] * 9)
    rollup.catch_up()
    sql.execute_unnamed("UPDATE scan_rollup_position SET as_of = $1", (NOON,))

    run(0.1)

    document = shown(listeners)
    assert document["total"] == 509
    assert document["per_second"] == 0.0
    assert document["velocity"] == {
        "per_minute": 9, "per_hour": 9, "peak_per_minute": 9, "peak_at": NOON - timedelta(minutes=1),
        "processing_ms_average": 12, "processing_ms_p95": 12, "as_of": NOON,
    }  # fmt: skip


def test_what_does_not_change_is_written_once(listeners: Client, run: Run) -> None:
    factories.set_scan_counter(5)
    with watched(listeners) as versions:
        run(0.6)

    assert len(versions) == 1


def test_a_velocity_that_changes_without_a_scan_is_shown(listeners: Client, run: Run, sql: Connection) -> None:
    insert_scans(sql, [(NOON - timedelta(minutes=1), 12)] * 9)
    rollup.catch_up()
    sql.execute_unnamed("UPDATE scan_rollup_position SET as_of = $1", (NOON,))
    run(0.1)
    assert shown(listeners)["velocity"]["per_minute"] == 9

    sql.execute_unnamed("UPDATE scan_rollup_position SET as_of = $1", (NOON + timedelta(minutes=1),))
    run(1.3)  # of one total, a second's last version may have to wait for the next second

    assert shown(listeners)["velocity"]["per_minute"] == 0
    assert shown(listeners)["velocity"]["per_hour"] == 9


def test_when_scans_stop_clients_are_told_to_stop_counting(
    listeners: Client, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "IDLE_SECONDS", 0.3)
    with watched(listeners) as versions, ThreadPoolExecutor(1) as threads:
        ticking = threads.submit(run, 2.5)
        time.sleep(0.4)
        factories.set_scan_counter(40)
        ticking.result()

    assert [version["total"] for version in versions] == [0, 40, 40]
    paces = [version["per_second"] for version in versions]
    assert paces[0] == paces[2] == 0.0
    assert 40 / 2.5 < paces[1] < 40 / 0.2


def test_it_never_goes_back(listeners: Client, run: Run) -> None:
    factories.set_scan_counter(100)
    run(0.1)
    factories.set_scan_counter(90)  # as a writer sees it that was asleep
    run(0.2)
    assert shown(listeners)["total"] == 100

    factories.set_scan_counter(101)
    run(0.2)

    assert shown(listeners)["total"] == 101


def test_a_run_that_ends_lets_the_next_one_write_at_once(listeners: Client, run: Run) -> None:
    run(0.1)
    factories.set_scan_counter(3)

    run(0.2)

    assert shown(listeners)["total"] == 3


def test_of_two_runs_one_writes_and_no_faster_than_it_ticks(listeners: Client, run: Run) -> None:
    stop = threading.Event()

    def scan() -> None:
        for total in range(1, 10_000):
            if stop.wait(0.002):
                return
            factories.set_scan_counter(total)

    with watched(listeners) as versions, ThreadPoolExecutor(3) as threads:
        scanning = threads.submit(scan)
        runs = [threads.submit(run, 1.0) for _ in range(2)]
        for ticking in runs:
            ticking.result()
        stop.set()
        scanning.result()

    totals = [version["total"] for version in versions]
    assert totals == sorted(totals)
    assert 3 <= len(versions) <= 21  # a second of a twentieth each
