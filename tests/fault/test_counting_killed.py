"""Jobs that count scans or close a quarter are killed on their way: the next run leaves what one that lives would."""

import signal
from datetime import UTC, datetime, timedelta

import pytest
from pg8000.dbapi import Connection

from shared.values.tiers import Tier
from tests import factories
from tests.fakes.invoker import FunctionInvoker
from tests.fakes.scan_rows import expected_rollups, insert_scans, rollups
from tests.fault.conftest import ForkedWorkers
from tests.platform import Platform

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SCANS = 2_500  # more than a batch
FALLING = 105  # likewise


@pytest.fixture
def invoker(platform: Platform) -> FunctionInvoker:
    return FunctionInvoker(platform.invoker_token)


@pytest.mark.parametrize(
    ("point", "days_counted"), [("rolled up, before the commit", 0), ("rolling up, between two batches", 2_000)]
)
def test_scans_are_counted_once(
    point: str,
    days_counted: int,
    forked_workers: ForkedWorkers,
    invoker: FunctionInvoker,
    sql: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ROLLUP_RUN_SECONDS", "0")
    insert_scans(sql, [(NOON + timedelta(seconds=number // 3), number % 50) for number in range(SCANS)])

    ended = forked_workers.deliver(point, "scan_rollup", "", {"schedule": "roll-up"})
    assert ended["ended"] == -signal.SIGKILL
    assert sum(row[2] for row in rollups(sql) if row[0] == "day") == days_counted

    assert invoker.schedule("scan_rollup", "roll-up") == 204
    assert rollups(sql) == expected_rollups(sql)


@pytest.mark.parametrize(
    ("point", "told"),
    [("told that a tier ended, before the commit", 0), ("telling that tiers ended, between two batches", 100)],
)
def test_the_end_of_a_tier_is_told_once(
    point: str, told: int, forked_workers: ForkedWorkers, invoker: FunctionInvoker, sql: Connection
) -> None:
    for _ in range(FALLING):
        factories.quarter(factories.member(), Tier.VIP, 7, "2025-Q4")
    notified = "SELECT count(*), count(DISTINCT member_id) FROM notifications"

    ended = forked_workers.deliver(point, "tier_rollover", "", {"schedule": "close"})
    assert ended["ended"] == -signal.SIGKILL
    assert sql.execute_simple(notified).rows == [[told, told]]

    assert invoker.schedule("tier_rollover", "close") == 204
    assert sql.execute_simple(notified).rows == [[FALLING, FALLING]]
    assert sql.execute_simple("SELECT count(*) FROM tier_history WHERE kind = 'ended'").rows == [[FALLING]]
    assert sql.execute_simple("SELECT sum(unread) FROM inboxes").rows == [[FALLING]]
