"""Does the embedded Pub/Sub push as the real service does, and go wrong only in the way it is told to?"""

import base64
import itertools
import statistics
import threading
import time
from collections.abc import Iterator

import jwt
import pytest
from google.api_core import exceptions
from google.pubsub_v1 import PushConfig

from emulators.identity import Identity
from emulators.pubsub import Faults, PubSub, limits
from emulators.pubsub.push import PUSHES_OUTSTANDING_MAX
from tests.contract.pubsub_endpoint import HANG_UP, Endpoint, Received, in_turn
from tests.contract.pubsub_world import WAIT_SECONDS_MAX, World, bodies

pytest_plugins = ["tests.contract.pubsub_plugin"]

GOOGLES_LACKS = {
    "OIDC tokens": (
        "test_a_push_carries_a_token_of_its_service_account",
        "test_the_audience_of_a_token_is_the_endpoint_unless_it_says_more",
    ),
    "orderingKey and deliveryAttempt in pushes": ("test_a_push_tells_its_ordering_key_and_attempt",),
    "retry policies": (
        "test_the_pause_between_attempts_doubles_from_minimum_to_maximum",
        "test_a_message_no_endpoint_accepts_is_moved_to_the_dead_letter_topic",
    ),
    "one outstanding push for an ordering key": ("test_of_a_key_one_message_is_pushed_at_a_time",),
    "a request time limit of the acknowledgement deadline": ("test_an_endpoint_that_hangs_gets_the_message_again",),
}
PUSHER = "pusher@contract.iam.gserviceaccount.com"
AT_ONCE = {"minimum_backoff": {"nanos": 10_000_000}, "maximum_backoff": {"nanos": 10_000_000}}


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def faults(broker: PubSub) -> Iterator[Faults]:
    broker.faults = Faults()
    yield broker.faults
    broker.faults = Faults()


def sent_body(request: Received) -> bytes:
    return base64.b64decode(request.json["message"]["data"])


def claims_of(request: Received, identity: Identity, audience: str) -> dict[str, object]:
    token = request.headers["Authorization"].removeprefix("Bearer ")
    key = jwt.PyJWK(identity.key_set["keys"][0])
    claims: dict[str, object] = jwt.decode(token, key, algorithms=["RS256"], audience=audience)
    return claims


# The request


def test_a_push_wraps_the_message(world: World, endpoint: Endpoint) -> None:
    topic = world.topic()
    subscription = world.push(topic, f"{endpoint.url}/payout-send?via=push")
    [message_id] = world.publish(topic, b"body", kind="scan")
    [request] = endpoint.wait_for(1)
    message = request.json["message"]
    assert (request.method, request.path) == ("POST", "/payout-send?via=push")
    assert request.headers["Content-Type"] == "application/json"
    assert request.json["subscription"] == subscription
    assert (message["data"], message["attributes"]) == (base64.b64encode(b"body").decode(), {"kind": "scan"})
    assert message["messageId"] == message["message_id"] == message_id
    assert message["publishTime"] == message["publish_time"]
    assert message["publishTime"].endswith("Z")


def test_a_push_tells_its_ordering_key_and_attempt(world: World, endpoint: Endpoint) -> None:
    endpoint.answer = in_turn(500, 204)
    topic = world.topic()
    policy = {"dead_letter_topic": world.topic()}
    world.push(topic, endpoint.url, dead_letter_policy=policy, retry_policy=AT_ONCE)
    world.publish(topic, b"x", key="member-1")
    requests = endpoint.wait_for(2)
    assert [request.json["deliveryAttempt"] for request in requests] == [1, 2]
    assert requests[0].json["message"]["orderingKey"] == "member-1"


def test_a_push_without_a_dead_letter_policy_tells_no_attempt(world: World, endpoint: Endpoint) -> None:
    topic = world.topic()
    world.push(topic, endpoint.url)
    world.publish(topic, b"x")
    [request] = endpoint.wait_for(1)
    assert "deliveryAttempt" not in request.json


def test_a_push_carries_a_token_of_its_service_account(
    world: World, endpoint: Endpoint, push_identity: Identity
) -> None:
    token = {"service_account_email": PUSHER, "audience": "https://payout-send.example"}
    topic = world.topic()
    world.subscription(topic, push_config={"push_endpoint": endpoint.url, "oidc_token": token})
    world.publish(topic, b"x")
    [request] = endpoint.wait_for(1)
    assert claims_of(request, push_identity, "https://payout-send.example")["email"] == PUSHER


def test_the_audience_of_a_token_is_the_endpoint_unless_it_says_more(
    world: World, endpoint: Endpoint, push_identity: Identity
) -> None:
    url = f"{endpoint.url}/scans"
    topic = world.topic()
    world.subscription(topic, push_config={"push_endpoint": url, "oidc_token": {"service_account_email": PUSHER}})
    world.publish(topic, b"x")
    [request] = endpoint.wait_for(1)
    assert claims_of(request, push_identity, url)["aud"] == url


def test_a_push_without_a_service_account_carries_no_token(world: World, endpoint: Endpoint) -> None:
    topic = world.topic()
    world.push(topic, endpoint.url)
    world.publish(topic, b"x")
    [request] = endpoint.wait_for(1)
    assert "Authorization" not in request.headers


# The answer


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_a_success_acknowledges(embedded_world: World, broker: PubSub, endpoint: Endpoint, status: int) -> None:
    endpoint.answer = in_turn(status)
    topic = embedded_world.topic()
    embedded_world.push(topic, endpoint.url)
    embedded_world.publish(topic, b"x")
    broker.drain(WAIT_SECONDS_MAX)
    assert len(endpoint.received) == 1


@pytest.mark.parametrize("status", [203, 302, 400, 404, 429, 500, 503, HANG_UP])
def test_anything_else_brings_the_message_again(
    embedded_world: World, broker: PubSub, endpoint: Endpoint, status: int
) -> None:
    endpoint.answer = in_turn(status, 204)
    topic = embedded_world.topic()
    embedded_world.push(topic, endpoint.url, retry_policy=AT_ONCE)
    [message_id] = embedded_world.publish(topic, b"x")
    broker.drain(WAIT_SECONDS_MAX)
    assert [request.json["message"]["messageId"] for request in endpoint.received] == [message_id, message_id]


def test_a_failed_push_comes_again_without_any_policy(world: World, endpoint: Endpoint) -> None:
    endpoint.answer = in_turn(500, 204)
    topic = world.topic()
    world.push(topic, endpoint.url)
    world.publish(topic, b"x")
    first, second = endpoint.wait_for(2)
    assert sent_body(first) == sent_body(second)


def test_an_endpoint_that_hangs_gets_the_message_again(
    world: World, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ACK_DEADLINE_SECONDS", (1, 600))
    released = threading.Event()
    endpoint.answer = lambda _: 204 if len(endpoint.received) > 1 or released.wait(WAIT_SECONDS_MAX) else 500
    topic = world.topic()
    world.push(topic, endpoint.url, ack_deadline_seconds=1, retry_policy=AT_ONCE)
    world.publish(topic, b"x")
    first, second = endpoint.wait_for(2)
    released.set()
    assert 0.9 < second.at - first.at < 2


def test_the_pause_between_attempts_doubles_from_minimum_to_maximum(world: World, endpoint: Endpoint) -> None:
    endpoint.answer = in_turn(500, 500, 500, 500, 204)
    policy = {"minimum_backoff": {"nanos": 100_000_000}, "maximum_backoff": {"nanos": 300_000_000}}
    topic = world.topic()
    world.push(topic, endpoint.url, retry_policy=policy)
    world.publish(topic, b"x")
    times = [request.at for request in endpoint.wait_for(5)]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses == pytest.approx([0.1, 0.2, 0.3, 0.3], abs=0.08)


def test_a_message_no_endpoint_accepts_is_moved_to_the_dead_letter_topic(world: World, endpoint: Endpoint) -> None:
    endpoint.answer = in_turn(500)
    topic, dead_letters = world.topic(), world.topic()
    morgue = world.subscription(dead_letters)
    policy = {"dead_letter_topic": dead_letters, "max_delivery_attempts": 5}
    world.push(topic, endpoint.url, dead_letter_policy=policy, retry_policy=AT_ONCE)
    world.publish(topic, b"poison")
    [dead] = world.wait_and_pull(morgue)
    assert dead.message.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"
    assert len(endpoint.received) == 5


# Which messages, and how many at a time


def test_a_pull_subscription_that_gets_an_endpoint_pushes_what_it_holds(world: World, endpoint: Endpoint) -> None:
    topic = world.topic()
    subscription = world.subscription(topic)
    world.publish(topic, b"waiting")
    world.subscriber.modify_push_config(subscription=subscription, push_config=PushConfig(push_endpoint=endpoint.url))
    [request] = endpoint.wait_for(1)
    assert sent_body(request) == b"waiting"


def test_a_push_subscription_that_loses_its_endpoint_can_be_pulled_from(world: World, endpoint: Endpoint) -> None:
    topic = world.topic()
    subscription = world.push(topic, endpoint.url)
    world.subscriber.modify_push_config(subscription=subscription, push_config=PushConfig())
    world.publish(topic, b"x")
    assert bodies(world.wait_and_pull(subscription)) == [b"x"]


def test_of_a_key_one_message_is_pushed_at_a_time(world: World, endpoint: Endpoint) -> None:
    endpoint.answer = in_turn(500, 500, 204)
    topic = world.topic()
    world.push(topic, endpoint.url, enable_message_ordering=True, retry_policy=AT_ONCE)
    world.publish(topic, *(str(number).encode() for number in range(20)), key="member-1")
    requests = endpoint.wait_for(22)
    assert [int(sent_body(request)) for request in requests] == [0, 0, *range(20)]
    assert endpoint.answering_most == 1


def test_a_subscription_has_a_bounded_number_of_pushes_under_way(embedded_world: World, broker: PubSub) -> None:
    released = threading.Event()
    with Endpoint(answer=lambda _: 204 if released.wait(WAIT_SECONDS_MAX) else 500) as slow:
        topic = embedded_world.topic()
        embedded_world.push(topic, slow.url)
        embedded_world.publish(topic, *(str(number).encode() for number in range(3 * PUSHES_OUTSTANDING_MAX)))
        slow.wait_for(PUSHES_OUTSTANDING_MAX)
        time.sleep(0.1)  # one too many would have come by now
        released.set()
        broker.drain(WAIT_SECONDS_MAX)
        assert slow.answering_most == PUSHES_OUTSTANDING_MAX
        assert len(slow.received) == 3 * PUSHES_OUTSTANDING_MAX


def test_a_slow_endpoint_does_not_hold_up_another_subscription(world: World, endpoint: Endpoint) -> None:
    released = threading.Event()
    with Endpoint(answer=lambda _: 204 if released.wait(WAIT_SECONDS_MAX) else 500) as slow:
        topic = world.topic()
        world.push(topic, slow.url)
        world.push(topic, endpoint.url)
        world.publish(topic, *(str(number).encode() for number in range(50)))
        assert len(endpoint.wait_for(50)) == 50
        released.set()


def test_a_deleted_subscription_pushes_no_more(embedded_world: World, broker: PubSub, endpoint: Endpoint) -> None:
    endpoint.answer = in_turn(500)
    topic = embedded_world.topic()
    subscription = embedded_world.push(topic, endpoint.url, retry_policy=AT_ONCE)
    embedded_world.publish(topic, b"x")
    endpoint.wait_for(2)
    embedded_world.subscriber.delete_subscription(subscription=subscription)
    broker.drain(WAIT_SECONDS_MAX)
    count = len(endpoint.received)
    time.sleep(0.2)  # twenty times the pause between its attempts
    assert len(endpoint.received) <= count + 1  # one may have been under way


# Draining, speed, stopping


def test_draining_waits_for_repeated_attempts(embedded_world: World, broker: PubSub, endpoint: Endpoint) -> None:
    endpoint.answer = in_turn(500, 500, 204)
    topic = embedded_world.topic()
    embedded_world.push(topic, endpoint.url)
    embedded_world.publish(topic, b"x")
    broker.drain(WAIT_SECONDS_MAX)
    assert len(endpoint.received) == 3


def test_draining_in_vain_says_what_is_left(embedded_world: World, broker: PubSub, endpoint: Endpoint) -> None:
    endpoint.answer = in_turn(500)
    topic = embedded_world.topic()
    subscription = embedded_world.push(topic, endpoint.url)
    embedded_world.publish(topic, b"x")
    with pytest.raises(TimeoutError, match=subscription):
        broker.drain(0.2)
    embedded_world.subscriber.delete_subscription(subscription=subscription)


def test_a_message_reaches_its_endpoint_within_milliseconds(embedded_world: World, endpoint: Endpoint) -> None:
    topic = embedded_world.topic()
    embedded_world.push(topic, endpoint.url)
    taken = []
    for number in range(20):
        published_at = time.monotonic()
        embedded_world.publish(topic, b"x")
        taken.append(endpoint.wait_for(number + 1)[-1].at - published_at)
    assert statistics.median(taken) < 0.03


def test_an_idle_broker_takes_no_processor_time(embedded_world: World, broker: PubSub, endpoint: Endpoint) -> None:
    topic = embedded_world.topic()
    embedded_world.push(topic, endpoint.url)
    embedded_world.subscription(topic)
    embedded_world.publish(topic, b"x")
    broker.drain(WAIT_SECONDS_MAX)
    before = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - before < 0.05


def test_stopping_is_bounded_while_endpoints_hang_and_clients_wait() -> None:
    broker = PubSub(Identity().mint)
    broker.start()
    world = World(broker.host)
    released = threading.Event()
    with Endpoint(answer=lambda _: 204 if released.wait(WAIT_SECONDS_MAX) else 500) as hanging:
        topic = world.topic()
        world.push(topic, hanging.url)
        waiting = world.subscription(topic)
        world.publish(topic, b"x")
        world.acknowledge(waiting, world.wait_and_pull(waiting))
        patient = threading.Thread(target=_pull_until_cut_off, args=(world, waiting))
        patient.start()
        hanging.wait_for(1)
        started = time.monotonic()
        broker.stop()
        assert time.monotonic() - started < 2
        patient.join(WAIT_SECONDS_MAX)
        assert not patient.is_alive()
        released.set()
    world.close()


def _pull_until_cut_off(world: World, subscription: str) -> None:
    with pytest.raises(exceptions.GoogleAPICallError):
        world.subscriber.pull(subscription=subscription, max_messages=1, timeout=WAIT_SECONDS_MAX, retry=None)


# Faults


def test_every_message_can_be_delivered_several_times(
    embedded_world: World, broker: PubSub, endpoint: Endpoint, faults: Faults
) -> None:
    faults.deliveries = 3
    topic = embedded_world.topic()
    embedded_world.push(topic, endpoint.url)
    message_ids = embedded_world.publish(topic, b"one", b"two")
    broker.drain(WAIT_SECONDS_MAX)
    assert sorted(request.json["message"]["messageId"] for request in endpoint.received) == sorted(message_ids * 3)


def test_every_message_can_be_delayed(
    embedded_world: World, broker: PubSub, endpoint: Endpoint, faults: Faults
) -> None:
    faults.delay_seconds = 0.3
    topic = embedded_world.topic()
    embedded_world.push(topic, endpoint.url)
    published_at = time.monotonic()
    embedded_world.publish(topic, b"x")
    broker.drain(WAIT_SECONDS_MAX)
    assert 0.3 <= endpoint.received[0].at - published_at < 0.6


def test_messages_can_overtake_each_other(
    embedded_world: World, broker: PubSub, endpoint: Endpoint, faults: Faults
) -> None:
    faults.shuffle_seconds = 0.3
    topic = embedded_world.topic()
    embedded_world.push(topic, endpoint.url)
    for number in range(20):
        embedded_world.publish(topic, str(number).encode())
    broker.drain(WAIT_SECONDS_MAX)
    arrived = [int(sent_body(request)) for request in endpoint.received]
    assert sorted(arrived) == list(range(20))
    assert arrived != list(range(20))


def test_messages_of_a_key_do_not_overtake_each_other(
    embedded_world: World, broker: PubSub, endpoint: Endpoint, faults: Faults
) -> None:
    faults.shuffle_seconds = 0.05
    topic = embedded_world.topic()
    embedded_world.push(topic, endpoint.url, enable_message_ordering=True)
    embedded_world.publish(topic, *(str(number).encode() for number in range(10)), key="member-1")
    broker.drain(WAIT_SECONDS_MAX)
    assert [int(sent_body(request)) for request in endpoint.received] == list(range(10))


def test_a_lost_acknowledgement_brings_the_message_again(
    embedded_world: World, broker: PubSub, endpoint: Endpoint, faults: Faults
) -> None:
    faults.drop_acks = 2
    topic = embedded_world.topic()
    embedded_world.push(topic, endpoint.url, retry_policy=AT_ONCE)
    embedded_world.publish(topic, b"x")
    broker.drain(WAIT_SECONDS_MAX)
    assert len(endpoint.received) == 3
