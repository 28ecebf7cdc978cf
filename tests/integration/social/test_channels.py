"""Admins make, change and archive channels; who sees one no more gets nothing later from it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from google.cloud.firestore import Client as Copies

from emulators.firestore import Firestore
from shared.auth import Role
from shared.values.tiers import Tier
from tests.client import FunctionClient, refusal
from tests.fakes.chat import CHANNELS, Chat, Chatter, text
from tests.fakes.chat_desk import ChatDesk, desk
from tests.fakes.chat_listeners import ChatListeners
from tests.fakes.invoker import FunctionInvoker
from tests.operations.social_desk import CHANNEL
from tests.platform import Platform

pytest_plugins = ["tests.contract.firestore_plugin", "tests.fakes.chat_plugin"]

HIDDEN = dict.fromkeys(("standard", "vip", "high_roller", "whale"), "hidden")


@pytest.fixture
def firestore_host(embedded_firestore_server: Firestore) -> str:
    return embedded_firestore_server.host


@pytest.fixture
def admin(client: Callable[..., FunctionClient]) -> ChatDesk:
    return desk(client, Role.OPERATIONS)


@pytest.fixture
def tail(listeners: Copies, platform: Platform) -> ChatListeners:
    return ChatListeners(listeners, FunctionInvoker(platform.invoker_token))


def made(admin: ChatDesk, **changes: object) -> dict[str, Any]:
    answer = admin.post("channels", CHANNEL | {"slug": "events"} | changes)
    assert (answer.status, answer.headers["ETag"]) == (201, '"1"'), answer.body
    return dict(answer.body)


def seen(who: Chatter) -> set[str]:
    return {channel["slug"] for channel in who.client.get(CHANNELS).body["channels"]}


def test_a_new_channel_is_there_for_the_tiers_that_it_names(chat: Chat, admin: ChatDesk, tail: ChatListeners) -> None:
    access = {"standard": "hidden", "vip": "view", "high_roller": "full", "whale": "full"}
    made(admin, access=access)
    channel = chat.channel("events")
    for tier, posts in ((Tier.STANDARD, 404), (Tier.VIP, 403), (Tier.HIGH_ROLLER, 201), (Tier.WHALE, 201)):
        member = chat.member(tier)
        assert ("events" in seen(member)) == (tier is not Tier.STANDARD)
        assert member.post(channel, text(1)).status == posts
    assert tail.publish(channel) == 204
    assert tail.document(channel)["access"] == access
    listed = admin.client.get("/v1/admin/social/channels").body["channels"]
    assert listed[-1]["slug"] == "events"


def test_a_change_raises_the_revision_and_reaches_listeners(chat: Chat, admin: ChatDesk, tail: ChatListeners) -> None:
    identity = made(admin)["id"]
    channel = chat.channel("events")
    changed = admin.put(f"channels/{identity}", CHANNEL | {"name": "Nights", "slow_seconds": 30}, 1)
    assert (changed.status, changed.body["revision"]) == (200, 2)
    assert refusal(admin.put(f"channels/{identity}", CHANNEL, 1)) == (412, "precondition-failed")
    assert refusal(admin.put(f"channels/{identity}", CHANNEL, None)) == (428, "precondition-required")
    tail.publish(channel)
    assert [tail.document(channel)[name] for name in ("name", "slow_seconds")] == ["Nights", 30]
    whale = chat.member()
    whale.posted(channel, text(1))
    assert refusal(whale.post(channel, text(2))) == (429, "posting-too-fast")
    with ThreadPoolExecutor(4) as pool:
        tried = pool.map(lambda _: admin.put(f"channels/{identity}", CHANNEL, 2).status, range(4))
        assert sorted(tried) == [200, 412, 412, 412]


def test_an_archived_channel_is_there_for_nobody_and_may_come_back(
    chat: Chat, admin: ChatDesk, tail: ChatListeners
) -> None:
    identity, channel = made(admin)["id"], chat.channel("events")
    member = chat.member()
    message = member.posted(channel, text(1))
    assert tail.publish(channel) == 204
    archived = admin.put(f"channels/{identity}", CHANNEL | {"is_archived": True}, 1)
    assert archived.body["archived_at"]
    for answer in (member.page(channel), member.post(channel, text(2)), member.react(message["id"])):
        assert refusal(answer) == (404, "not-found")
    assert "events" not in seen(member)
    assert tail.publish(channel) == 204
    assert tail.document(channel)["access"] == HIDDEN
    assert admin.put(f"channels/{identity}", CHANNEL, 2).body["archived_at"] is None
    assert member.numbers(channel) == [1]


def test_a_tier_that_sees_a_channel_no_more_gets_none_of_its_later_pages(
    chat: Chat, admin: ChatDesk, tail: ChatListeners
) -> None:
    access = {"standard": "hidden", "vip": "view", "high_roller": "full", "whale": "full"}
    identity, channel = made(admin, access=access)["id"], chat.channel("events")
    whale = chat.member()
    whale.posted(channel, text(1))
    tail.publish(channel)
    assert tail.document(channel)["shift"] == "1"
    admin.put(f"channels/{identity}", CHANNEL | {"access": access | {"vip": "hidden"}}, 1)
    whale.posted(channel, text(2))
    chat.sql.execute_simple("UPDATE social_tails SET due_at = NULL")
    tail.publish(channel)
    assert tail.document(channel)["shift"] == "2"
    assert [len(tail.pages(channel, shift)) for shift in ("1", "2")] == [1, 1]
    assert refusal(chat.member(Tier.VIP).page(channel)) == (404, "not-found")


def test_what_is_no_channel_is_refused(chat: Chat, admin: ChatDesk) -> None:
    made(admin)
    access = CHANNEL["access"]
    assert isinstance(access, dict)
    for wrong in (
        {"slug": "Events"}, {"slug": "a--b"}, {"name": ""}, {"kind": "dance"}, {"slow_seconds": 121},
        {"pace_ms": 10}, {"access": access | {"whale": "view"}}, {"access": access | {"standard": "nothing"}},
    ):  # fmt: skip
        answer = admin.post("channels", CHANNEL | {"slug": "other"} | wrong)
        assert refusal(answer) == (422, "not-valid"), wrong
    assert refusal(admin.post("channels", CHANNEL | {"slug": "events"})) == (409, "channel-exists")
    found = chat.sql.execute_simple("SELECT slug FROM social_channels WHERE slug IN ('events', 'other')").rows
    assert [list(row) for row in found] == [["events"]]
