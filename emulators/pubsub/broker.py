"""The embedded Pub/Sub's message flow: topics fan out to subscriptions, unacknowledged messages are delivered again."""

import math
import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import grpc
from google.pubsub_v1 import types

from emulators.deliveries import Pump
from emulators.grpc_server import Raw, Refusal
from emulators.pubsub.backlog import Allowance, Backlog, Entry, Lease
from emulators.pubsub.filter import Matches

BACKLOG_MESSAGES_MAX = 200_000  # per subscription; the real service stores without a limit
POLICY_BACKOFF_SECONDS = (10.0, 600.0)  # the values of a retry policy without figures
PUSH_BACKOFF_SECONDS = (0.1, 60.0)  # https://cloud.google.com/pubsub/docs/push#push_backoff
BACKOFF_SECONDS_MIN = 0.01  # a policy of 0 s must not cause a busy loop
DOUBLINGS_MAX = 20
DELETED_TOPIC = "_deleted-topic_"
PubsubMessage = types.PubsubMessage.pb()


@dataclass
class Faults:
    """Faults on request. Change the fields at any time; `Faults()` is a broker without faults."""

    deliveries: int = 1  # every message is delivered this often
    delay_seconds: float = 0.0  # every message waits this long before its first delivery
    shuffle_seconds: float = 0.0  # and then a random part of this, so that messages overtake each other
    drop_acks: int = 0  # this many acknowledgements are lost, which counts as a nack; counts down
    chance: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - repeatable on purpose


@dataclass(eq=False)
class Topic:
    """A topic and its subscriptions."""

    config: Raw  # google.pubsub.v1.Topic
    subscriptions: "list[Subscription]" = field(default_factory=list)


@dataclass(eq=False)
class Subscription:
    """A subscription, its backlog, and the pushes under way."""

    config: Raw  # google.pubsub.v1.Subscription
    matches: Matches
    backlog: Backlog
    changed: threading.Condition  # on the broker's lock: something may be deliverable, or the broker stops
    pushing: int = 0
    deleted: bool = False

    @property
    def endpoint(self) -> str:
        """The address that it pushes to; empty for a pull subscription."""
        url: str = self.config.push_config.push_endpoint
        return url


@dataclass(eq=False)
class Demand:
    """How many messages a consumer takes at once, and how long it holds them unless it settles them earlier."""

    count: int
    lease_seconds: float
    allowance: Allowance = field(default_factory=Allowance)


class Broker:
    """All state behind one lock; `feed` is called, with the lock held, for a push subscription that has work."""

    def __init__(self, feed: Callable[[Subscription], None]) -> None:
        self.lock = threading.RLock()
        self.topics: dict[str, Topic] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.faults = Faults()
        self._feed = feed
        self._settled = threading.Condition(self.lock)
        self._pump = Pump("pubsub-clock", self._tick)
        self._wakes_at = math.inf
        # Ids continue after those of an earlier process, because receivers remember the messages they have handled.
        self._last_id = time.time_ns() // 1000

    def start(self) -> None:
        self._pump.start()

    def stop(self) -> None:
        self._pump.stop()

    def publish(self, topic: str, messages: Sequence[Raw]) -> list[str]:
        """Publish messages, which are completed and kept; returns their ids."""
        with self.lock:
            listeners = self.topic(topic).subscriptions
            if any(len(listener.backlog) + len(messages) > BACKLOG_MESSAGES_MAX for listener in listeners):
                raise Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, f"a backlog holds {BACKLOG_MESSAGES_MAX} messages")
            published_ms = time.time_ns() // 1_000_000
            for message in messages:
                self._last_id += 1
                message.message_id = str(self._last_id)
                message.publish_time.FromMilliseconds(published_ms)
            for listener in listeners:
                self._enqueue(listener, messages)
            return [message.message_id for message in messages]

    def take(self, subscription: Subscription, demand: Demand) -> list[Lease]:
        """Lease the deliverable messages, as many as are demanded and allowed."""
        leases: list[Lease] = []
        now = time.monotonic()
        allowance = demand.allowance
        with self.lock:
            while len(leases) < demand.count and allowance.messages > 0 and allowance.bytes > 0:
                lease = subscription.backlog.lease(now, demand.lease_seconds, allowance)
                if lease is None:
                    break
                leases.append(lease)
            if leases:
                self._arm(now + demand.lease_seconds)
        return leases

    def wait_and_take(
        self, subscription: Subscription, demand: Demand, waits_until: float, wanted: Callable[[], bool]
    ) -> list[Lease]:
        """Call `take`, but wait while there are none and the answer is still `wanted`."""
        with self.lock:
            while wanted() and not subscription.deleted:
                leases = self.take(subscription, demand)
                left = waits_until - time.monotonic()
                if leases or left <= 0:
                    return leases
                subscription.changed.wait(left if left < threading.TIMEOUT_MAX else None)
        return []

    def settle(self, subscription: Subscription, ack_ids: Iterable[str], *, acknowledged: bool) -> None:
        """End deliveries; one that has ended before is ignored, because its message is already under way again."""
        with self.lock:
            for ack_id in ack_ids:
                entry = subscription.backlog.release(ack_id)
                if entry is not None:
                    self._end(subscription, entry, acknowledged=acknowledged)
            self._stir(subscription)

    def extend(self, subscription: Subscription, ack_id: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        with self.lock:
            subscription.backlog.extend(ack_id, deadline)
            self._arm(deadline)

    def topic(self, name: str) -> Topic:
        if name not in self.topics:
            raise Refusal(grpc.StatusCode.NOT_FOUND, f"Resource not found (resource={name.rpartition('/')[2]}).")
        return self.topics[name]

    def subscription(self, name: str) -> Subscription:
        if name not in self.subscriptions:
            raise Refusal(grpc.StatusCode.NOT_FOUND, f"Resource not found (resource={name.rpartition('/')[2]}).")
        return self.subscriptions[name]

    def delete_topic(self, name: str) -> None:
        """Delete a topic; its subscriptions and their messages stay."""
        with self.lock:
            for listener in self.topic(name).subscriptions:
                listener.config.topic = DELETED_TOPIC
            del self.topics[name]

    def delete_subscription(self, name: str) -> None:
        with self.lock:
            subscription = self.subscription(name)
            subscription.deleted = True
            del self.subscriptions[name]
            if subscription.config.topic in self.topics:
                self.topics[subscription.config.topic].subscriptions.remove(subscription)
            subscription.changed.notify_all()
            self._settled.notify_all()

    def notify(self, subscription: Subscription) -> None:
        """Wake all consumers that wait on the subscription."""
        with self.lock:
            self._stir(subscription)

    def drain(self, seconds_max: float) -> None:
        """Wait until every push subscription has delivered or given up on all its messages, else raise TimeoutError."""
        with self.lock:
            if not self._settled.wait_for(lambda: not self._unsettled(), seconds_max):
                left = {each.config.name: len(each.backlog) for each in self._unsettled()}
                raise TimeoutError(f"not delivered within {seconds_max} s: {left}")

    def _unsettled(self) -> list[Subscription]:
        pushed = (each for each in self.subscriptions.values() if each.endpoint)
        return [each for each in pushed if len(each.backlog) or each.pushing]

    def _enqueue(self, subscription: Subscription, messages: Sequence[Raw]) -> None:
        faults = self.faults
        for message in messages:
            if not subscription.matches(message.attributes):
                continue
            for _ in range(faults.deliveries):
                delay = faults.delay_seconds + faults.shuffle_seconds * faults.chance.random()
                not_before = time.monotonic() + delay if delay else 0.0
                subscription.backlog.add(message, not_before)
                self._arm(not_before or math.inf)
        self._stir(subscription)

    def _end(self, subscription: Subscription, entry: Entry, *, acknowledged: bool) -> None:
        if acknowledged and self.faults.drop_acks:
            self.faults.drop_acks -= 1
            acknowledged = False
        if acknowledged or self._dead_lettered(subscription, entry):
            subscription.backlog.finish(entry)
            self._settled.notify_all()
            return
        pause = _backoff_seconds(subscription, entry.attempts)
        not_before = time.monotonic() + pause if pause else 0.0
        subscription.backlog.retry(entry, not_before)
        self._arm(not_before or math.inf)

    def _dead_lettered(self, subscription: Subscription, entry: Entry) -> bool:
        """Move the message to the dead letter topic
        (cloud.google.com/pubsub/docs/handling-failures#dead_letter_topic).
        """
        policy = subscription.config.dead_letter_policy
        topic = self.topics.get(policy.dead_letter_topic)
        if topic is None or entry.attempts < policy.max_delivery_attempts:
            return False
        source = entry.message
        _, project, _, name = subscription.config.name.split("/")
        forwarded = PubsubMessage(
            data=source.data,
            ordering_key=source.ordering_key,
            attributes={
                **source.attributes,
                "CloudPubSubDeadLetterSourceDeliveryCount": str(entry.attempts),
                "CloudPubSubDeadLetterSourceSubscription": name,
                "CloudPubSubDeadLetterSourceSubscriptionProject": project,
                "CloudPubSubDeadLetterSourceTopicPublishTime": source.publish_time.ToJsonString()[:-1] + "+00:00",
            },
        )
        try:
            self.publish(topic.config.name, [forwarded])
        except Refusal:
            return False  # the dead letter topic is full: the message stays here and is tried again
        return True

    def _stir(self, subscription: Subscription) -> None:
        if subscription.endpoint:
            self._feed(subscription)
        subscription.changed.notify_all()

    def _arm(self, due: float) -> None:
        """Make the clock's thread wake no later than `due`."""
        if due < self._wakes_at:
            self._wakes_at = due
            self._pump.wake()

    def _tick(self) -> float | None:
        with self.lock:
            now = time.monotonic()
            for subscription in list(self.subscriptions.values()):
                if subscription.backlog.next_event() <= now:
                    subscription.backlog.ripen(now)
                    self.settle(subscription, subscription.backlog.expired(now), acknowledged=False)
            self._wakes_at = min((each.backlog.next_event() for each in self.subscriptions.values()), default=math.inf)
            return None if math.isinf(self._wakes_at) else max(0.0, self._wakes_at - now)


def _backoff_seconds(subscription: Subscription, attempts: int) -> float:
    """The seconds to wait before a redelivery; 0 for a pull subscription without a policy."""
    if subscription.config.HasField("retry_policy"):
        policy = subscription.config.retry_policy
        least, most = POLICY_BACKOFF_SECONDS
        if policy.HasField("minimum_backoff"):
            least = float(policy.minimum_backoff.ToMilliseconds() / 1000)
        if policy.HasField("maximum_backoff"):
            most = float(policy.maximum_backoff.ToMilliseconds() / 1000)
    elif subscription.endpoint:
        least, most = PUSH_BACKOFF_SECONDS
    else:
        return 0.0
    doubled = max(least, BACKOFF_SECONDS_MIN) * (1 << min(attempts - 1, DOUBLINGS_MAX))
    return max(BACKOFF_SECONDS_MIN, min(doubled, most))
