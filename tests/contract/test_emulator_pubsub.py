"""Does the embedded Pub/Sub keep topics and subscriptions, and take messages, as the real service does?

The tests run against the embedded broker and, where it is installed, against Google's emulator, except for what that
one lacks. Delivery is in the files beside this one.
"""

import time
from pathlib import Path

import pytest
from google.api_core import exceptions
from google.cloud.pubsub_v1 import PublisherClient
from google.pubsub_v1 import PubsubMessage

from emulators.pubsub.official import OfficialPubSub, find_official
from tests.contract.pubsub_world import WAIT_SECONDS_MAX, World, bodies, new_name

pytest_plugins = ["tests.contract.pubsub_plugin"]

GOOGLES_LACKS = {
    "limits of size, attributes and ordering keys": (
        "test_a_message_over_a_limit_of_the_service_is_refused",
        "test_a_request_holds_one_ordering_key",
    ),
}


def test_a_topic_can_be_read_back(world: World) -> None:
    topic = world.topic(labels={"team": "payouts"})
    assert dict(world.publisher.get_topic(topic=topic).labels) == {"team": "payouts"}


def test_a_topic_is_created_once(world: World) -> None:
    topic = world.topic()
    with pytest.raises(exceptions.AlreadyExists):
        world.publisher.create_topic(name=topic)


@pytest.mark.parametrize("name", ["1st", "googly", "ab", "with space", "x" * 256])
def test_a_topic_needs_a_proper_name(world: World, name: str) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        world.publisher.create_topic(name=f"projects/contract/topics/{name}")


def test_an_unknown_topic_is_not_found(world: World) -> None:
    with pytest.raises(exceptions.NotFound):
        world.publisher.get_topic(topic=new_name("topics"))


def test_topics_are_listed_page_by_page(world: World) -> None:
    mine = {world.topic() for _ in range(3)}
    listed = world.publisher.list_topics({"project": "projects/contract", "page_size": 2})
    pages = list(listed.pages)
    assert mine <= {topic.name for page in pages for topic in page.topics}
    assert max(len(page.topics) for page in pages) == 2


def test_a_topic_lists_its_subscriptions(world: World) -> None:
    topic = world.topic()
    mine = [world.subscription(topic) for _ in range(2)]
    assert sorted(world.publisher.list_topic_subscriptions(topic=topic)) == sorted(mine)


def test_a_deleted_topics_subscription_says_so_and_keeps_its_messages(world: World) -> None:
    topic = world.topic()
    subscription = world.subscription(topic)
    world.publish(topic, b"left behind")
    world.publisher.delete_topic(topic=topic)
    assert world.subscriber.get_subscription(subscription=subscription).topic == "_deleted-topic_"
    assert bodies(world.wait_and_pull(subscription)) == [b"left behind"]


def test_a_subscription_is_created_with_the_services_defaults(world: World) -> None:
    config = world.subscriber.get_subscription(subscription=world.subscription(world.topic()))
    assert config.ack_deadline_seconds == 10
    assert config.message_retention_duration.days == 7
    assert not config.enable_message_ordering


def test_a_dead_letter_policy_allows_five_attempts_unless_it_says_more(world: World) -> None:
    subscription = world.subscription(world.topic(), dead_letter_policy={"dead_letter_topic": world.topic()})
    policy = world.subscriber.get_subscription(subscription=subscription).dead_letter_policy
    assert policy.max_delivery_attempts == 5


def test_a_subscription_needs_its_topic(world: World) -> None:
    with pytest.raises(exceptions.NotFound):
        world.subscription(new_name("topics"))


def test_a_dead_letter_policy_needs_its_topic(world: World) -> None:
    with pytest.raises(exceptions.NotFound):
        world.subscription(world.topic(), dead_letter_policy={"dead_letter_topic": new_name("topics")})


def test_a_dead_letter_policy_needs_five_attempts(world: World) -> None:
    policy = {"dead_letter_topic": world.topic(), "max_delivery_attempts": 4}
    with pytest.raises(exceptions.OutOfRange):
        world.subscription(world.topic(), dead_letter_policy=policy)


def test_a_push_endpoint_must_be_a_url(world: World) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        world.push(world.topic(), "payout-send")


def test_a_masked_update_changes_nothing_else(world: World) -> None:
    subscription = world.subscription(world.topic(), labels={"team": "payouts"})
    changed = {"name": subscription, "ack_deadline_seconds": 33, "labels": {"team": "scans"}}
    mask = {"paths": ["ack_deadline_seconds"]}
    world.subscriber.update_subscription({"subscription": changed, "update_mask": mask})
    config = world.subscriber.get_subscription(subscription=subscription)
    assert (config.ack_deadline_seconds, dict(config.labels)) == (33, {"team": "payouts"})


@pytest.mark.parametrize("paths", [[], ["filter"]])
def test_an_update_must_name_fields_that_can_change(world: World, paths: list[str]) -> None:
    subscription = {"name": world.subscription(world.topic()), "filter": "attributes:x"}
    with pytest.raises(exceptions.InvalidArgument):
        world.subscriber.update_subscription({"subscription": subscription, "update_mask": {"paths": paths}})


def test_a_deleted_subscription_is_gone(world: World) -> None:
    subscription = world.subscription(world.topic())
    world.subscriber.delete_subscription(subscription=subscription)
    with pytest.raises(exceptions.NotFound):
        world.pull(subscription)


def test_a_message_arrives_as_it_was_published(world: World) -> None:
    topic = world.topic()
    subscription = world.subscription(topic)
    before = time.time()
    [message_id] = world.publish(topic, b"\x00body\xff", kind="scan", member="ü")
    [received] = world.wait_and_pull(subscription)
    assert received.message.data == b"\x00body\xff"
    assert dict(received.message.attributes) == {"kind": "scan", "member": "ü"}
    assert received.message.message_id == message_id
    assert before - 1 < received.message.publish_time.timestamp() < time.time() + 1


def test_each_subscription_gets_every_message_from_its_creation_on(world: World) -> None:
    topic = world.topic()
    first = world.subscription(topic)
    world.publish(topic, b"one")
    second = world.subscription(topic)
    world.publish(topic, b"two")
    assert set(bodies(world.pull_all(first, 2))) == {b"one", b"two"}
    assert bodies(world.pull_all(second, 1)) == [b"two"]


@pytest.mark.parametrize(
    "messages",
    [[], [PubsubMessage()], [PubsubMessage(data=b"fine"), PubsubMessage()], [PubsubMessage(data=b"x")] * 1001],
    ids=["none", "empty", "one empty", "too many"],
)
def test_a_request_without_proper_messages_is_refused_whole(world: World, messages: list[PubsubMessage]) -> None:
    topic = world.topic()
    subscription = world.subscription(topic)
    with pytest.raises(exceptions.InvalidArgument):
        world.send(topic, messages)
    assert world.pull(subscription) == []


@pytest.mark.parametrize(
    "message",
    [
        PubsubMessage(data=b"x" * 10_000_000),
        PubsubMessage(data=b"x", attributes={"k" * 257: "v"}),
        PubsubMessage(data=b"x", attributes={"k": "v" * 1025}),
        PubsubMessage(data=b"x", attributes={"": "v"}),
        PubsubMessage(data=b"x", attributes={"google": "v"}),
        PubsubMessage(data=b"x", attributes={f"key-{number}": "v" for number in range(101)}),
        PubsubMessage(data=b"x", ordering_key="k" * 1025),
    ],
    ids=["size", "key", "value", "no key", "reserved key", "attributes", "ordering key"],
)
def test_a_message_over_a_limit_of_the_service_is_refused(world: World, message: PubsubMessage) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        world.send(world.topic(), [message])


def test_messages_at_the_limits_are_accepted(world: World) -> None:
    attributes = {f"{number:0256}": "v" * 1024 for number in range(100)}
    assert world.send(world.topic(), [PubsubMessage(attributes=attributes, ordering_key="k" * 1024)])
    assert world.send(world.topic(), [PubsubMessage(data=b"x" * 9_999_000)])


def test_a_request_holds_one_ordering_key(world: World) -> None:
    messages = [PubsubMessage(data=b"x", ordering_key=key) for key in ("a", "b")]
    with pytest.raises(exceptions.InvalidArgument):
        world.send(world.topic(), messages)


def test_publishing_to_an_unknown_topic_is_not_found(world: World) -> None:
    with pytest.raises(exceptions.NotFound):
        world.publish(new_name("topics"), b"x")


def test_the_batching_client_publishes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", world.host)
    topic = world.topic()
    subscription = world.subscription(topic)
    with PublisherClient() as client:
        futures = [client.publish(topic, str(number).encode()) for number in range(200)]
        message_ids = {future.result(WAIT_SECONDS_MAX) for future in futures}
    received = world.pull_all(subscription, 200)
    assert {message.message.message_id for message in received} == message_ids


def test_googles_emulator_starts_and_names_its_version(tmp_path: Path) -> None:
    jar = find_official()
    if jar is None:
        pytest.skip("Google's Pub/Sub emulator or java is not on this machine: the embedded broker was tested alone")
    official = OfficialPubSub(jar, tmp_path / "official.log")
    official.start()
    world = World(official.host)
    assert world.topic()
    assert official.version.count(".") == 2
    world.close()
    official.stop()
    with pytest.raises(exceptions.ServiceUnavailable):
        World(official.host).publisher.get_topic(topic="projects/contract/topics/gone", retry=None)
