"""Messages under load while the function that posts them dies.

Clients repeat a message until they have an answer: with its Idempotency-Key, or as another request with the same client
id; so they do with reactions, and remove some of their messages. Pages for listeners are written meanwhile. Afterwards
numbers and positions are contiguous, each client id is one message, every success that a client saw is in the table, a
member's reaction is there once and counted once, each position is in exactly one page, shown or named as skipped, and
unread counts are what a plain count says.

`CHAT_POSTS=20000 CHAT_CLIENTS=64 python -m pytest tests/fault/test_chat_killed.py` is the large run.
"""

import http.client
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from google.cloud.firestore import Client as Copies
from pg8000.dbapi import Connection

from emulators.firestore import Firestore
from shared.values.tiers import Tier
from tests import factories
from tests.client import FunctionClient
from tests.factories import Somebody
from tests.fakes.chat import CHANNELS, HEART, MESSAGES, text
from tests.fakes.chat_listeners import ChatListeners, body
from tests.fakes.function_server import PATIENCE_SECONDS, FunctionServer, opened
from tests.fakes.invoker import FunctionInvoker
from tests.platform import Platform

pytest_plugins = ["tests.contract.firestore_plugin"]

POSTS = int(os.environ.get("CHAT_POSTS", "480"))
CLIENTS = int(os.environ.get("CHAT_CLIENTS", "16"))
PER_MEMBER = 15  # less than what is a rush
KILLS = 3
REACTED_EACH, REMOVED_EACH = 4, 10  # to each fourth message its author reacts; each tenth is removed, some of both
DONE = 204
PAUSE_SECONDS = 0.02
PAGE_PAUSE_SECONDS = 0.2


@dataclass
class Load:
    """The messages that the clients post, and the answers that they have seen."""

    server: FunctionServer
    channels: list[UUID]
    members: list[Somebody]
    posts: list[tuple[int, UUID]] = field(default_factory=list)
    seen: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    reacted: set[UUID] = field(default_factory=set)
    removed: set[UUID] = field(default_factory=set)
    again: int = 0

    def run(self) -> None:
        """All messages, each until it is answered; the function is killed each time some more are."""
        self.posts = [(number, uuid4()) for number in range(POSTS)]
        with ThreadPoolExecutor(CLIENTS) as threads:
            clients = [threads.submit(self._client, position) for position in range(CLIENTS)]
            for kill in range(1, KILLS + 1):
                while len(self.seen) < kill * POSTS // (KILLS + 1) and not all(client.done() for client in clients):
                    time.sleep(0.001)
                self.server.kill()
            for client in clients:
                client.result()

    def _client(self, position: int) -> None:
        for number, client_id in self.posts[position::CLIENTS]:
            path = f"{CHANNELS}/{self.channels[number % len(self.channels)]}/messages"
            posted = self._until_answered("POST", path, number, {"client_id": str(client_id), "text": text(number)})
            self.seen[client_id] = posted
            path, message = f"{MESSAGES}/{posted['id']}", UUID(posted["id"])
            if number % REACTED_EACH == 0:
                self._until_answered("PUT", f"{path}/reactions/{HEART}", number)
                self.reacted.add(message)
            if number % REMOVED_EACH == 2:
                self._until_answered("DELETE", path, number)
                self.removed.add(message)

    def _until_answered(self, method: str, path: str, number: int, body: object = None) -> dict[str, Any]:
        """Send a request of the author's until it has an answer; the half of them under a new key each time."""
        member, key = self.members[number // PER_MEMBER], str(uuid4())
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < ends_at:
            try:
                status, answer = self.server.send(method, path, member, body, key)
            except (OSError, http.client.HTTPException):
                status, answer = 0, None
            if 0 < status < 500:
                assert status in (200, 201, 204), answer
                return dict(answer or {})
            self.again += 1
            key = key if number % 2 else str(uuid4())
            time.sleep(PAUSE_SECONDS)
        raise TimeoutError(str(number))


@dataclass
class Publisher:
    """Writes pages for listeners while the load goes on."""

    tail: ChatListeners
    is_over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.is_over.wait(PAGE_PAUSE_SECONDS):
            assert self.tail.sweep() == DONE


@pytest.fixture
def firestore_host(embedded_firestore_server: Firestore) -> str:
    return embedded_firestore_server.host


def test_the_function_dies_under_load(
    platform: Platform, client: Callable[..., FunctionClient], sql: Connection, tmp_path: Path, listeners: Copies
) -> None:
    members = [factories.member(permanent_tier=Tier.WHALE) for _ in range(POSTS // PER_MEMBER + 1)]
    names = "'general', 'crypto', 'scans'"
    found = sql.execute_simple(f"SELECT id FROM social_channels WHERE slug IN ({names}) ORDER BY slug").rows
    channels = [UUID(str(row[0])) for row in found]
    readers = [factories.member() for _ in range(2)]
    for reader in readers:
        client(reader.token).get(CHANNELS)

    publisher = Publisher(ChatListeners(listeners, FunctionInvoker(platform.invoker_token)))
    with opened("social", platform, tmp_path, CLIENTS) as server, ThreadPoolExecutor(1) as thread:
        published = thread.submit(publisher.run)
        try:
            load = Load(server, channels, members)
            load.run()
        finally:
            publisher.is_over.set()
        published.result()

    assert load.again >= 1
    check(sql, load)
    check_reactions(sql, load)
    check_pages(sql, load, publisher.tail)
    for reader, read in zip(readers, (0, POSTS // 5), strict=True):
        check_unread(sql, load, client(reader.token), read)


def check(sql: Connection, load: Load) -> None:
    """The world after the load."""
    stored = {UUID(str(row[0])): row[1] for row in sql.execute_simple("SELECT id, number FROM social_messages").rows}
    assert stored == {UUID(answer["id"]): answer["number"] for answer in load.seen.values()}
    gone = sql.execute_simple("SELECT id FROM social_messages WHERE removed_at IS NOT NULL").rows
    assert {UUID(str(row[0])) for row in gone} == load.removed
    assert len(stored) == len(load.seen) == POSTS
    sent = sql.execute_simple("SELECT client_id, message_id FROM social_sent").rows
    assert {UUID(str(c)): UUID(str(m)) for c, m in sent} == {c: UUID(a["id"]) for c, a in load.seen.items()}
    for channel in load.channels:
        taken = (channel,)
        numbers = "SELECT number FROM social_messages WHERE channel_id = $1 ORDER BY number"
        positions = "SELECT position FROM social_entries WHERE channel_id = $1 ORDER BY position"
        (head,) = sql.execute_unnamed("SELECT number, position FROM social_heads WHERE channel_id = $1", taken).rows
        for statement, newest in zip((numbers, positions), head, strict=True):
            found = [row[0] for row in sql.execute_unnamed(statement, taken).rows]
            assert found == list(range(1, newest + 1))


def check_reactions(sql: Connection, load: Load) -> None:
    """Each reaction that was answered is there once, and counted once."""
    reactions = sql.execute_simple("SELECT message_id FROM social_reactions").rows
    assert sorted(UUID(str(row[0])) for row in reactions) == sorted(load.reacted)
    counts = sql.execute_simple("SELECT message_id, count FROM social_reaction_counts").rows
    assert {UUID(str(message)): count for message, count in counts} == dict.fromkeys(load.reacted, 1)


def check_pages(sql: Connection, load: Load, tail: ChatListeners) -> None:
    """Each position of a channel is in exactly one page: shown, or named as skipped. No page shows the text of a
    message that was removed.
    """
    assert tail.sweep() == DONE
    assert load.removed & load.reacted
    for channel in load.channels:
        shown, skipped = [], []
        pages = tail.pages(channel)
        assert len(pages) >= 2
        for page in pages:
            shown += [change["position"] for change in body(page)]
            for message in (change["message"] for change in body(page)):
                assert ("text" in message) == (UUID(message["id"]) not in load.removed)
            skipped += [position for gap in page["skipped"] for position in range(gap["from"], gap["to"] + 1)]
        head = sql.execute_unnamed("SELECT position FROM social_heads WHERE channel_id = $1", (channel,)).rows[0][0]
        assert sorted(shown + skipped) == list(range(1, head + 1))


def check_unread(sql: Connection, load: Load, reader: FunctionClient, read: int) -> None:
    """A reader is told as many unread messages as a plain count finds, wherever they have read to."""
    told = {}
    for channel in load.channels:
        marked = reader.put(f"{CHANNELS}/{channel}/read", {"number": read}).body
        assert marked["number"] == read
        told[str(channel)] = marked["unread"]
    plain = sql.execute_unnamed(
        "SELECT channel_id, count(*) FROM social_messages WHERE number > $1 AND removed_at IS NULL GROUP BY 1", (read,)
    ).rows
    assert told == {str(channel): count for channel, count in plain}
    listed = {each["id"]: each["unread"] for each in reader.get(CHANNELS).body["channels"]}
    assert {channel: listed[channel] for channel in told} == told
