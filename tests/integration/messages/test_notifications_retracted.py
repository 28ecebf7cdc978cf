"""A notification that is taken back is gone from the inbox, the unread count and the listeners' copy."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from google.cloud.firestore import Client as Listeners
from pg8000.dbapi import Connection

from shared import db
from shared.messages import notifications
from shared.messages.notifications import Note
from tests import factories
from tests.client import FunctionClient
from tests.factories import Somebody
from tests.fakes.invoker import FunctionInvoker
from tests.platform import Platform
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.contract.firestore_plugin"]

Client = Callable[..., FunctionClient]

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def invoker(platform: Platform) -> FunctionInvoker:
    return FunctionInvoker(platform.invoker_token)


def tell(somebody: Somebody, key: str, kind: str = "social") -> UUID:
    made = db.atomically(notifications.notify, Note(somebody.id, kind, "Hello", "there", {}, key), NOW)
    assert made
    return made


def inbox(client: FunctionClient) -> tuple[int, int]:
    """How many notifications there are, and how many of them are unread."""
    listed = client.get("/v1/notifications").body["items"]
    return len(listed), client.get("/v1/notifications/unread-count").body["unread_count"]


def test_it_is_taken_back_from_everybody_and_nothing_else_is(client: Client) -> None:
    members = [factories.member() for _ in range(3)]
    for member in members:
        tell(member, "message:1")
        tell(member, "message:2")
    read = client(members[0].token).get("/v1/notifications").body["items"]
    client(members[0].token).put(f"/v1/notifications/{read[-1]['id']}/read")
    client(members[0].token).put(f"/v1/notifications/{read[0]['id']}/read")

    assert db.atomically(notifications.retract, "message:1", NOW) == 3
    assert [inbox(client(member.token)) for member in members] == [(1, 0), (1, 1), (1, 1)]


def test_what_is_not_social_or_not_there_stays_as_it_is(sql: Connection) -> None:
    tell(factories.member(), "message:1", "comp")
    before = rows_of_all_tables(sql)

    assert db.atomically(notifications.retract, "message:1", NOW) == 0
    assert rows_of_all_tables(sql) == before


def test_taken_back_by_many_at_once_it_is_counted_once(client: Client) -> None:
    member = factories.member()
    tell(member, "message:1")
    tell(member, "message:2")

    with ThreadPoolExecutor(8) as threads:
        gone = list(threads.map(lambda _: db.atomically(notifications.retract, "message:1", NOW), range(8)))

    assert sorted(gone) == [0] * 7 + [1]
    assert inbox(client(member.token)) == (1, 1)


def test_a_copy_that_comes_late_does_not_bring_it_back(
    listeners: Listeners, invoker: FunctionInvoker, sql: Connection
) -> None:
    del sql
    member = factories.member()
    told = tell(member, "message:1")
    copy = listeners.document(f"members/{member.id}/notifications/{told}")
    assert invoker.event("feed_project", "notification-changed", {"notification_id": str(told)}) == 204
    assert copy.get().get("title") == "Hello"
    db.atomically(notifications.retract, "message:1", NOW)
    event: dict[str, Any] = {"notification_id": str(told), "member_id": str(member.id)}

    assert invoker.event("feed_project", "notification-retracted", event) == 204
    assert invoker.event("feed_project", "notification-changed", {"notification_id": str(told)}) == 204

    found = copy.get().to_dict() or {}
    assert (found["retracted"], "title" in found) == (True, False)
    assert listeners.document(f"inboxes/{member.id}").get().get("unread_count") == 0
    assert invoker.event("feed_project", "notification-retracted", event) == 204
