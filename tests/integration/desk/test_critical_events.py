"""Critical events are listed at the desk once, from their real cause to its end, and logged for their kind's alert."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pg8000.dbapi import Connection

from functions.payout_recover import main as payout_recover
from functions.platform_watch import main as platform_watch
from functions.reconciliation import main as reconciliation
from shared import clock, db
from shared.auth import Role
from shared.figures import critical
from shared.ports import dead_letters, pubsub
from shared.ports.polygon import condition
from shared.values.incidents import RUNBOOKS, Cause, CriticalKind
from terraform import hcl
from terraform.operations import dead_letters as operator
from tests import factories
from tests.client import FunctionClient
from tests.fakes.foreign_transfers import THIEF, transfer_from_outside
from tests.fakes.nodes import FakeNodes
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.treasury_admins import PATH, TreasuryAdmin, treasury_admin

pytest_plugins = ["tests.fakes.treasury_plugin"]

Client = Callable[..., FunctionClient]
EVENTS = "/v1/admin/critical-events"
UNKNOWN = "7f3c2a51-9b0e-4c58-8d0a-2f6f0d1b7e43"
LASTS = "a critical event lasts"
METRICS: list[dict[str, Any]] = [
    metric for metric in yaml.safe_load((Path(hcl.HERE) / "metrics.yaml").read_text()) if metric["message"] == LASTS
]


@dataclass
class World:
    """The platform with two nodes, and the people who look at the desk and mend what is wrong."""

    payouts: PayoutDriver
    nodes: FakeNodes
    people: list[TreasuryAdmin]
    desk: FunctionClient
    sql: Connection
    logged: io.StringIO

    @property
    def signer(self) -> str:
        """The key of the member treasury."""
        ((address,),) = self.sql.execute_simple("SELECT address FROM signers WHERE treasury = 'member'").rows
        return str(address)

    def watch(self) -> list[dict[str, Any]]:
        """Run the minute's look; returns its lines about critical events."""
        self.logged.truncate(0)
        self.logged.seek(0)
        platform_watch.watch(clock.now())
        return [line for line in map(json.loads, self.logged.getvalue().splitlines()) if line["message"] == LASTS]

    def listed(self, kind: CriticalKind, state: str = "") -> list[dict[str, Any]]:
        """The events of a kind at the desk."""
        answer = self.desk.get(f"{EVENTS}?limit=100{state and f'&state={state}'}")
        assert answer.status == 200, answer.body
        return [event for event in answer.body["items"] if event["kind"] == kind]


@pytest.fixture
def world(
    payout_driver: PayoutDriver, two_nodes: FakeNodes, client: Client, sql: Connection, logged: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> World:  # fmt: skip
    monkeypatch.setattr(condition, "connect", lambda: two_nodes.all)
    monkeypatch.setattr(dead_letters, "WAIT_SECONDS_MAX", 0.2)
    two_nodes.finish()
    people = [treasury_admin(client) for _ in range(2)]
    desk = client(factories.member(role=Role.OPERATIONS).token)
    return World(payout_driver, two_nodes, people, desk, sql, logged)


@contextmanager
def pause(world: World) -> Iterator[str]:
    world.payouts.chain.token_paused = True
    world.payouts.try_to_send(world.payouts.request())
    yield "member"
    world.payouts.chain.token_paused = False
    assert world.people[0].resume().status == 200


@contextmanager
def discrepancy(world: World) -> Iterator[str]:
    world.nodes.steal(world.signer, 7)
    world.nodes.finish()
    reconciliation.daily(clock.now())
    yield "member"
    admin = world.people[0]
    for finding in admin.client.get(f"{PATH}/findings?state=open").body["items"]:
        body = {"explanation": "the thief is known", "totp": admin.code()}
        assert admin.client.post(f"{PATH}/findings/{finding['id']}/resolve", body).status == 200


@contextmanager
def quarantine(world: World) -> Iterator[str]:
    world.payouts.chain.token_keeps_micro = 1
    payout = world.payouts.request()
    world.payouts.send(payout)
    world.payouts.finalize(payout)
    yield str(payout)
    for person in world.people:
        assert person.approve_payout(payout).status == 200
    payout_recover.advance(clock.now())


@contextmanager
def stolen_key(world: World) -> Iterator[str]:
    payout = world.payouts.request()
    world.payouts.send(payout)
    transfer_from_outside(world.payouts, world.signer, 0, THIEF)
    world.payouts.confirm(payout)
    yield world.signer
    for person in world.people:
        assert person.approve_payout(payout).status == 200
    payout_recover.advance(clock.now())


@contextmanager
def dead_letter(world: World) -> Iterator[str]:
    assert world
    attributes = {"topic": "mail-queued", "outbox_id": "7", dead_letters.RECEIVER: "email-send.mail-queued"}
    pubsub.publish("dead-letters", [pubsub.Message(b"{}", attributes)])
    yield "dead-letters"
    operator.again()


def node_fault(**faults: Any) -> Callable[[World], AbstractContextManager[str]]:
    """The second node has these faults, and then none."""

    @contextmanager
    def happen(world: World) -> Iterator[str]:
        before = {name: getattr(world.nodes.other, name) for name in faults}
        vars(world.nodes.other).update(faults)
        yield "node 2"
        vars(world.nodes.other).update(before)

    return happen


@contextmanager
def fork(world: World) -> Iterator[str]:
    world.nodes.other.forked = True
    yield "all nodes"
    world.nodes.other.forked = False


MINUTES = timedelta(minutes=3)
CAUSES = [
    ("its token is paused", CriticalKind.TREASURY_PAUSED, pause),
    ("books and chain differ", CriticalKind.DISCREPANCY, discrepancy),
    ("a payment moved something else", CriticalKind.QUARANTINE, quarantine),
    ("a nonce was used by a thief", CriticalKind.STOLEN_KEY, stolen_key),
    ("no receiver could handle it", CriticalKind.DEAD_LETTERS, dead_letter),
    ("it is silent", CriticalKind.NODE_SILENT, node_fault(silent=True)),
    ("it refuses", CriticalKind.NODE_SILENT, node_fault(refuses={"eth_blockNumber"})),
    ("it hangs", CriticalKind.NODE_BEHIND, node_fault(hangs=MINUTES)),
    ("it is below the other", CriticalKind.NODE_BEHIND, node_fault(behind=31)),
    ("it synchronises", CriticalKind.NODE_BEHIND, node_fault(is_syncing=True)),
    ("only our other node is its peer", CriticalKind.PEERS_LOST, node_fault(peers=1)),
    ("no milestone comes", CriticalKind.FINALITY_STALLED, node_fault(stalls=MINUTES)),
    ("its final block is above its head", CriticalKind.FINALITY_DISPUTED, node_fault(boasts=20)),
    ("it has another final block", CriticalKind.FINALITY_DISPUTED, fork),
]
each_cause = pytest.mark.parametrize(("kind", "cause"), [pytest.param(*it[1:], id=it[0]) for it in CAUSES])


@each_cause
def test_it_is_listed_once_while_its_cause_lasts_and_has_an_end(
    kind: CriticalKind, cause: Callable[[World], AbstractContextManager[str]], world: World
) -> None:
    world.nodes.chain.mine(30)
    assert world.watch() == []

    with cause(world) as subject:
        for _ in range(2):
            lines = [line for line in world.watch() if line["cause"] == kind]
            assert [(line["subject"], line["severity"]) for line in lines] == [(subject, "ERROR")]
        (event,) = world.listed(kind)
        assert (event["subject"], event["runbook"], event["ended_at"]) == (subject, RUNBOOKS[kind], None)
        assert counted_by(lines[0]) == [f"critical_{kind}"]

    world.watch()
    assert world.listed(kind, "open") == []
    (event,) = world.listed(kind, "ended")
    assert event["ended_at"] >= event["begun_at"]


def counted_by(line: dict[str, Any]) -> list[str]:
    """The metrics of terraform/metrics.yaml whose filter finds the line."""
    return [
        metric["name"]
        for metric in METRICS
        if metric["function"] == "platform_watch"
        and all(line.get(field) == value for field, value in metric["where"].items())
        and set(metric["labels"]) <= line.keys()
    ]


def test_the_second_cause_of_a_kind_is_an_event_of_its_own(world: World) -> None:
    world.nodes.one.peers = 0
    world.watch()
    world.nodes.other.peers = 0
    world.watch()
    world.nodes.one.peers = 9
    world.watch()
    ended = {event["subject"]: event["ended_at"] is not None for event in world.listed(CriticalKind.PEERS_LOST)}
    assert ended == {"node 1": True, "node 2": False}


def test_what_comes_again_is_a_new_event(world: World) -> None:
    for peers in (0, 9, 0):
        world.nodes.one.peers = peers
        world.watch()
    assert len(world.listed(CriticalKind.PEERS_LOST)) == 2
    assert len(world.listed(CriticalKind.PEERS_LOST, "open")) == 1


def test_while_a_node_is_silent_nobody_knows_that_it_has_caught_up(world: World) -> None:
    world.nodes.other.is_syncing = True
    world.watch()
    world.nodes.other.silent = True
    world.watch()
    assert len(world.listed(CriticalKind.NODE_BEHIND, "open")) == 1
    world.nodes.other.silent = world.nodes.other.is_syncing = False
    world.watch()
    assert world.listed(CriticalKind.NODE_BEHIND, "open") == []


def test_a_provider_that_counts_no_peers_and_tells_no_sync_is_well(world: World) -> None:
    world.nodes.one.refuses = {"net_peerCount", "eth_syncing"}
    assert world.watch() == []
    (line, _) = [line for line in map(json.loads, world.logged.getvalue().splitlines()) if "node" in line]
    assert (line["node"], line["peers"], line["syncing"], line["fault"]) == ("node 1", None, None, None)


def test_two_runs_at_once_store_one_event(world: World) -> None:
    cause = Cause(CriticalKind.PEERS_LOST, "node 9", "It has 0 peers.", clock.now())
    with db.transaction() as tx:
        critical.open_events(tx)
        db.atomically(critical.settle, [CriticalKind.PEERS_LOST], [cause], clock.now())
        critical._begin(tx, cause, clock.now())
    assert len(world.listed(CriticalKind.PEERS_LOST)) == 1


def test_a_subject_that_is_cut_is_one_event_however_often_it_is_found(world: World) -> None:
    cause = Cause(CriticalKind.PEERS_LOST, "node " + "9" * 200, "It has 0 peers.", clock.now())
    for _ in range(2):
        db.atomically(critical.settle, [CriticalKind.PEERS_LOST], [cause], clock.now())
    assert len(world.listed(CriticalKind.PEERS_LOST)) == 1


def test_when_pubsub_does_not_answer_the_rest_is_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:9")
    world.nodes.one.peers = 0
    assert [line["cause"] for line in world.watch()] == ["peers_lost"]
    assert "the dead letters cannot be looked at" in world.logged.getvalue()


def test_an_admin_says_once_that_somebody_looks_after_it(world: World, client: Client) -> None:
    world.nodes.one.peers = 0
    world.watch()
    (event,) = world.listed(CriticalKind.PEERS_LOST)
    path = f"{EVENTS}/{event['id']}/acknowledge"

    first = world.desk.post(path, {"note": "I look at the NAT"})
    second = client(factories.member(role=Role.OPERATIONS).token).post(path, {"note": "I too"})

    assert (first.status, first.body["ended_at"]) == (200, None)
    assert second.body["acknowledged_by"] == first.body["acknowledged_by"] is not None
    lines = world.sql.execute_simple("SELECT action, resource_id, changes ->> 'note' FROM audit_logs").rows
    assert lines == [["critical_event.acknowledge", event["id"], "I look at the NAT"]]
    assert [line["cause"] for line in world.watch()] == ["peers_lost"]  # it lasts all the same


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (f"{UNKNOWN}/acknowledge", {"note": "nobody knows it"}, 404),
        ("nonsense/acknowledge", {"note": "no id"}, 404),
        (f"{UNKNOWN}/acknowledge", {"note": ""}, 422),
        (f"{UNKNOWN}/acknowledge", {}, 422),
        (f"{UNKNOWN}/acknowledge", {"note": "well", "ended_at": "now"}, 422),
    ],
)
def test_bad_input_changes_nothing(world: World, path: str, body: dict[str, str], status: int) -> None:
    assert world.desk.post(f"{EVENTS}/{path}", body).status == status
    assert world.sql.execute_simple("SELECT count(*) FROM audit_logs").rows == [[0]]


@pytest.mark.parametrize("query", ["state=closed", "limit=0", "cursor=x", "kind=node_silent"])
def test_a_bad_filter_is_refused(world: World, query: str) -> None:
    assert world.desk.get(f"{EVENTS}?{query}").status == 422
