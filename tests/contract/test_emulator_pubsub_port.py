"""Does `shared.ports.pubsub` publish what it is given, in order, from any thread and after a fork?"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.ports import pubsub
from tests.contract.pubsub_world import PROJECT, World, bodies

pytest_plugins = ["tests.contract.pubsub_plugin"]

GOOGLES_LACKS: dict[str, tuple[str, ...]] = {}
ROOT = Path(__file__).parents[2]
CHILD_SECONDS_MAX = 30.0
PUBLISH_AFTER_FORK = """
import os, sys
from shared.ports import pubsub

child = os.fork()
if child == 0:
    pubsub.publish(sys.argv[1], [pubsub.Message(b"from the child")])
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
IMPORT_ONLY = """
import sys
import shared.ports.pubsub, shared.ports.tasks, shared.ports.identity

sys.exit(any(name in sys.modules for name in ("grpc", "google.auth", "google.pubsub_v1", "requests")))
"""


@pytest.fixture
def connected(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The world the port publishes to."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", world.host)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", PROJECT)
    yield world
    pubsub.close()


def short(name: str) -> str:
    return name.rpartition("/")[2]


def run_python(script: str, *arguments: str) -> int:
    command = [sys.executable, "-c", script, *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, timeout=CHILD_SECONDS_MAX, check=False).returncode


def test_it_answers_with_the_ids_in_the_order_of_the_messages(connected: World) -> None:
    topic = connected.topic()
    subscription = connected.subscription(topic)
    messages = [pubsub.Message(str(number).encode(), ordering_key=f"member-{number % 3}") for number in range(9)]
    message_ids = pubsub.publish(short(topic), messages)
    stored = {received.message.message_id: received.message.data for received in connected.pull_all(subscription, 9)}
    assert [stored[message_id] for message_id in message_ids] == [message.data for message in messages]


def test_it_publishes_attributes_and_key(connected: World) -> None:
    topic = connected.topic()
    subscription = connected.subscription(topic)
    pubsub.publish(short(topic), [pubsub.Message(b"body", {"kind": "scan"}, "member-1")])
    [received] = connected.pull_all(subscription, 1)
    assert (received.message.data, received.message.ordering_key) == (b"body", "member-1")
    assert dict(received.message.attributes) == {"kind": "scan"}


def test_it_keeps_the_order_of_a_key(connected: World) -> None:
    topic = connected.topic()
    subscription = connected.subscription(topic, enable_message_ordering=True)
    sent = [str(number).encode() for number in range(10)]
    pubsub.publish(short(topic), [pubsub.Message(body, ordering_key="member-1") for body in sent])
    assert bodies(connected.pull_all(subscription, 10)) == sent


def test_it_publishes_more_than_fits_one_request(connected: World) -> None:
    topic = connected.topic()
    subscription = connected.subscription(topic)
    assert len(pubsub.publish(short(topic), [pubsub.Message(b"x")] * 1001)) == 1001
    assert len(pubsub.publish(short(topic), [pubsub.Message(b"x" * 6_000_000)] * 2)) == 2
    assert len(connected.pull_all(subscription, 1003)) == 1003


def test_it_publishes_nothing_when_there_is_nothing(connected: World) -> None:
    assert pubsub.publish(short(connected.topic()), []) == []


@pytest.mark.usefixtures("connected")
def test_it_says_which_messages_failed() -> None:
    with pytest.raises(pubsub.PublishFailed, match="2 of 2") as failed:
        pubsub.publish("no-such-topic", [pubsub.Message(b"x"), pubsub.Message(b"y", ordering_key="k")])
    assert failed.value.message_ids == [None, None]


def test_it_keeps_the_ids_of_what_was_published_when_a_part_fails(connected: World) -> None:
    topic = connected.topic()
    with pytest.raises(pubsub.PublishFailed, match="1 of 2") as failed:
        pubsub.publish(short(topic), [pubsub.Message(b"fine"), pubsub.Message(b"", ordering_key="empty")])
    published, missing = failed.value.message_ids
    assert (published is not None, missing) == (True, None)


def test_it_can_be_used_by_many_threads_at_once(connected: World) -> None:
    topic = connected.topic()
    subscription = connected.subscription(topic)
    pubsub.close()
    threads = [threading.Thread(target=pubsub.publish, args=(short(topic), [pubsub.Message(b"x")])) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(connected.pull_all(subscription, 16)) == 16


def test_it_can_be_used_again_after_closing(connected: World) -> None:
    topic = connected.topic()
    pubsub.publish(short(topic), [pubsub.Message(b"x")])
    pubsub.close()
    assert len(pubsub.publish(short(topic), [pubsub.Message(b"x")])) == 1


def test_a_child_forked_after_the_import_publishes(connected: World) -> None:
    topic = connected.topic()
    subscription = connected.subscription(topic)
    assert run_python(PUBLISH_AFTER_FORK, short(topic)) == 0
    assert bodies(connected.pull_all(subscription, 1)) == [b"from the child"]


def test_importing_the_ports_loads_no_vendor_client() -> None:
    assert run_python(IMPORT_ONLY) == 0
