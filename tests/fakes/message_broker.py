"""The embedded Pub/Sub and Cloud Tasks with every topic and queue of the functions, where messages arrive and stay.

Each topic has a pull subscription in place of the functions, and every queue is paused, so that a test can read what
arrived.
"""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.cloud.tasks_v2 import CloudTasksClient, Task
from google.pubsub_v1 import SubscriberClient

from emulators import cloud, contract
from emulators.identity import Identity
from emulators.pubsub import PubSub
from emulators.tasks import CloudTasks
from shared import events
from shared.ports import pubsub, tasks

PULLED_MAX = 1000
CALL_SECONDS_MAX = 10.0
LOCATION = f"projects/{cloud.PROJECT}/locations/{cloud.LOCATION}"


@dataclass(frozen=True)
class ReceivedMessage:
    """A message or a task: its destination, the outbox row that it carries, and its body."""

    destination: str
    outbox_id: int
    body: dict[str, Any]


@dataclass
class MessageBroker:
    """Reads the messages and tasks that have arrived so far."""

    pubsub: PubSub
    tasks: CloudTasks

    @property
    def settings(self) -> dict[str, str]:
        """The settings with which the ports find the two services."""
        return {"PUBSUB_EMULATOR_HOST": self.pubsub.host, "CLOUD_TASKS_EMULATOR_HOST": self.tasks.host}

    def messages(self) -> list[ReceivedMessage]:
        """Every message that has arrived; they are removed."""
        with grpc.insecure_channel(self.pubsub.host) as channel:
            client = SubscriberClient(transport=SubscriberClient.get_transport_class("grpc")(channel=channel))
            return [message for topic in topics() for message in _pulled(client, topic)]

    def queued(self) -> list[ReceivedMessage]:
        """Every task that has arrived."""
        with grpc.insecure_channel(self.tasks.host) as channel:
            client = _tasks_client(channel)
            view = Task.View.FULL
            return [
                ReceivedMessage(queue, int(_id(task.name).split("-")[1]), json.loads(task.http_request.body))
                for queue in queues()
                for task in client.list_tasks(
                    {"parent": _queue(queue), "response_view": view}, timeout=CALL_SECONDS_MAX
                )
            ]


@contextmanager
def opened(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> Iterator[MessageBroker]:
    """The services to which this process publishes, until its last wake-up has arrived."""
    broker = MessageBroker(PubSub(identity.mint), CloudTasks(identity.mint))
    broker.pubsub.start()
    broker.tasks.start()
    try:
        cloud.make_topics(broker.pubsub.host)
        cloud.make_queues(broker.tasks.host)
        _subscribe(broker.pubsub.host)
        _pause(broker.tasks.host)
        for name, value in broker.settings.items():
            monkeypatch.setenv(name, value)
        _forget()
        yield broker
        assert events.wait_until_woken(CALL_SECONDS_MAX)
    finally:
        _forget()
        broker.tasks.stop()
        broker.pubsub.stop()


def _forget() -> None:
    pubsub.close()
    tasks.close()


def topics() -> list[str]:
    """The topics that a function listens to."""
    return sorted({topic for function in contract.functions().values() for topic in function.topics})


def queues() -> list[str]:
    return sorted({queue.name for function in contract.functions().values() for queue in function.queues})


def _pulled(client: SubscriberClient, topic: str) -> list[ReceivedMessage]:
    subscription = f"projects/{cloud.PROJECT}/subscriptions/test.{topic}"
    request = {"subscription": subscription, "max_messages": PULLED_MAX, "return_immediately": True}
    found: list[ReceivedMessage] = []
    while True:
        # This flag is deprecated for receiving, but it is the only way to look without waiting.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            some = client.pull(request, timeout=CALL_SECONDS_MAX).received_messages
        if not some:
            return found
        client.acknowledge(subscription=subscription, ack_ids=[message.ack_id for message in some])
        for received in some:
            carried = int(received.message.attributes.get("outbox_id", 0))
            found.append(ReceivedMessage(topic, carried, json.loads(received.message.data)))


def _subscribe(host: str) -> None:
    with grpc.insecure_channel(host) as channel:
        client = SubscriberClient(transport=SubscriberClient.get_transport_class("grpc")(channel=channel))
        for topic in topics():
            name = f"projects/{cloud.PROJECT}/subscriptions/test.{topic}"
            client.create_subscription({"name": name, "topic": f"projects/{cloud.PROJECT}/topics/{topic}"})


def _pause(host: str) -> None:
    with grpc.insecure_channel(host) as channel:
        client = _tasks_client(channel)
        for queue in queues():
            client.pause_queue(name=_queue(queue))


def _tasks_client(channel: grpc.Channel) -> CloudTasksClient:
    return CloudTasksClient(transport=CloudTasksClient.get_transport_class("grpc")(channel=channel))


def _queue(name: str) -> str:
    return f"{LOCATION}/queues/{name}"


def _id(task_name: str) -> str:
    return task_name.rpartition("/")[2]
