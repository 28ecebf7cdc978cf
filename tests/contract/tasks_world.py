"""An embedded Cloud Tasks for contract tests, behind Google's own client, with a clock that stands still."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from google.cloud.tasks_v2 import CloudTasksClient, Task

from emulators.identity import Identity
from emulators.process import wait_until
from emulators.tasks import CloudTasks

LOCATION = "projects/contract/locations/us-central1"
WAIT_SECONDS_MAX = 10.0
QUICK = {"min_backoff": {"nanos": 10_000_000}, "max_backoff": {"nanos": 10_000_000}}

_numbers = itertools.count(1)


@dataclass
class Clock:
    """A clock that moves only when it is told to."""

    time: datetime = datetime(2026, 11, 29, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


@dataclass
class World:
    """A running service, its client, and unused names."""

    service: CloudTasks
    clock: Clock
    identity: Identity
    client: CloudTasksClient = field(init=False)

    def __post_init__(self) -> None:
        transport = CloudTasksClient.get_transport_class("grpc")
        self.client = CloudTasksClient(transport=transport(channel=grpc.insecure_channel(self.service.host)))

    def queue(self, **settings: Any) -> str:
        queue = {"name": new_queue_name(), **settings}
        return self.client.create_queue({"parent": LOCATION, "queue": queue}).name

    def create(self, queue: str, url: str, name: str = "", **settings: Any) -> Task:
        task = {"name": f"{queue}/tasks/{name}" if name else "", "http_request": {"url": url}} | settings
        return self.client.create_task({"parent": queue, "task": task}, timeout=WAIT_SECONDS_MAX)

    def move(self, **change: float) -> None:
        self.clock.time += timedelta(**change)
        self.service.wake()

    def drain(self) -> None:
        self.service.drain(WAIT_SECONDS_MAX)

    def wait_until(self, task: str, holds: Callable[[Task], bool]) -> Task:
        """The task, once it is as wanted."""
        wait_until(lambda: holds(self.client.get_task(name=task)), task, WAIT_SECONDS_MAX)
        return self.client.get_task(name=task)


def new_queue_name() -> str:
    return f"{LOCATION}/queues/queue-{next(_numbers)}"


@contextmanager
def running(identity: Identity, clock: Clock | None = None) -> Iterator[World]:
    """A running service, with the real time unless a clock is given."""
    service = CloudTasks(identity.mint, clock.now) if clock else CloudTasks(identity.mint)
    service.start()
    world = World(service, clock or Clock(), identity)
    yield world
    world.client.transport.close()  # type: ignore[no-untyped-call]  # the client leaves it untyped
    service.stop()
