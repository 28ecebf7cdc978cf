"""Does the embedded Pub/Sub give messages to who pulls them, in order, again, and never to two at a time?"""

import threading
import time
from collections.abc import Iterator
from datetime import datetime

import pytest
from google.api_core import exceptions
from google.cloud.pubsub_v1 import SubscriberClient
from google.cloud.pubsub_v1.subscriber.message import Message
from google.cloud.pubsub_v1.types import FlowControl
from google.pubsub_v1 import StreamingPullRequest

from tests.contract.pubsub_world import WAIT_SECONDS_MAX, World, bodies

pytest_plugins = ["tests.contract.pubsub_plugin"]

GOOGLES_LACKS = {
    "order after a nack": ("test_a_nacked_message_holds_back_later_ones_of_its_key",),
    "flow control of a stream": ("test_a_stream_holds_no_more_than_it_allows",),
    "filters": ("test_a_filter_lets_matching_messages_through", "test_a_malformed_filter_is_refused"),
}


def test_an_acknowledged_message_does_not_come_back(world: World) -> None:
    topic = world.topic()
    subscription = world.subscription(topic)
    world.publish(topic, b"once")
    received = world.wait_and_pull(subscription)
    world.hold(subscription, received, 1)
    world.acknowledge(subscription, received)
    time.sleep(1.2)  # what must not happen would have happened by now
    assert world.pull(subscription) == []


def test_a_held_message_is_not_given_to_another(world: World) -> None:
    topic = world.topic()
    subscription = world.subscription(topic)
    world.publish(topic, b"held")
    world.hold(subscription, world.wait_and_pull(subscription), 60)
    assert world.pull(subscription) == []


def test_a_message_comes_back_when_its_deadline_has_passed(world: World) -> None:
    topic = world.topic()
    subscription = world.subscription(topic)
    world.publish(topic, b"slow")
    world.hold(subscription, world.wait_and_pull(subscription), 1)
    assert bodies(world.wait_and_pull(subscription)) == [b"slow"]


def test_a_nacked_message_comes_back_at_once_with_its_attempt_counted(world: World) -> None:
    topic = world.topic()
    subscription = world.subscription(topic, dead_letter_policy={"dead_letter_topic": world.topic()})
    world.publish(topic, b"again")
    [first] = world.wait_and_pull(subscription)
    world.hold(subscription, [first], 0)
    [second] = world.wait_and_pull(subscription)
    assert (first.delivery_attempt, second.delivery_attempt) == (1, 2)


def test_attempts_are_not_counted_without_a_dead_letter_policy(world: World) -> None:
    topic = world.topic()
    subscription = world.subscription(topic)
    world.publish(topic, b"x")
    [received] = world.wait_and_pull(subscription)
    assert received.delivery_attempt == 0


def test_a_message_nobody_can_handle_is_moved_to_the_dead_letter_topic(world: World) -> None:
    topic, dead_letters = world.topic(), world.topic()
    subscription = world.subscription(topic, dead_letter_policy={"dead_letter_topic": dead_letters})
    morgue = world.subscription(dead_letters)
    [message_id] = world.publish(topic, b"poison", kind="scan")
    for _ in range(5):
        world.hold(subscription, world.wait_and_pull(subscription), 0)
    assert world.pull(subscription) == []
    [dead] = world.wait_and_pull(morgue)
    assert (dead.message.data, dead.message.attributes["kind"]) == (b"poison", "scan")
    assert dead.message.message_id != message_id


def test_a_dead_letter_says_where_it_comes_from(world: World) -> None:
    topic, dead_letters = world.topic(), world.topic()
    subscription = world.subscription(topic, dead_letter_policy={"dead_letter_topic": dead_letters})
    morgue = world.subscription(dead_letters)
    world.publish(topic, b"poison")
    for _ in range(5):
        world.hold(subscription, world.wait_and_pull(subscription), 0)
    assert world.pull(subscription) == []
    [dead] = world.wait_and_pull(morgue)
    attributes = dict(dead.message.attributes)
    published = datetime.fromisoformat(attributes.pop("CloudPubSubDeadLetterSourceTopicPublishTime"))
    assert abs(published.timestamp() - time.time()) < 30
    assert attributes == {
        "CloudPubSubDeadLetterSourceDeliveryCount": "5",
        "CloudPubSubDeadLetterSourceSubscription": subscription.split("/")[-1],
        "CloudPubSubDeadLetterSourceSubscriptionProject": "contract",
    }


def test_pulling_waits_for_a_message(world: World) -> None:
    topic = world.topic()
    subscription = world.subscription(topic)
    publishing = threading.Timer(0.2, world.publish, (topic, b"late"))
    publishing.start()
    answer = world.subscriber.pull(subscription=subscription, max_messages=1, timeout=WAIT_SECONDS_MAX, retry=None)
    publishing.join()
    assert bodies(answer.received_messages) == [b"late"]


def test_pulling_in_vain_is_an_empty_answer(world: World) -> None:
    subscription = world.subscription(world.topic())
    answer = world.subscriber.pull(subscription=subscription, max_messages=1, timeout=1.5, retry=None)
    assert list(answer.received_messages) == []


def test_a_pull_takes_no_more_than_it_asks_for(world: World) -> None:
    topic = world.topic()
    subscription = world.subscription(topic)
    world.publish(topic, *(str(number).encode() for number in range(10)))
    assert len(world.wait_and_pull(subscription, count=3)) == 3


def test_a_pull_must_ask_for_a_message(world: World) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        world.pull(world.subscription(world.topic()), count=0)


def test_messages_of_a_key_come_in_their_order(world: World) -> None:
    topic = world.topic()
    subscription = world.subscription(topic, enable_message_ordering=True)
    sent = [str(number).encode() for number in range(20)]
    for body in sent:
        world.publish(topic, body, key="member-1")
    assert bodies(world.pull_all(subscription, 20)) == sent


def test_a_nacked_message_holds_back_later_ones_of_its_key(world: World) -> None:
    topic = world.topic()
    subscription = world.subscription(topic, enable_message_ordering=True)
    world.publish(topic, b"first", b"second", key="member-1")
    [nacked] = world.wait_and_pull(subscription, count=1)
    world.hold(subscription, [nacked], 0)
    assert bodies(world.pull_all(subscription, 2)) == [b"first", b"second"]


def test_a_held_message_does_not_hold_back_other_keys(world: World) -> None:
    topic = world.topic()
    subscription = world.subscription(topic, enable_message_ordering=True)
    world.publish(topic, b"held", key="member-1")
    world.hold(subscription, world.wait_and_pull(subscription), 60)
    world.publish(topic, b"later", key="member-1")
    world.publish(topic, b"other", key="member-2")
    world.publish(topic, b"free")
    assert set(bodies(world.pull_all(subscription, 2))) == {b"other", b"free"}
    assert world.pull(subscription) == []


def test_a_stream_receives_everything_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", world.host)
    topic = world.topic()
    subscription = world.subscription(topic)
    seen: list[bytes] = []
    everything = threading.Event()

    def keep(message: Message) -> None:
        seen.append(message.data)
        message.ack()
        if len(seen) == 300:
            everything.set()

    sent = {str(number).encode() for number in range(300)}
    with SubscriberClient() as client:
        stream = client.subscribe(subscription, keep)
        world.publish(topic, *sent)
        assert everything.wait(WAIT_SECONDS_MAX)
        stream.cancel()
        stream.result(WAIT_SECONDS_MAX)
    assert sorted(seen) == sorted(sent)
    assert world.pull(subscription) == []


def test_a_message_nacked_on_a_stream_comes_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", world.host)
    topic = world.topic()
    subscription = world.subscription(topic)
    seen: list[str] = []
    twice = threading.Event()

    def refuse_once(message: Message) -> None:
        seen.append(message.message_id)
        if len(seen) == 1:
            message.nack()
        else:
            message.ack()
            twice.set()

    with SubscriberClient() as client:
        stream = client.subscribe(subscription, refuse_once)
        [message_id] = world.publish(topic, b"x")
        assert twice.wait(WAIT_SECONDS_MAX)
        stream.cancel()
        stream.result(WAIT_SECONDS_MAX)
    assert seen == [message_id, message_id]


def test_a_stream_holds_no_more_than_it_allows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", world.host)
    topic = world.topic()
    subscription = world.subscription(topic)
    held: list[Message] = []
    arrived = threading.Semaphore(0)

    def hold(message: Message) -> None:
        held.append(message)
        arrived.release()

    with SubscriberClient() as client:
        flow = FlowControl(max_messages=2)
        stream = client.subscribe(subscription, hold, flow_control=flow)
        world.publish(topic, *(str(number).encode() for number in range(5)))
        for _ in range(2):
            assert arrived.acquire(timeout=WAIT_SECONDS_MAX)
        assert len(world.pull(subscription)) == 3
        held[0].ack()
        stream.cancel()
        stream.result(WAIT_SECONDS_MAX)


def test_a_stream_ends_when_its_subscription_is_deleted(world: World) -> None:
    subscription = world.subscription(world.topic())
    ended = threading.Event()

    def requests() -> Iterator[StreamingPullRequest]:
        yield StreamingPullRequest(subscription=subscription, stream_ack_deadline_seconds=10)
        ended.wait(WAIT_SECONDS_MAX)

    stream = world.subscriber.streaming_pull(requests=requests())
    world.subscriber.delete_subscription(subscription=subscription)
    with pytest.raises(exceptions.NotFound):
        list(stream)
    ended.set()


@pytest.mark.parametrize(
    ("expression", "passes"),
    [
        ('attributes.kind = "scan"', "scan"),
        ('attributes.kind != "scan"', "payout bare"),
        ("attributes:urgent", "payout"),
        ('hasPrefix(attributes.kind, "pay")', "payout"),
        ("NOT attributes:kind", "bare"),
        ("-attributes:kind", "bare"),
        ('attributes:kind AND NOT attributes.kind = "scan"', "payout"),
        ('attributes.kind = "scan" OR attributes.urgent = "y\\u0065s"', "scan payout"),
        ('attributes:kind AND (attributes.kind = "scan" OR attributes:urgent)', "scan payout"),
        ('attributes."kind" = "scan"', "scan"),
        ("", "scan payout bare"),
    ],
)
def test_a_filter_lets_matching_messages_through(world: World, expression: str, passes: str) -> None:
    topic = world.topic()
    subscription = world.subscription(topic, filter=expression)
    world.publish(topic, b"scan", kind="scan")
    world.publish(topic, b"payout", kind="payout", urgent="yes")
    world.publish(topic, b"bare")
    assert b" ".join(bodies(world.pull(subscription))).decode() == passes


@pytest.mark.parametrize(
    "expression",
    [
        "attributes.kind = scan",
        'attributes.kind == "scan"',
        'data = "x"',
        "attributes:a AND attributes:b OR attributes:c",
        "(attributes:a",
        "attributes:a)",
        'attributes.a = "unclosed',
        f'attributes.a = "{"x" * 256}"',
    ],
)
def test_a_malformed_filter_is_refused(world: World, expression: str) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        world.subscription(world.topic(), filter=expression)
