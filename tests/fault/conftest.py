"""The platform with a chain that mines on request, functions that can be killed, and deliveries from the outbox."""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from emulators.chain.node import ChainNode, Transfer
from emulators.contract import ROOT
from emulators.firestore import Firestore
from shared import clock, db
from shared.comps import awards
from shared.comps.awards import Award
from shared.ports import firestore
from shared.values.money import Usdt
from shared.values.prizes import CompType
from tests import factories
from tests.factories import Somebody
from tests.fakes.invoker import FunctionInvoker
from tests.fault.outbox import OutboxDeliverer
from tests.platform import Platform

PRIZE = Usdt.of(100)
TREASURY = Usdt.of(10_000)
GAS_WEI = 10**20
WORKERS_STOP_SECONDS_MAX = 10.0

_numbers = itertools.count(1)


@dataclass
class ForkedWorkers:
    """A process of its own that forks one worker for each delivery, and the points at which workers stop or die."""

    process: subprocess.Popen[str]
    token: Any

    def deliver(self, point: str, function: str, queue: str, body: Mapping[str, object]) -> dict[str, int]:
        """Deliver a task (or, without a queue, an envelope) that ends at `point`; returns {"pid", "ended"}."""
        headers = {"Authorization": f"Bearer {self.token(function)}", "Content-Type": "application/json"}
        if queue:
            headers |= {"X-CloudTasks-TaskName": f"doomed-{next(_numbers)}", "X-CloudTasks-QueueName": queue}
        order = {"environment": dict(os.environ), "function": function, "headers": headers, "point": point}
        return self._ask({**order, "body": json.dumps(body)})

    def watch(self, pid: int) -> dict[str, int]:
        """Wait for a child that had stopped; returns {"pid", "ended"}."""
        return self._ask({"wait": pid})

    def _ask(self, order: Mapping[str, object]) -> dict[str, int]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer: dict[str, int] = json.loads(self.process.stdout.readline())
        return answer


@dataclass
class World:
    """A test's treasury, members and comps, and their state."""

    chain: ChainNode
    outbox: OutboxDeliverer
    invoker: FunctionInvoker
    platform: Platform
    sql: Connection
    snapshot: str
    clock_file: Path
    winners: list[Somebody] = field(default_factory=list)

    @property
    def signer(self) -> str:
        return str(self.rows("SELECT address FROM signers WHERE treasury = 'member' AND status = 'active'")[0][0])

    def rows(self, query: str) -> list[list[Any]]:
        return list(self.sql.execute_simple(query).rows)

    def win(self, amount: Usdt = PRIZE) -> UUID:
        """A new member with a wallet wins; returns the payout's id."""
        winner = factories.member(wallet=f"0xAb{next(_numbers):038x}")
        self.winners.append(winner)
        source = f"fault-{next(_numbers)}"
        given = Award(winner.id, CompType.CRYPTO_100, amount, "manual", source, {})
        db.atomically(lambda tx: awards.award(tx, given, clock.now()))
        return UUID(str(self.rows("SELECT id FROM payouts ORDER BY requested_at DESC, id LIMIT 1")[0][0]))

    def state(self, payout: UUID) -> str:
        return str(self.rows(f"SELECT state FROM payouts WHERE id = '{payout}'")[0][0])

    def all_paid(self) -> bool:
        return self.rows("SELECT DISTINCT state FROM payouts") == [["PAID"]]

    def transfers(self) -> list[Transfer]:
        """The transfers out of the member treasury, in chain order."""
        return [moved for moved in self.chain.transfers() if moved.sender == self.signer]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainNode]:
    """A chain that mines when told to."""
    started = ChainNode(block_time_seconds=None, log=tmp_path_factory.mktemp("chain") / "chain.log")
    started.start()
    started.deploy_usdt()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def firestore_server() -> Iterator[Firestore]:
    """The Firestore that feed_project writes to."""
    server = Firestore()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def forked_workers(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkedWorkers]:
    log = tmp_path_factory.mktemp("forked-workers") / "children.log"
    command = [sys.executable, "-m", "tests.fault.forked_workers", str(log)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        yield ForkedWorkers(process, platform.invoker_token)
        assert process.stdin
        process.stdin.close()
        process.wait(WORKERS_STOP_SECONDS_MAX)


@pytest.fixture
def world(
    platform: Platform,
    node: ChainNode,
    firestore_server: Firestore,
    sql: Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    """The test's world; at its end the chain is set back to what it was before."""
    snapshot = node.snapshot()
    clock_file = tmp_path / "clock"
    invoker = FunctionInvoker(platform.invoker_token)
    outbox = OutboxDeliverer(invoker, sql, node, clock_file)
    made = World(node, outbox, invoker, platform, sql, snapshot, clock_file)
    monkeypatch.setenv("RPC_URLS", node.url)
    monkeypatch.setenv("CLOCK_FILE", str(clock_file))
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_server.host)
    monkeypatch.setenv("CONFIRM_POLL_SECONDS", "0")
    sql.execute_simple(f"UPDATE treasuries SET token_address = '{node.usdt}'")
    node.fund_gas(made.signer, GAS_WEI)
    node.mint(made.signer, TREASURY.micro)
    node.mine(3)  # so that the balance is finalized
    platform.mail.clear()
    firestore.close()
    yield made
    firestore.close()
    node.rpc("anvil_dropAllTransactions")
    node.revert(snapshot)


@pytest.fixture
def now() -> datetime:
    return clock.now()
