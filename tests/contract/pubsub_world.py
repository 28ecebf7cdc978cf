"""A Pub/Sub broker for contract tests, behind Google's own clients."""

import itertools
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.pubsub_v1 import PublisherClient, PubsubMessage, ReceivedMessage, SubscriberClient

PROJECT = "contract"
WAIT_SECONDS_MAX = 10.0
PULL_SECONDS = 1.0

_numbers = itertools.count(1)


@dataclass
class World:
    """Clients for one broker, and unused names."""

    host: str

    def __post_init__(self) -> None:
        self._channel = grpc.insecure_channel(self.host, [("grpc.max_receive_message_length", -1)])
        self.publisher = PublisherClient(transport=PublisherClient.get_transport_class("grpc")(channel=self._channel))
        self.subscriber = SubscriberClient(
            transport=SubscriberClient.get_transport_class("grpc")(channel=self._channel)
        )

    def close(self) -> None:
        self._channel.close()

    def topic(self, **settings: Any) -> str:
        return self.publisher.create_topic({"name": new_name("topics"), **settings}).name

    def subscription(self, topic: str, **settings: Any) -> str:
        return self.subscriber.create_subscription({"name": new_name("subscriptions"), "topic": topic, **settings}).name

    def push(self, topic: str, endpoint: str, **settings: Any) -> str:
        return self.subscription(topic, push_config={"push_endpoint": endpoint}, **settings)

    def publish(self, topic: str, *bodies: bytes, key: str = "", **attributes: str) -> list[str]:
        """Publish all bodies in one request, which is not repeated."""
        return self.send(topic, [PubsubMessage(data=body, ordering_key=key, attributes=attributes) for body in bodies])

    def send(self, topic: str, messages: Sequence[PubsubMessage]) -> list[str]:
        request = {"topic": topic, "messages": messages}
        return list(self.publisher.publish(request, retry=None, timeout=WAIT_SECONDS_MAX).message_ids)

    def pull(self, subscription: str, count: int = 100) -> list[ReceivedMessage]:
        """The messages that are deliverable now, without waiting."""
        request = {"subscription": subscription, "max_messages": count, "return_immediately": True}
        # This flag is deprecated for receiving, but it is the only way to look without waiting.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return list(self.subscriber.pull(request, timeout=WAIT_SECONDS_MAX).received_messages)

    def wait_and_pull(self, subscription: str, count: int = 100) -> list[ReceivedMessage]:
        """The next messages, as soon as there are any."""
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        request = {"subscription": subscription, "max_messages": count}
        while time.monotonic() < deadline:
            if found := self.subscriber.pull(request, timeout=PULL_SECONDS, retry=None).received_messages:
                return list(found)
        raise TimeoutError(f"nothing came from {subscription} within {WAIT_SECONDS_MAX} s")

    def pull_all(self, subscription: str, count: int) -> list[ReceivedMessage]:
        """The next `count` messages, each acknowledged when it came."""
        received: list[ReceivedMessage] = []
        while len(received) < count:
            some = self.wait_and_pull(subscription)
            self.acknowledge(subscription, some)
            received += some
        return received

    def acknowledge(self, subscription: str, messages: Sequence[ReceivedMessage]) -> None:
        self.subscriber.acknowledge(subscription=subscription, ack_ids=[message.ack_id for message in messages])

    def hold(self, subscription: str, messages: Sequence[ReceivedMessage], seconds: int) -> None:
        """Set the deadline of deliveries to so many seconds from now; 0 gives them back."""
        ack_ids = [message.ack_id for message in messages]
        request = {"subscription": subscription, "ack_ids": ack_ids, "ack_deadline_seconds": seconds}
        self.subscriber.modify_ack_deadline(request)


def new_name(collection: str) -> str:
    return f"projects/{PROJECT}/{collection}/{collection[:-1]}-{next(_numbers)}"


def bodies(messages: Sequence[ReceivedMessage]) -> list[bytes]:
    return [message.message.data for message in messages]
