"""Scans under load while what does them dies: the function, the thread that leads a group, Postgres.

Clients repeat a request with its key until they have an answer. Afterwards the numbers are contiguous, every success
that a client saw is in the table, no code is used twice, and no award is lost or doubled.
"""

import ctypes
import gc
import http.client
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from emulators import cloud
from shared.values.tiers import Tier
from shared.web.group_commit import GroupCommitter
from tests import factories
from tests.client import FunctionClient, app
from tests.factories import Somebody
from tests.fakes.function_server import PATIENCE_SECONDS, FunctionServer, opened
from tests.platform import Platform

CLIENTS = 16
SCANS = 480  # some seconds of work
START = 7_400  # the scans cross 7,500, where $1,000 waits
KILLS = 3
PAUSE_SECONDS = 0.02
KILL_SECONDS_MAX = 1.0
KILL_EVERY = SCANS // (KILLS + 1)

Scan = Callable[[Somebody, str, str], tuple[int, Any]]


@dataclass
class Load:
    """The answers that the clients have seen."""

    scan: Scan
    members: list[Somebody]
    codes: list[str]
    receipts: list[dict[str, Any]] = field(default_factory=list)
    again: int = 0

    def run(self, kill: Callable[[], None]) -> None:
        """All codes, each until it is answered; `kill` is called each time some more are."""
        with ThreadPoolExecutor(CLIENTS) as threads:
            clients = [threads.submit(self._client, position) for position in range(CLIENTS)]
            for number in range(1, KILLS + 1):
                while len(self.receipts) < number * KILL_EVERY and not all(client.done() for client in clients):
                    time.sleep(0.001)
                kill()
            for client in clients:
                client.result()

    def _client(self, position: int) -> None:
        for code in self.codes[position::CLIENTS]:
            self.receipts.append(self._until_answered(self.members[position], code))

    def _until_answered(self, member: Somebody, code: str) -> dict[str, Any]:
        key, ends_at = str(uuid4()), time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < ends_at:
            try:
                status, body = self.scan(member, code, key)
            except (OSError, http.client.HTTPException, SystemExit):
                status, body = 0, None
            if 0 < status < 500:
                assert status == 201, body
                return dict(body)
            self.again += 1
            time.sleep(PAUSE_SECONDS)
        raise TimeoutError(code)


@pytest.fixture
def load(sql: Connection) -> Callable[[Scan], Load]:
    """Whales, their codes, and an unlocked prize within reach."""
    members = [factories.member(permanent_tier=Tier.WHALE) for _ in range(CLIENTS)]
    codes = factories.manufactured_codes(SCANS)
    factories.set_scan_counter(START)
    sql.execute_simple("UPDATE sales_volume SET tins_per_month = 2500")
    return lambda scan: Load(scan, members, codes)


def check(sql: Connection, load: Load) -> None:
    """The world after the load."""
    numbers = [row[0] for row in sql.execute_simple("SELECT number FROM scans ORDER BY number").rows]
    assert numbers == list(range(START + 1, START + SCANS + 1))
    assert sql.execute_simple("SELECT value FROM scan_counter").rows == [[START + SCANS]]
    seen = {receipt["scan_id"]: receipt["scan_number"] for receipt in load.receipts}
    stored = {str(row[0]): row[1] for row in sql.execute_simple("SELECT id, number FROM scans").rows}
    assert seen == stored
    assert sql.execute_simple("SELECT count(DISTINCT code_mac) FROM scans").rows == [[SCANS]]
    assert sql.execute_simple("SELECT count(*) FROM codes WHERE status = 'scanned'").rows == [[SCANS]]
    assert sql.execute_simple("SELECT sum(scans) FROM member_totals").rows == [[SCANS]]
    assert sql.execute_simple("SELECT sum(scans) FROM member_quarters").rows == [[SCANS]]
    comps = sql.execute_simple("SELECT scan_number, amount FROM comps ORDER BY scan_number").rows
    assert comps == [[7_500, 1_000_000_000]]
    assert [r["usdt_earned"] for r in load.receipts if r["scan_number"] == 7_500] == [1_000]
    assert sql.execute_simple("SELECT count(*) FROM notifications WHERE type = 'comp'").rows == [[1]]
    owed = "SELECT sum(balance)::bigint FROM ledger_balances WHERE account = 'owed:member'"
    assert sql.execute_simple(owed).rows == [[1_000_000_000]]


def scan_at(server: FunctionServer) -> Scan:
    return lambda member, code, key: server.post("/v1/scans/submit", member, {"code": code}, key)


def test_the_function_dies_under_load(
    platform: Platform, sql: Connection, load: Callable[[Scan], Load], tmp_path: Path
) -> None:
    with opened("scans", platform, tmp_path, CLIENTS) as server:
        under_way = load(scan_at(server))
        under_way.run(server.kill)
    assert under_way.again >= KILLS
    check(sql, under_way)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_postgres_crashes_under_load(
    platform: Platform, database: str, load: Callable[[Scan], Load], tmp_path: Path
) -> None:
    """One backend is killed: the server ends all of them, recovers from its log and starts again."""
    with cloud.superuser(platform.postgres, database) as connection:
        connection.execute_simple(f"ALTER DATABASE {database} SET synchronous_commit = on")

    def crash() -> None:
        with cloud.superuser(platform.postgres, database) as connection:
            backends = connection.execute_simple(
                "SELECT pid FROM pg_stat_activity WHERE usename = 'functions' AND datname = current_database()"
            ).rows
        os.kill(backends[0][0], signal.SIGKILL)

    with opened("scans", platform, tmp_path, CLIENTS) as server:
        under_way = load(scan_at(server))
        under_way.run(crash)
    assert under_way.again >= KILLS
    with cloud.superuser(platform.postgres, database) as connection:
        check(connection, under_way)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_thread_that_leads_a_group_dies_under_load(
    client: Callable[..., FunctionClient], sql: Connection, load: Callable[[Scan], Load]
) -> None:
    def scan(member: Somebody, code: str, key: str) -> tuple[int, Any]:
        answer = client(member.token).post("/v1/scans/submit", {"code": code}, **{"Idempotency-Key": key})
        return answer.status, answer.body

    app("scans")
    gc.unfreeze()  # an earlier file may have imported the function (tests/conftest.py)
    gatherers = [made for made in gc.get_objects() if isinstance(made, GroupCommitter)]
    killed: list[int] = []

    def kill() -> None:
        ends_at = time.monotonic() + KILL_SECONDS_MAX
        while time.monotonic() < ends_at:
            for leader in [made._leader for made in gatherers if made._group]:
                if leader and leader.ident:
                    thread, death = ctypes.c_ulong(leader.ident), ctypes.py_object(SystemExit)
                    killed.append(ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, death))
                    return

    under_way = load(scan)
    under_way.run(kill)
    assert 1 in killed
    assert under_way.again >= sum(killed)
    check(sql, under_way)
