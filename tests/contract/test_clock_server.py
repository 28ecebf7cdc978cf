"""The operation that moves the stack's clock: its refusals, which move nothing, and its answers."""

import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from emulators.advancing import Advance
from emulators.clock_server import PATH, ClockServer, Rules
from emulators.cloud import PROJECT
from emulators.scheduler import Entry, Scheduler
from tests.contract.pubsub_endpoint import Endpoint, Received

BEGIN = datetime(2026, 12, 31, 12, tzinfo=UTC)
JSON = {"Content-Type": "application/json"}
DAILY = "10 0 * * *"


@dataclass
class World:
    """A clock server whose clock stands still; what it is told of the database and of what is under way."""

    endpoint: Endpoint
    project: str | None = PROJECT
    can_wait: bool = True
    time: datetime = BEGIN
    settle: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        self.settle.set()
        scheduler = Scheduler([Entry("daily", DAILY, f"{self.endpoint.url}/a-job", "x")], lambda _: "t", self.now)
        scheduler.start()
        self.scheduler = scheduler
        advance = Advance(
            scheduler,
            now=self.now,
            move=self.move,
            rest=lambda: None,
            settle=self.wait,
            next_task=lambda: None,
            mine=lambda: None,
        )
        rules = Rules(lambda: self.project, can_wait=self.can_wait)
        self.server = ClockServer(advance, rules, portion_seconds=5.0)
        self.server.start()

    def stop(self) -> None:
        self.settle.set()
        self.server.stop()
        self.scheduler.stop()

    def now(self) -> datetime:
        return self.time

    def move(self, moment: datetime) -> None:
        self.time = moment

    def wait(self, seconds_max: float) -> None:
        if not self.settle.wait(seconds_max):
            raise TimeoutError("1 row of the outbox is not published")

    def ask(
        self, body: object, method: str = "POST", path: str = PATH, headers: Mapping[str, str] = JSON
    ) -> tuple[int, dict[str, Any], Mapping[str, str]]:
        connection = http.client.HTTPConnection(urlsplit(self.server.url).netloc, timeout=20)
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, raw, dict(headers))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, json.loads(content), dict(answer.getheaders())

    def refused(self, body: object, **given: Any) -> tuple[int, str]:
        """The status and the problem's name; the clock has not moved."""
        status, problem, headers = self.ask(body, **given)
        assert self.time == BEGIN
        assert headers["content-type"] == "application/problem+json"
        assert problem["status"] == status
        return status, problem["type"].removeprefix("/problems/")


@pytest.fixture
def world() -> Iterator[World]:
    with Endpoint() as endpoint:
        made = World(endpoint)
        made.start()
        yield made
        made.stop()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", (400, "body-not-readable")),
        (b"{", (400, "body-not-readable")),
        (b"\xff", (400, "body-not-readable")),
        ([], (422, "not-valid")),
        ({}, (422, "not-valid")),
        ({"to": None}, (422, "not-valid")),
        ({"to": 1}, (422, "not-valid")),
        ({"to": ""}, (422, "not-valid")),
        ({"to": "tomorrow"}, (422, "not-valid")),
        ({"to": "2027-03-31"}, (422, "not-valid")),
        ({"to": "2027-03-31T00:00:00"}, (422, "not-valid")),
        ({"to": "2027-02-30T00:00:00Z"}, (422, "not-valid")),
        ({"to": "2027-01-01T00:00:00Z", "by": "me"}, (422, "not-valid")),
        ({"to": "2028-01-02T12:00:00Z"}, (422, "not-valid")),
        ({"to": "9999-12-31T23:59:59Z"}, (422, "not-valid")),
        ({"to": "2026-12-31T11:59:59Z"}, (409, "clock-only-goes-forward")),
        ({"to": "0001-01-01T00:00:00+14:00"}, (422, "not-valid")),
    ],
)
def test_a_bad_request_moves_nothing(body: object, said: tuple[int, str], world: World) -> None:
    assert world.refused(body) == said


def test_other_ways_to_ask_move_nothing(world: World) -> None:
    body = {"to": "2027-01-01T00:00:00Z"}
    assert world.refused(body, headers={"Content-Type": "text/plain"}) == (415, "content-type-not-supported")
    assert world.refused(body, headers={}) == (415, "content-type-not-supported")
    assert world.refused(body, method="GET") == (405, "method-not-allowed")
    assert world.refused(body, path="/v1/test-clock") == (404, "not-found")
    assert world.refused({"to": "2027" + "0" * 5_000}) == (413, "body-too-large")


@pytest.mark.parametrize("project", ["blakjaks-prod", None])
def test_a_database_that_is_not_the_local_ones_refuses(project: str | None, world: World) -> None:
    world.project = project
    assert world.refused({"to": "2027-01-01T00:00:00Z"}) == (409, "database-not-local")


def test_a_pubsub_that_cannot_be_waited_for_refuses() -> None:
    with Endpoint() as endpoint:
        other = World(endpoint, can_wait=False)
        other.start()
        assert other.refused({"to": "2027-01-01T00:00:00Z"}) == (409, "deliveries-not-known")
        other.stop()


def test_it_says_how_far_it_has_come_and_the_same_request_again_is_harmless(world: World) -> None:
    world.endpoint.answer = lambda _: 500
    body = {"to": "2027-01-02T00:00:00+00:00"}

    status, made, _ = world.ask(body)

    assert (status, made) == (
        200,
        {
            "now": "2027-01-02T00:00:00Z",
            "is_there": True,
            "steps": 2,
            "calls": 1,
            "failures": [
                {"at": "2027-01-01T00:10:00Z", "function": "a_job", "schedule": "daily", "status": 500},
            ],
        },
    )
    world.time += timedelta(seconds=3)  # real time goes on
    status, again, _ = world.ask(body)
    assert (status, again["is_there"], again["calls"]) == (200, True, 0)
    assert world.ask({"to": "2027-01-02T00:00:01Z"})[1]["type"] == "/problems/clock-only-goes-forward"


def test_of_two_at_once_one_is_refused(world: World) -> None:
    world.settle.clear()
    body, answers = {"to": "2027-01-02T00:00:00Z"}, list[int]()
    first = threading.Thread(target=lambda: answers.append(world.ask(body)[0]))
    first.start()
    while not world.server._one.locked():
        threading.Event().wait(0.01)

    assert world.refused(body) == (409, "clock-is-advancing")

    world.settle.set()
    first.join()
    assert answers == [200]


def test_what_does_not_end_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulators.advancing.SETTLE_SECONDS_MAX", 0.1)
    world.settle.clear()

    status, problem, headers = world.ask({"to": "2027-01-02T00:00:00Z"})

    assert (status, problem["type"], problem["detail"]) == (
        503,
        "/problems/not-settled",
        "1 row of the outbox is not published",
    )
    assert headers["Retry-After"] == "5"
    world.settle.set()
    assert world.ask({"to": "2027-01-02T00:00:00Z"})[1]["is_there"]


def test_the_end_of_the_stack_ends_it(world: World) -> None:
    called = threading.Event()

    def slow(_: Received) -> int:
        called.set()
        world.settle.clear()
        return 204

    world.endpoint.answer = slow
    answers: list[int] = []
    asking = threading.Thread(target=lambda: answers.append(world.ask({"to": "2027-03-01T00:00:00Z"})[0]))
    asking.start()
    assert called.wait(10)
    world.server.stop()
    asking.join()

    assert world.time == datetime(2027, 1, 1, 0, 10, tzinfo=UTC)
