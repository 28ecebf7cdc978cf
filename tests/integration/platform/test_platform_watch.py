"""Each minute the platform says how it is, whatever state it is in."""

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from functions.platform_watch import main
from shared import clock, db, events, log
from shared.events import MailQueued
from shared.ports import dead_letters
from shared.ports.polygon import chain
from shared.ports.polygon.chain import BlockTimes
from shared.ports.polygon.failures import ChainUnreachable
from tests.client import answer_of, app
from tests.fakes.chain import FakeChain
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import PayoutRows
from tests.platform import Platform

pytest_plugins = ["tests.fakes.payout_plugin"]

NOW = datetime.now(UTC)
PLATFORM, CHAIN, TREASURY = "the platform was watched", "the chain was watched", "a treasury was watched"


class TimedChain(FakeChain):
    """A chain whose blocks are as old as the test says."""

    head_age = timedelta(seconds=2)
    finalized_age = timedelta(seconds=7)

    def block_times(self) -> BlockTimes:
        return self._or_unreachable("block_times", clock.now())

    def _or_unreachable(self, method: str, now: datetime) -> BlockTimes:
        if method in self.unreachable:
            raise ChainUnreachable(f"{method} answers nothing")
        return BlockTimes(now - self.head_age, now - self.finalized_age)


@dataclass
class Watch:
    """Runs the job and reads its lines."""

    nodes: TimedChain
    written: io.StringIO

    def lines(self, now: datetime = NOW) -> dict[str, list[dict[str, Any]]]:
        """The log lines by their message."""
        self.written.truncate(0)
        self.written.seek(0)
        main.watch(now)
        found: dict[str, list[dict[str, Any]]] = {}
        for line in map(json.loads, self.written.getvalue().splitlines()):
            found.setdefault(line["message"], []).append(line)
        return found

    def platform(self, now: datetime = NOW) -> dict[str, Any]:
        (line,) = self.lines(now)[PLATFORM]
        return line


@pytest.fixture
def watch(database: str, sql: Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    assert database
    sql.execute_simple(f"UPDATE signing_keys SET created_at = '{NOW.isoformat()}'")
    ((token,),) = sql.execute_simple("SELECT DISTINCT token_address FROM treasuries").rows
    nodes = TimedChain(token)
    monkeypatch.setattr(chain, "connect", lambda: nodes)
    monkeypatch.setattr(dead_letters, "WAIT_SECONDS_MAX", 0.2)
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(log.logger().handlers[0].formatter)
    log.logger().addHandler(handler)
    yield Watch(nodes, written)
    log.logger().removeHandler(handler)


def test_a_platform_at_rest_has_nothing_old(watch: Watch) -> None:
    said = watch.platform()
    del said["time"]

    assert said == {
        "severity": "INFO",
        "message": PLATFORM,
        "outbox_rows": 0,
        "outbox_age_seconds": 0,
        "oldest_payout_seconds": 0,
        "held_payouts": 0,
        "paused_treasuries": 0,
        "access_key_days_left": 120,
    }


def test_the_outbox_is_as_old_as_its_oldest_row_that_is_not_published(watch: Watch, sql: Connection) -> None:
    def put(made: datetime, event: MailQueued) -> None:
        db.atomically(lambda tx: events.emit(tx, made, event))

    for minutes in (9, 5, 1):
        made = NOW - timedelta(minutes=minutes)
        put(made, MailQueued(mail_id=uuid4()))
    sql.execute_simple("UPDATE outbox SET published_at = created_at WHERE id = (SELECT min(id) FROM outbox)")

    found = watch.platform()

    assert (found["outbox_rows"], found["outbox_age_seconds"]) == (2, 300)


def test_a_payout_is_as_old_as_its_request_until_it_is_paid_cancelled_or_held(watch: Watch, rows: PayoutRows) -> None:
    payout_driver = PayoutDriver(watch.nodes)
    payout = payout_driver.request()
    later = clock.now() + timedelta(hours=2)
    assert 7199 <= watch.platform(later)["oldest_payout_seconds"] <= 7201

    rows.hold(payout)
    found = watch.platform(later)
    assert (found["oldest_payout_seconds"], found["held_payouts"]) == (0, 1)

    rows.cancel(payout)
    assert watch.platform(later)["held_payouts"] == 0


def test_a_pause_shows_as_long_as_it_lasts(watch: Watch, rows: PayoutRows) -> None:
    rows.pause()
    assert watch.platform()["paused_treasuries"] == 1
    rows.unpause()
    assert watch.platform()["paused_treasuries"] == 0


def test_the_access_key_has_a_quarter_and_a_month(watch: Watch, sql: Connection) -> None:
    assert watch.platform(NOW + timedelta(days=106))["access_key_days_left"] == 14
    assert watch.platform(NOW + timedelta(days=400))["access_key_days_left"] < 0
    sql.execute_simple("UPDATE signing_keys SET retired_at = created_at")
    assert watch.platform()["access_key_days_left"] == -1


def test_head_and_finality_have_their_age(watch: Watch) -> None:
    watch.nodes.head_age, watch.nodes.finalized_age = timedelta(minutes=3), timedelta(minutes=15)
    (line,) = watch.lines()[CHAIN]
    assert 180 <= line["head_age_seconds"] <= 182
    assert 900 <= line["finalized_age_seconds"] <= 902


def test_every_treasury_tells_whole_usdt_and_thousandths_of_a_coin(watch: Watch, sql: Connection) -> None:
    ((address,),) = sql.execute_simple("SELECT address FROM signers WHERE treasury = 'member'").rows
    watch.nodes.mint(address, 2_999_999)
    watch.nodes.gas[address.lower()] = 1_999_999_999_999_999_999
    watch.nodes.mine(5)

    found = {line["treasury"]: (line["usdt"], line["gas_milli"]) for line in watch.lines()[TREASURY]}

    assert found["member"] == (2, 1999)
    assert set(found) == {"affiliate", "member", "shop", "wholesale"}


@pytest.mark.parametrize("silent", ["block_times", "token_balance", "gas_balance"])
def test_nodes_that_do_not_answer_take_their_own_figures_away_and_no_others(watch: Watch, silent: str) -> None:
    watch.nodes.unreachable = {silent}
    found = watch.lines()
    assert found[PLATFORM]
    assert (CHAIN in found) == (silent != "block_times")
    assert TREASURY not in found
    assert [line["severity"] for line in found["the chain cannot be watched"]] == ["WARNING"]


def test_the_scheduler_calls_it(watch: Watch, platform: Platform) -> None:
    headers = {"Authorization": f"Bearer {platform.invoker_token('platform_watch')}"}
    response = app("platform_watch").test_client().post("/", json={"schedule": "watch"}, headers=headers)
    assert answer_of(response).status == 204
    assert PLATFORM in watch.written.getvalue()


def test_each_minute_is_kept_once_with_whether_all_has_answered(watch: Watch, sql: Connection) -> None:
    watch.lines(NOW)
    watch.lines(NOW)  # the schedule may call twice
    watch.nodes.unreachable.add("block_times")
    watch.lines(NOW + timedelta(minutes=1))

    kept = sql.execute_simple("SELECT minute, is_up, probe_ms >= 0 FROM watch_minutes ORDER BY minute").rows
    minute = NOW.replace(second=0, microsecond=0)
    assert kept == [[minute, True, True], [minute + timedelta(minutes=1), False, True]]
