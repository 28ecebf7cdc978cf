"""Pins: what an admin pins stays as it was, until a time, until it is taken down, or until its message goes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from google.cloud.firestore import Client as Copies

from emulators.firestore import Firestore
from functions.member_erase import store as erasing
from shared import db
from shared.values.tiers import Tier
from tests.client import Answer, FunctionClient, refusal
from tests.clock import moved_clock
from tests.fakes.chat import CHANNELS, Chat, Chatter, text
from tests.fakes.chat_desk import ChatDesk, desk
from tests.fakes.chat_listeners import ChatListeners
from tests.fakes.invoker import FunctionInvoker
from tests.platform import Platform

pytest_plugins = ["tests.contract.firestore_plugin", "tests.fakes.chat_plugin"]


@pytest.fixture
def firestore_host(embedded_firestore_server: Firestore) -> str:
    return embedded_firestore_server.host


@pytest.fixture
def admin(client: Callable[..., FunctionClient]) -> ChatDesk:
    return desk(client)


def pin(admin: ChatDesk, message: dict[str, Any], until: datetime | None = None) -> Answer:
    return admin.post(f"messages/{message['id']}/pin", {"until": until.isoformat() if until else None})


def pinned(reader: Chatter, channel: UUID) -> list[str]:
    """The texts of the pins that the reader sees, newest first."""
    return [shown["text"] for shown in reader.client.get(f"{CHANNELS}/{channel}/pins").body["pins"]]


def test_a_pin_keeps_the_message_as_it_was_and_its_removal_takes_it_down(chat: Chat, admin: ChatDesk) -> None:
    author, general = chat.member(), chat.channel()
    first, second = author.posted(general, "one"), author.posted(general, "two")
    assert pin(admin, first).body["text"] == "one"
    pin(admin, second)
    author.edit(first["id"], "something else")
    assert pinned(author, general) == ["two", "one"]
    shown = author.client.get(f"{CHANNELS}/{general}/pins").body["pins"][0]
    assert (shown["author"]["username"], shown["number"]) == (author.name, 2)
    author.remove(first["id"])
    assert pinned(author, general) == ["two"]
    assert admin.delete(f"messages/{second['id']}/pin").status == 204
    assert refusal(admin.delete(f"messages/{second['id']}/pin")) == (404, "not-found")
    assert pinned(author, general) == []
    kinds = [change["kind"] for change in author.changes(general, 2)["changes"]]
    assert kinds == ["pinned", "pinned", "edited", "removed", "unpinned"]
    assert author.client.get(f"{CHANNELS}/{general}/pins").body["pins_revision"] == 4


def test_a_pin_ends_at_its_time_and_the_sweep_tells_listeners(
    chat: Chat, admin: ChatDesk, listeners: Copies, platform: Platform, tmp_path: Path
) -> None:
    tail = ChatListeners(listeners, FunctionInvoker(platform.invoker_token))
    author, general, now = chat.member(), chat.channel(), datetime.now(UTC)
    message = author.posted(general, "one")
    assert pin(admin, message, now + timedelta(hours=1)).status == 200
    assert tail.sweep() == 204
    assert tail.document(general)["pins_revision"] == 1
    assert pin(admin, message, now + timedelta(hours=2)).status == 200  # another end
    assert pinned(author, general) == ["one"]
    assert tail.sweep() == 204
    with moved_clock(tmp_path, timedelta(hours=2, minutes=1)):
        assert tail.sweep() == 204
    assert pinned(author, general) == []
    assert tail.document(general)["pins_revision"] == 3
    assert [change["kind"] for change in author.changes(general, 1)["changes"]] == ["pinned", "pinned", "unpinned"]
    assert chat.sql.execute_simple("SELECT count(*) FROM social_pins").rows == [[0]]


def test_each_lower_tier_and_who_is_banned_sees_no_pins(chat: Chat, admin: ChatDesk) -> None:
    whale = chat.member()
    for slug, allowed in (("whale-room", "w"), ("proposals", "hw"), ("general", "svhw")):
        channel = chat.channel(slug)
        pin(admin, whale.posted(channel, text(len(allowed))))
        for tier, letter in zip(Tier, "svhw", strict=True):
            answer = chat.member(tier).client.get(f"{CHANNELS}/{channel}/pins")
            expected = 200 if letter in allowed else 404
            assert answer.status == expected, (slug, tier)
    assert refusal(whale.client.get(f"{CHANNELS}/{uuid4()}/pins")) == (404, "not-found")
    chat.stand(whale, "banned_at", "now()")
    assert refusal(whale.client.get(f"{CHANNELS}/{chat.channel()}/pins")) == (403, "banned-from-chat")


def test_fifty_pins_and_no_more_also_side_by_side(chat: Chat, admin: ChatDesk) -> None:
    author, general = chat.member(), chat.channel()
    messages = [author.posted(general, text(number)) for number in range(4)]
    chat.sql.execute_simple(
        "INSERT INTO social_pins (message_id, channel_id, number, text, media_type, posted_at, pinned_by, pinned_at) "
        "SELECT gen_random_uuid(), (SELECT id FROM social_channels WHERE slug = 'general'), n, 'x', 'none', now(), "
        "(SELECT id FROM members LIMIT 1), now() FROM generate_series(1, 49) AS n"
    )
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda each: pin(admin, each).status, messages))
    assert sorted(answers) == [200, 409, 409, 409]
    assert len(pinned(author, general)) == 50


def test_what_cannot_be_pinned_changes_nothing(chat: Chat, admin: ChatDesk) -> None:
    author, general, now = chat.member(), chat.channel(), datetime.now(UTC)
    message, removed = author.posted(general, "one"), author.posted(general, "two")
    author.remove(removed["id"])
    for until in (now - timedelta(seconds=1), now + timedelta(days=400)):
        assert refusal(pin(admin, message, until)) == (422, "not-valid")
    for gone in (removed, {"id": uuid4()}):
        assert refusal(pin(admin, gone)) == (404, "not-found")
    assert pinned(author, general) == []


def test_pins_go_with_their_authors_account(chat: Chat, admin: ChatDesk) -> None:
    author, reader, general = chat.member(), chat.member(), chat.channel()
    pin(admin, author.posted(general, "a secret"))
    with db.acting_for("member_erase"):
        db.atomically(erasing.erase, "social_messages", author.somebody.id, 100)
    assert pinned(reader, general) == []
    assert reader.changes(general, 2)["changes"][0]["kind"] == "removed"
