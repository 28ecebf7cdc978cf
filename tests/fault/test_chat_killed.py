"""Messages under load while the function that posts them dies.

Clients repeat a message until they have an answer: with its Idempotency-Key, or as another request with the same client
id. Afterwards numbers and positions are contiguous, each client id is one message, every success that a client saw is
in the table, and unread counts are what a plain count says.

`CHAT_POSTS=20000 CHAT_CLIENTS=64 python -m pytest tests/fault/test_chat_killed.py` is the large run.
"""

import http.client
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from pg8000.dbapi import Connection

from shared.values.tiers import Tier
from tests import factories
from tests.client import FunctionClient
from tests.factories import Somebody
from tests.fakes.chat import text
from tests.fakes.function_server import PATIENCE_SECONDS, FunctionServer, opened
from tests.platform import Platform

POSTS = int(os.environ.get("CHAT_POSTS", "480"))
CLIENTS = int(os.environ.get("CHAT_CLIENTS", "16"))
PER_MEMBER = 15  # less than what is a rush
KILLS = 3
PAUSE_SECONDS = 0.02


@dataclass
class Load:
    """The messages that the clients post, and the answers that they have seen."""

    server: FunctionServer
    channels: list[UUID]
    members: list[Somebody]
    posts: list[tuple[int, UUID]] = field(default_factory=list)
    seen: dict[UUID, dict[str, Any]] = field(default_factory=dict)
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
            self.seen[client_id] = self._until_answered(number, client_id)

    def _until_answered(self, number: int, client_id: UUID) -> dict[str, Any]:
        member = self.members[number // PER_MEMBER]
        path = f"/v1/social/channels/{self.channels[number % len(self.channels)]}/messages"
        body, key = {"client_id": str(client_id), "text": text(number)}, str(uuid4())
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < ends_at:
            try:
                status, answer = self.server.post(path, member, body, key)
            except (OSError, http.client.HTTPException):
                status, answer = 0, None
            if 0 < status < 500:
                assert status == 201, answer
                return dict(answer)
            self.again += 1
            key = key if number % 2 else str(uuid4())
            time.sleep(PAUSE_SECONDS)
        raise TimeoutError(str(number))


def test_the_function_dies_under_load(
    platform: Platform, client: Callable[..., FunctionClient], sql: Connection, tmp_path: Path
) -> None:
    members = [factories.member(permanent_tier=Tier.WHALE) for _ in range(POSTS // PER_MEMBER + 1)]
    names = "'general', 'crypto', 'scans'"
    found = sql.execute_simple(f"SELECT id FROM social_channels WHERE slug IN ({names}) ORDER BY slug").rows
    channels = [UUID(str(row[0])) for row in found]
    readers = [factories.member() for _ in range(2)]
    for reader in readers:
        client(reader.token).get("/v1/social/channels")

    with opened("social", platform, tmp_path, CLIENTS) as server:
        load = Load(server, channels, members)
        load.run()

    assert load.again >= 1
    check(sql, load)
    for reader in readers:
        shown = client(reader.token).get("/v1/social/channels").body["channels"]
        assert sum(channel["unread"] for channel in shown) == POSTS


def check(sql: Connection, load: Load) -> None:
    """The world after the load."""
    stored = {UUID(str(row[0])): row[1] for row in sql.execute_simple("SELECT id, number FROM social_messages").rows}
    assert stored == {UUID(answer["id"]): answer["number"] for answer in load.seen.values()}
    assert len(stored) == len(load.seen) == POSTS
    sent = sql.execute_simple("SELECT client_id, message_id FROM social_sent").rows
    assert {UUID(str(c)): UUID(str(m)) for c, m in sent} == {c: UUID(a["id"]) for c, a in load.seen.items()}
    for channel in load.channels:
        taken = (channel,)
        numbers = "SELECT number FROM social_messages WHERE channel_id = $1 ORDER BY number"
        positions = "SELECT position FROM social_entries WHERE channel_id = $1 ORDER BY position"
        head = sql.execute_unnamed("SELECT number FROM social_heads WHERE channel_id = $1", taken).rows[0][0]
        for statement in (numbers, positions):
            found = [row[0] for row in sql.execute_unnamed(statement, taken).rows]
            assert found == list(range(1, head + 1))
