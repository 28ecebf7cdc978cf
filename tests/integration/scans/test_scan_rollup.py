"""Rollups are what counting all scans gives, whatever the runs: in batches, twice, at once, late, broken off."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pg8000.dbapi import Connection

from functions.scan_rollup import main, store
from shared import db
from shared.scans import histogram, velocity
from tests import factories
from tests.client import FunctionClient
from tests.fakes.invoker import FunctionInvoker
from tests.fakes.scan_rows import NOON, expected_rollups, insert_scans, random_scans, rollups
from tests.platform import Platform


class Killed(BaseException):
    """The process ends here: no code catches this exception."""


@pytest.fixture(autouse=True)
def _small_and_brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "BATCH", 7)
    monkeypatch.setenv("ROLLUP_RUN_SECONDS", "0")


def test_they_are_what_counting_gives(sql: Connection) -> None:
    insert_scans(sql, random_scans(200))

    main.roll_up(NOON)

    assert rollups(sql) == expected_rollups(sql)
    assert len(rollups(sql)) > 150


def test_scans_that_come_between_the_runs_are_added(sql: Connection) -> None:
    made = random_scans(120, hours=1)
    for start in range(0, 120, 11):
        insert_scans(sql, made[start : start + 11])
        main.catch_up()

    assert rollups(sql) == expected_rollups(sql)


def test_twice_is_as_once(sql: Connection) -> None:
    insert_scans(sql, random_scans(50))
    main.roll_up(NOON)
    once = rollups(sql)

    main.roll_up(NOON)

    assert rollups(sql) == once


def test_runs_at_once_add_each_scan_once(sql: Connection) -> None:
    made = random_scans(300, hours=2)

    with ThreadPoolExecutor(8) as threads:
        running = [threads.submit(main.catch_up) for _ in range(8)]
        for start in range(0, 300, 30):
            insert_scans(sql, made[start : start + 30])
            running += [threads.submit(main.catch_up) for _ in range(4)]
        for run in running:
            run.result()
    main.catch_up()

    assert rollups(sql) == expected_rollups(sql)


@pytest.mark.parametrize("at", ["lock_position", "save", "move"])
@pytest.mark.parametrize("time", [1, 3])
def test_a_run_that_is_broken_off_is_finished_by_the_next(
    at: str, time: int, monkeypatch: pytest.MonkeyPatch, sql: Connection
) -> None:
    insert_scans(sql, random_scans(40, hours=1))
    original: Callable[..., Any] = getattr(store, at)
    calls = 0

    def dying(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == time:
            raise Killed
        return original(*arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(store, at, dying)
        with pytest.raises(Killed):
            main.catch_up()
    assert rollups(sql) != expected_rollups(sql)

    main.catch_up()

    assert rollups(sql) == expected_rollups(sql)


def test_a_run_leaves_alone_what_another_is_at(sql: Connection) -> None:
    insert_scans(sql, random_scans(5))
    with db.transaction() as other:
        assert store.lock_position(other)
        main.catch_up()
        assert rollups(sql) == []

    main.catch_up()

    assert rollups(sql) == expected_rollups(sql)


def test_minutes_are_forgotten_after_eight_days_and_nothing_else(sql: Connection) -> None:
    old = [(NOON - timedelta(days=20, minutes=number), 5) for number in range(3)]
    insert_scans(sql, [*old, *random_scans(30)])

    main.roll_up(NOON)

    assert rollups(sql) == expected_rollups(sql)
    periods = [row[0] for row in rollups(sql) if row[1] < NOON - timedelta(days=15)]
    assert periods == ["day", "hour", "hour"]


def test_while_it_is_days_behind_no_minute_is_forgotten_that_still_grows(
    monkeypatch: pytest.MonkeyPatch, sql: Connection
) -> None:
    monkeypatch.setattr(main, "ROUNDS_MAX", 1)
    peak = [(NOON - timedelta(days=30), 5)] * 20
    insert_scans(sql, [*peak, *random_scans(10)])

    for _ in range(6):
        main.roll_up(NOON)

    assert rollups(sql) == expected_rollups(sql)
    days = [row for row in rollups(sql) if row[0] == "day"]
    assert days[0][5:] == [20, NOON - timedelta(days=30)]


def test_old_minutes_are_forgotten_a_bounded_number_at_a_time(monkeypatch: pytest.MonkeyPatch, sql: Connection) -> None:
    monkeypatch.setattr(main, "PURGED_MAX", 2)
    insert_scans(sql, [*((NOON - timedelta(days=20, minutes=number), 5) for number in range(5)), (NOON, 5)])

    left = []
    for _ in range(4):
        main.roll_up(NOON)
        left.append(sum(row[0] == "minute" for row in rollups(sql)))

    assert left == [4, 2, 1, 1]


def test_scans_made_through_the_api_are_counted(
    client: Callable[..., FunctionClient], platform: Platform, sql: Connection
) -> None:
    member = client(factories.member().token)
    for code in factories.manufactured_codes(3):
        assert member.post("/v1/scans/submit", {"code": code}).status == 201

    assert FunctionInvoker(platform.invoker_token).schedule("scan_rollup", "roll-up") == 204

    assert rollups(sql) == expected_rollups(sql)
    assert sum(row[2] for row in rollups(sql) if row[0] == "day") == 3


def rolled_up_at(sql: Connection, as_of: datetime) -> velocity.ScanVelocity:
    """As a run at that moment would have left it."""
    main.catch_up()
    sql.execute_unnamed("UPDATE scan_rollup_position SET as_of = $1", (as_of,))
    return db.atomically(velocity.find)


def test_the_velocity_is_of_full_minutes_and_todays_peak(sql: Connection) -> None:
    minute = timedelta(minutes=1)
    insert_scans(
        sql,
        [
            (NOON - 61 * minute, 1_000),  # too old for the hour
            *[(NOON - 60 * minute, 10)] * 4,
            *[(NOON - 2 * minute, 10)] * 9,
            *[(NOON - minute, 10)] * 5,
            *[(NOON + timedelta(seconds=1), 40)] * 2,  # the minute is not over
        ],
    )

    found = rolled_up_at(sql, NOON + timedelta(seconds=20))

    assert (found.per_minute, found.per_hour) == (5, 18)
    assert (found.peak_per_minute, found.peak_at) == (9, NOON - 2 * minute)
    assert found.processing_ms_average == 13  # eighteen of 10 and two of 40
    assert found.processing_ms_p95 == histogram.upper_bound(histogram.bucket_of(40))
    assert found.as_of == NOON + timedelta(seconds=20)


def test_yesterdays_peak_is_not_todays(sql: Connection) -> None:
    midnight = datetime(2026, 11, 22, tzinfo=UTC)
    insert_scans(sql, [*[(midnight - timedelta(seconds=30), 10)] * 9, (midnight + timedelta(seconds=1), 10)])

    found = rolled_up_at(sql, midnight + timedelta(seconds=5))

    assert (found.per_minute, found.peak_per_minute, found.peak_at) == (9, 1, midnight)


def test_without_scans_there_is_nothing_to_speak_of(sql: Connection) -> None:
    found = rolled_up_at(sql, NOON)

    assert (found.per_minute, found.per_hour, found.peak_per_minute) == (0, 0, 0)
    assert (found.peak_at, found.processing_ms_average, found.processing_ms_p95) == (None, None, None)


def test_as_of_says_up_to_when_all_scans_are_counted(monkeypatch: pytest.MonkeyPatch, sql: Connection) -> None:
    monkeypatch.setattr(main, "ROUNDS_MAX", 1)
    made = [(NOON + timedelta(seconds=number), 5) for number in range(10)]
    insert_scans(sql, made)

    main.catch_up()
    behind = db.atomically(velocity.find).as_of
    before = datetime.now(UTC)
    main.catch_up()

    assert behind == made[6][0]  # the batch was full: what comes after it is not known
    assert before <= db.atomically(velocity.find).as_of <= datetime.now(UTC)


def test_the_next_scans_are_found_by_their_numbers(sql: Connection) -> None:
    insert_scans(sql, random_scans(50))
    sql.execute_simple("SET enable_seqscan = off")  # of fifty rows, an index is not worth it by itself
    plan = sql.execute_simple(
        "EXPLAIN SELECT number, scanned_at, processing_ms FROM scans WHERE number > 540 ORDER BY number LIMIT 7"
    ).rows
    lines = [str(line) for (line,) in plan if " on scans_" in str(line)]
    assert len(lines) > 36
    assert all("_number_idx on scans_" in line for line in lines)
