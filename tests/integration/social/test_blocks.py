"""Members block others, who cannot notify them any more."""

from uuid import UUID, uuid4

import pytest

from functions.social import rules
from tests.client import refusal
from tests.fakes.chat import Chat, Chatter

pytest_plugins = ["tests.fakes.chat_plugin"]

BLOCKS = "/v1/social/blocks"


def blocked(who: Chatter) -> list[UUID]:
    return [UUID(item["member_id"]) for item in who.client.get(BLOCKS).body["items"]]


def test_a_block_is_listed_until_it_is_taken_back(chat: Chat) -> None:
    ada, eve, bob = chat.member(), chat.member(), chat.member()
    for other in (eve, bob, eve):
        assert ada.client.put(f"{BLOCKS}/{other.somebody.id}").status == 204
    assert blocked(ada) == [bob.somebody.id, eve.somebody.id]
    assert blocked(eve) == []
    for _ in range(2):
        assert ada.client.delete(f"{BLOCKS}/{bob.somebody.id}").status == 204
    assert blocked(ada) == [eve.somebody.id]


def test_a_thousand_and_no_more_and_one_that_is_there_stays(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "BLOCKS_MAX", 1)
    ada, eve, bob = chat.member(), chat.member(), chat.member()
    for _ in range(2):
        assert ada.client.put(f"{BLOCKS}/{eve.somebody.id}").status == 204
    assert refusal(ada.client.put(f"{BLOCKS}/{bob.somebody.id}")) == (409, "too-many-blocks")
    assert blocked(ada) == [eve.somebody.id]


def test_nobody_blocks_themselves_or_nobody(chat: Chat) -> None:
    ada = chat.member()
    assert refusal(ada.client.put(f"{BLOCKS}/{ada.somebody.id}")) == (422, "cannot-block-yourself")
    assert refusal(ada.client.put(f"{BLOCKS}/{uuid4()}")) == (404, "not-found")
    assert blocked(ada) == []
