"""A message that no receiver could handle waits in the dead letters, and an operator has it delivered once more."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from shared.ports import pubsub
from shared.ports.dead_letters import RECEIVER
from terraform.operations import dead_letters
from tests.fakes import message_broker
from tests.fakes.message_broker import MessageBroker
from tests.platform import Platform

NOTIFICATION = str(uuid4())


@pytest.fixture
def broker(platform: Platform, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[MessageBroker]:
    assert database
    with message_broker.opened(platform.identity, monkeypatch) as opened:
        yield opened


def die(receiver: str, topic: str, body: str, outbox_id: str = "7") -> None:
    """As Pub/Sub moves a message when its attempts are used up: its attributes stay, where it comes from is added."""
    attributes = {"topic": topic, "outbox_id": outbox_id, RECEIVER: receiver}
    pubsub.publish("dead-letters", [pubsub.Message(body.encode(), attributes)])


def test_the_operator_sees_what_waits_and_nothing_is_changed(broker: MessageBroker) -> None:
    for _ in range(2):
        die("feed-project.notification-changed", "notification-changed", "{}")
    die("email-send.mail-queued", "mail-queued", "{}")

    for _ in range(2):
        assert dead_letters.listed() == [
            "     1 of mail-queued for email-send.mail-queued wait",
            "     2 of notification-changed for feed-project.notification-changed wait",
        ]
    assert broker.messages() == []


def test_what_is_delivered_again_goes_to_its_topic_and_is_dead_no_more(broker: MessageBroker) -> None:
    body = f'{{"notification_id": "{NOTIFICATION}"}}'
    die("feed-project.notification-changed", "notification-changed", body)

    told = dead_letters.again()

    assert told == ["     1 of notification-changed for feed-project.notification-changed are delivered again"]
    (arrived,) = broker.messages()
    assert (arrived.destination, arrived.outbox_id) == ("notification-changed", 7)
    assert arrived.body == {"notification_id": NOTIFICATION}
    assert dead_letters.listed() == dead_letters.again() == ["there are no dead letters"]


def test_more_than_one_pull_brings_are_all_delivered_again(
    broker: MessageBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "AT_ONCE", 3)
    for number in range(10):
        die("feed-project.inbox-changed", "inbox-changed", "{}", str(number))

    dead_letters.again()

    assert sorted(message.outbox_id for message in broker.messages()) == list(range(10))
