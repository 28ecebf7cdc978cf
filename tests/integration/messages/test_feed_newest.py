"""Listeners' copies show what Postgres says, in whatever order and however often the events arrive."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from uuid import UUID, uuid4

import pytest
from google.cloud.firestore import Client

from shared import db
from shared.messages import feed, notifications, texts
from shared.messages.notifications import Note
from shared.values.money import Usdt
from tests import factories
from tests.client import FunctionClient
from tests.fakes.invoker import FunctionInvoker
from tests.platform import Platform

pytest_plugins = ["tests.contract.firestore_plugin"]

Asking = Callable[..., FunctionClient]

NOTES = 6
DELIVERIES = 10
SEED = 7


@pytest.fixture
def invoker(platform: Platform) -> FunctionInvoker:
    return FunctionInvoker(platform.invoker_token)


def notify(member: UUID) -> UUID:
    note = Note(member, "comp", "You won", "It is on its way.", {"comp_id": "c"}, str(uuid4()))
    made = db.atomically(lambda tx: notifications.notify(tx, note, datetime.now(UTC)))
    assert made
    return made


def deliver(invoker: FunctionInvoker, notification: UUID) -> int:
    return invoker.event("feed_project", "notification-changed", {"notification_id": str(notification)})


def test_events_that_come_ten_times_in_any_order_leave_the_newest(listeners: Client, invoker: FunctionInvoker) -> None:
    member = factories.member()
    made = [notify(member.id) for _ in range(NOTES)]
    deliveries = made * DELIVERIES
    random.Random(SEED).shuffle(deliveries)  # noqa: S311 - repeatable on purpose

    with ThreadPoolExecutor(4) as threads:
        answers = set(threads.map(lambda note: deliver(invoker, note), deliveries))

    assert answers == {204}
    copies = listeners.collection(f"members/{member.id}/notifications").stream()
    assert {copy.id for copy in copies} == {str(identity) for identity in made}
    assert listeners.document(f"inboxes/{member.id}").get().get("unread_count") == NOTES


def test_an_old_event_shows_what_is_true_now(listeners: Client, invoker: FunctionInvoker, client: Asking) -> None:
    member = factories.member()
    note = notify(member.id)
    assert client(member.token).put(f"/v1/notifications/{note}/read").status == 200

    deliver(invoker, note)  # of when it was made

    assert listeners.document(f"members/{member.id}/notifications/{note}").get().get("read") is True
    assert listeners.document(f"inboxes/{member.id}").get().get("unread_count") == 0


def test_a_slow_writer_does_not_overwrite_a_newer_copy(listeners: Client, invoker: FunctionInvoker) -> None:
    member = factories.member()
    note = notify(member.id)
    newer = {"unread_count": 41, "sequence": 1000}
    listeners.document(f"inboxes/{member.id}").set(newer)

    deliver(invoker, note)

    assert listeners.document(f"inboxes/{member.id}").get().to_dict() == newer


def test_a_line_of_the_feed_is_one_document_however_often(listeners: Client, invoker: FunctionInvoker) -> None:
    now = datetime.now(UTC)
    for _ in range(2):
        amount = Usdt.of("5.000001")
        paid = texts.say("someone_was_paid", amount=amount)
        db.atomically(partial(feed.publish, kind="comp_paid", said=paid, amount=amount, dedupe_key="key", now=now))

    answers = {invoker.event("feed_project", "feed-item-made", {"feed_item_id": 1}) for _ in range(DELIVERIES)}

    assert answers == {204}
    (line,) = listeners.collection("feed").stream()
    assert (line.get("text"), line.get("amount")) == ("$5.000001 USDT paid on Polygon", "5.000001")
    assert (line.get("code"), line.get("params")) == ("someone_was_paid", {"amount": "5.000001"})
    assert line.get("partner") is False


def test_a_line_about_a_partner_says_so(listeners: Client, invoker: FunctionInvoker) -> None:
    amount, now = Usdt.of(21), datetime.now(UTC)
    said = texts.say("affiliate_matched", amount=amount)
    db.atomically(partial(feed.publish, kind="match_earned", said=said, amount=amount, dedupe_key="key", now=now))

    assert invoker.event("feed_project", "feed-item-made", {"feed_item_id": 1}) == 204
    (line,) = listeners.collection("feed").stream()
    assert (line.get("text"), line.get("partner")) == ("An affiliate earned a match of $21!", True)


def test_what_has_been_erased_meanwhile_is_no_fault(listeners: Client, invoker: FunctionInvoker) -> None:
    assert deliver(invoker, uuid4()) == 204
    assert invoker.event("feed_project", "inbox-changed", {"member_id": str(uuid4())}) == 204
    assert list(listeners.collection("inboxes").stream()) == []
