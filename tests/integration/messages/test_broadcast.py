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
from tests.fakes.profile_desk import ProfileDesk
from tests.platform import Platform
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

BROADCAST = "/v1/admin/notifications/broadcast"
NEWS = {"title": "Holiday hours", "body": "Back on 2 January.", "screen": "news/holidays"}


@pytest.fixture
def desk(client: Client, platform: Platform, sql: Connection, monkeypatch: pytest.MonkeyPatch) -> ProfileDesk:
    """The admin is the first member; three are told per task."""
    monkeypatch.setattr(store, "MEMBERS_AT_ONCE", 3)
    return ProfileDesk(client(factories.member(role=Role.OPERATIONS).token), platform, sql)


def ordered(desk: ProfileDesk, key: str = "k1") -> str:
    answer = desk.member.post(BROADCAST, NEWS, **{"Idempotency-Key": key})
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


def test_everybody_is_told_once(desk: ProfileDesk, client: Client, sql: Connection) -> None:
    people = [factories.member() for _ in range(10)]
    identity = ordered(desk)
    assert desk.run_tasks(times=2) == 4
    assert told(sql) == [[11, 11, 11, 11, 11]]
    (note,) = client(people[0].token).get("/v1/notifications?type=system").body["items"]
    assert (note["title"], note["body"]) == (NEWS["title"], NEWS["body"])
    assert note["data"] == {"broadcast_id": identity, "screen": "news/holidays"}
    found = desk.member.get(f"{BROADCAST}s/{identity}").body
    assert (found["told"], found["progress"]) == (11, 1.0)
    assert found["finished_at"]
    assert desk.member.get(f"{BROADCAST}s").body["items"] == [found]


def test_its_task_delivered_by_many_at_once_tells_once(desk: ProfileDesk, platform: Platform, sql: Connection) -> None:
    for _ in range(5):
        factories.member()
    ordered(desk)
    ((_, function, queue, body),) = desk.waiting()
    with ThreadPoolExecutor(16) as threads:
        invoker = FunctionInvoker(platform.invoker_token)
        answers = list(threads.map(lambda _: invoker.task(function, queue, body), range(32)))
    assert set(answers) == {204}
    assert told(sql) == [[3, 3, 3, 3, 3]]
    desk.run_tasks()
    assert told(sql) == [[6, 6, 6, 6, 6]]


def test_whoever_is_killed_in_between_leaves_nothing_and_is_followed(
    desk: ProfileDesk, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        factories.member()
    ordered(desk)
    ((identity, function, queue, body),) = desk.waiting()

    def dies(*_: object) -> None:
        raise RuntimeError("killed")

    before = rows_of_all_tables(sql)
    with monkeypatch.context() as patched:
        patched.setattr(store, "advance", dies)
        assert desk.invoker.task(function, queue, body) == 500
    assert rows_of_all_tables(sql) == before
    assert identity
    desk.run_tasks()
    assert told(sql) == [[5, 5, 5, 5, 5]]


def test_a_late_task_of_earlier_does_nothing(desk: ProfileDesk, sql: Connection) -> None:
    for _ in range(8):
        factories.member()
    ordered(desk)
    tasks = []
    while waiting := desk.waiting():
        tasks += waiting
        for identity, function, queue, body in waiting:
            sql.execute_unnamed("UPDATE outbox SET published_at = now() WHERE id = $1", (identity,))
            assert desk.invoker.task(function, queue, body) == 204
    before = rows_of_all_tables(sql)
    for _, function, queue, body in reversed(tasks):
        assert desk.invoker.task(function, queue, body) == 204
    assert rows_of_all_tables(sql) == before


def test_who_is_suspended_or_gone_or_joins_later_is_not_told(
    desk: ProfileDesk, client: Client, sql: Connection
) -> None:
    suspended, gone = factories.member(), factories.member()
    sql.execute_unnamed("UPDATE members SET status = 'suspended' WHERE id = $1", (suspended.id,))
    sql.execute_unnamed("UPDATE members SET status = 'deleted' WHERE id = $1", (gone.id,))
    identity = ordered(desk)
    late = factories.member()
    desk.run_tasks()
    assert client(late.token).get("/v1/notifications").body["items"] == []
    assert told(sql)[0][:2] == [1, 1]
    assert desk.member.get(f"{BROADCAST}s/{identity}").body["told"] == 1


def test_sent_again_under_its_key_it_is_one_message_and_without_a_key_none(desk: ProfileDesk, sql: Connection) -> None:
    assert ordered(desk) == ordered(desk)
    desk.run_tasks()
    assert told(sql)[0][0] == 1
    before = rows_of_all_tables(sql)
    answer = desk.member.send("POST", BROADCAST, json.dumps(NEWS).encode(), {"Content-Type": "application/json"})
    assert (answer.status, answer.problem) == (422, "not-valid")
    assert [error["field"] for error in answer.body["errors"]] == ["Idempotency-Key"]
    assert rows_of_all_tables(sql) == before


def test_who_sent_it_is_on_record(desk: ProfileDesk, sql: Connection) -> None:
    identity = ordered(desk)
    rows = sql.execute_simple("SELECT action, resource_id, changes ->> 'title' FROM audit_logs").rows
    assert rows == [["notification.broadcast", identity, NEWS["title"]]]


def test_two_messages_at_once_both_reach_everybody(desk: ProfileDesk, platform: Platform, sql: Connection) -> None:
    for _ in range(20):
        factories.member()
    ordered(desk, "k1")
    ordered(desk, "k2")
    invoker = FunctionInvoker(platform.invoker_token)
    while waiting := desk.waiting():
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda task: invoker.task(task[1], task[2], task[3]), waiting * 2))
        assert set(answers) == {204}
        for identity, *_ in waiting:
            sql.execute_unnamed("UPDATE outbox SET published_at = now() WHERE id = $1", (identity,))
    assert told(sql) == [[42, 21, 42, 42, 42]]
