"""An admin tells every member something: once each, whoever dies or comes twice, in bounded steps."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from pg8000.dbapi import Connection

from functions.broadcast_send import store
from shared.auth import Role
from tests import factories
from tests.client import FunctionClient
from tests.fakes.invoker import FunctionInvoker
from tests.fakes.profile_client import ProfileClient
from tests.platform import Platform
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

BROADCAST = "/v1/admin/notifications/broadcast"
NEWS = {"title": "Holiday hours", "body": "Back on 2 January.", "screen": "news/holidays"}


@pytest.fixture
def admin_client(client: Client, platform: Platform, sql: Connection, monkeypatch: pytest.MonkeyPatch) -> ProfileClient:
    """The admin is the first member; three are told per task."""
    monkeypatch.setattr(store, "MEMBERS_AT_ONCE", 3)
    return ProfileClient(client(factories.member(role=Role.OPERATIONS).token), platform, sql)


def ordered(admin_client: ProfileClient, key: str = "k1") -> str:
    answer = admin_client.member.post(BROADCAST, NEWS, **{"Idempotency-Key": key})
    assert answer.status == 202, answer.body
    return str(answer.body["id"])


def told(sql: Connection) -> list[list[int]]:
    """How many notifications, members who have one, the sum of unread counts, and events of each kind."""
    return list(
        sql.execute_simple(
            "SELECT (SELECT count(*) FROM notifications), (SELECT count(DISTINCT member_id) FROM notifications), "
            "(SELECT sum(unread) FROM inboxes), "
            "(SELECT count(*) FROM outbox WHERE destination = 'notification-changed'), "
            "(SELECT count(*) FROM outbox WHERE destination = 'notification-made')"
        ).rows
    )


def test_everybody_is_told_once(admin_client: ProfileClient, client: Client, sql: Connection) -> None:
    people = [factories.member() for _ in range(10)]
    identity = ordered(admin_client)
    assert admin_client.run_tasks(times=2) == 4
    assert told(sql) == [[11, 11, 11, 11, 11]]
    (note,) = client(people[0].token).get("/v1/notifications?type=system").body["items"]
    assert (note["title"], note["body"]) == (NEWS["title"], NEWS["body"])
    assert note["data"] == {"broadcast_id": identity, "screen": "news/holidays"}
    found = admin_client.member.get(f"{BROADCAST}s/{identity}").body
    assert (found["told"], found["progress"]) == (11, 1.0)
    assert found["finished_at"]
    assert admin_client.member.get(f"{BROADCAST}s").body["items"] == [found]


def test_its_task_delivered_by_many_at_once_tells_once(
    admin_client: ProfileClient, platform: Platform, sql: Connection
) -> None:
    for _ in range(5):
        factories.member()
    ordered(admin_client)
    ((_, function, queue, body),) = admin_client.waiting()
    with ThreadPoolExecutor(16) as threads:
        invoker = FunctionInvoker(platform.invoker_token)
        answers = list(threads.map(lambda _: invoker.task(function, queue, body), range(32)))
    assert set(answers) == {204}
    assert told(sql) == [[3, 3, 3, 3, 3]]
    admin_client.run_tasks()
    assert told(sql) == [[6, 6, 6, 6, 6]]


def test_whoever_is_killed_in_between_leaves_nothing_and_is_followed(
    admin_client: ProfileClient, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        factories.member()
    ordered(admin_client)
    ((identity, function, queue, body),) = admin_client.waiting()

    def dies(*_: object) -> None:
        raise RuntimeError("killed")

    before = rows_of_all_tables(sql)
    with monkeypatch.context() as patched:
        patched.setattr(store, "advance", dies)
        assert admin_client.invoker.task(function, queue, body) == 500
    assert rows_of_all_tables(sql) == before
    assert identity
    admin_client.run_tasks()
    assert told(sql) == [[5, 5, 5, 5, 5]]


def test_a_late_task_of_earlier_does_nothing(admin_client: ProfileClient, sql: Connection) -> None:
    for _ in range(8):
        factories.member()
    ordered(admin_client)
    tasks = []
    while waiting := admin_client.waiting():
        tasks += waiting
        for identity, function, queue, body in waiting:
            sql.execute_unnamed("UPDATE outbox SET published_at = now() WHERE id = $1", (identity,))
            assert admin_client.invoker.task(function, queue, body) == 204
    before = rows_of_all_tables(sql)
    for _, function, queue, body in reversed(tasks):
        assert admin_client.invoker.task(function, queue, body) == 204
    assert rows_of_all_tables(sql) == before


def test_who_is_suspended_or_gone_or_joins_later_is_not_told(
    admin_client: ProfileClient, client: Client, sql: Connection
) -> None:
    suspended, gone = factories.member(), factories.member()
    sql.execute_unnamed("UPDATE members SET status = 'suspended' WHERE id = $1", (suspended.id,))
    sql.execute_unnamed("UPDATE members SET status = 'deleted' WHERE id = $1", (gone.id,))
    identity = ordered(admin_client)
    late = factories.member()
    admin_client.run_tasks()
    assert client(late.token).get("/v1/notifications").body["items"] == []
    assert told(sql)[0][:2] == [1, 1]
    assert admin_client.member.get(f"{BROADCAST}s/{identity}").body["told"] == 1


def test_sent_again_under_its_key_it_is_one_message_and_without_a_key_none(
    admin_client: ProfileClient, sql: Connection
) -> None:
    assert ordered(admin_client) == ordered(admin_client)
    admin_client.run_tasks()
    assert told(sql)[0][0] == 1
    before = rows_of_all_tables(sql)
    answer = admin_client.member.send(
        "POST", BROADCAST, json.dumps(NEWS).encode(), {"Content-Type": "application/json"}
    )
    assert (answer.status, answer.problem) == (422, "not-valid")
    assert [error["field"] for error in answer.body["errors"]] == ["Idempotency-Key"]
    assert rows_of_all_tables(sql) == before


def test_who_sent_it_is_on_record(admin_client: ProfileClient, sql: Connection) -> None:
    identity = ordered(admin_client)
    rows = sql.execute_simple("SELECT action, resource_id, changes ->> 'title' FROM audit_logs").rows
    assert rows == [["notification.broadcast", identity, NEWS["title"]]]


def test_two_messages_at_once_both_reach_everybody(
    admin_client: ProfileClient, platform: Platform, sql: Connection
) -> None:
    for _ in range(20):
        factories.member()
    ordered(admin_client, "k1")
    ordered(admin_client, "k2")
    invoker = FunctionInvoker(platform.invoker_token)
    while waiting := admin_client.waiting():
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda task: invoker.task(task[1], task[2], task[3]), waiting * 2))
        assert set(answers) == {204}
        for identity, *_ in waiting:
            sql.execute_unnamed("UPDATE outbox SET published_at = now() WHERE id = $1", (identity,))
    assert told(sql) == [[42, 21, 42, 42, 42]]
