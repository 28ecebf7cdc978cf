"""The clock goes on only when outbox, messages and tasks are done, also those that follow from others."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue

import pytest

from emulators import settled
from emulators.identity import Identity
from emulators.pubsub import PubSub
from tests.contract import pubsub_world, tasks_world
from tests.contract.pubsub_endpoint import Endpoint

SECONDS_MAX = 10.0


class Outbox:
    """Rows that are not published, and the newest one's number."""

    def __init__(self) -> None:
        self.unpublished = 0
        self.newest = 0
        self.asked = 0

    def add(self) -> None:
        self.unpublished += 1
        self.newest += 1

    def __call__(self) -> tuple[int, int]:
        self.asked += 1
        return self.unpublished, self.newest


@pytest.fixture
def identity() -> Identity:
    return Identity()


@pytest.fixture
def pubsub(identity: Identity) -> Iterator[PubSub]:
    broker = PubSub(identity.mint)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def tasks(identity: Identity) -> Iterator[tasks_world.World]:
    with tasks_world.running(identity) as world:
        yield world


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as made:
        yield made


def test_a_row_that_is_not_published_is_waited_for(pubsub: PubSub, tasks: tasks_world.World) -> None:
    outbox = Outbox()
    outbox.add()
    with pytest.raises(TimeoutError, match="1 rows of the outbox are not published"):
        settled.wait(outbox, pubsub, tasks.service, 0.2)

    def publish() -> None:
        outbox.unpublished = 0

    threading.Timer(0.2, publish).start()
    settled.wait(outbox, pubsub, tasks.service, SECONDS_MAX)
    assert outbox.unpublished == 0


def test_a_message_whose_receiver_makes_a_task_is_waited_for_with_the_task(
    pubsub: PubSub, tasks: tasks_world.World, endpoint: Endpoint
) -> None:
    outbox, done, queue = Outbox(), SimpleQueue[str](), tasks.queue()
    world = pubsub_world.World(pubsub.host)
    topic = world.topic()
    world.push(topic, f"{endpoint.url}/message")

    def answer(request: object) -> int:
        path = getattr(request, "path", "")
        threading.Event().wait(0.2)
        if path == "/message":
            outbox.newest += 1
            tasks.create(queue, f"{endpoint.url}/task")
        done.put(path)
        return 204

    endpoint.answer = answer
    world.publish(topic, b"{}")
    settled.wait(outbox, pubsub, tasks.service, SECONDS_MAX)
    world.close()

    assert [done.get(), done.get()] == ["/message", "/task"]


def test_tasks_of_later_and_those_that_failed_are_not_waited_for(
    pubsub: PubSub, tasks: tasks_world.World, endpoint: Endpoint
) -> None:
    endpoint.answer = lambda _: 500
    slow = {"min_backoff": {"seconds": 60}, "max_backoff": {"seconds": 60}}
    tasks.create(tasks.queue(retry_config=slow), endpoint.url)
    endpoint.wait_for(1)

    settled.wait(Outbox(), pubsub, tasks.service, SECONDS_MAX)

    assert tasks.service.next_due() is None  # it was tried: the next moment at which the clock stops finds it due
    soon = datetime.now(UTC) + timedelta(hours=1)
    for due in (soon + timedelta(hours=1), soon):
        tasks.create(tasks.queue(), endpoint.url, schedule_time=due)
    assert tasks.service.next_due() == soon
    settled.wait(Outbox(), pubsub, tasks.service, SECONDS_MAX)
