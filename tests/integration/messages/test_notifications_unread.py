"""The unread count is exact whatever happens at the same time, and nobody sees or touches another one's inbox."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from pg8000.dbapi import Connection

from shared import db
from shared.messages import notifications
from shared.messages.notifications import Note
from tests import factories
from tests.client import FunctionClient
from tests.factories import Somebody
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

AT_ONCE = 64
ACTS = 640


def tell(somebody: Somebody, key: str, kind: str = "system", at: datetime | None = None) -> UUID | None:
    note = Note(somebody.id, kind, "Hello", "there", {"key": key}, key)
    return db.atomically(lambda tx: notifications.notify(tx, note, at or datetime.now(UTC)))


def told(somebody: Somebody, count: int) -> list[UUID]:
    made = [tell(somebody, f"note-{number}") for number in range(count)]
    return [identity for identity in made if identity]


def unread(client: FunctionClient) -> int:
    return int(client.get("/v1/notifications/unread-count").body["unread_count"])


def outbox(sql: Connection, topic: str) -> int:
    return int(sql.execute_unnamed("SELECT count(*) FROM outbox WHERE destination = $1", (topic,)).rows[0][0])


def test_each_notification_counts_until_it_is_read(client: Client) -> None:
    somebody = factories.member()
    member = client(somebody.token)
    first, second, _ = told(somebody, 3)
    assert unread(member) == 3
    assert member.put(f"/v1/notifications/{first}/read").body["read"] is True
    assert unread(member) == 2
    assert member.put(f"/v1/notifications/{second}/read").status == 200
    assert unread(member) == 1
    assert member.post("/v1/notifications/read-all").body == {"unread_count": 0}
    assert unread(member) == 0


def test_reading_twice_counts_once(client: Client, sql: Connection) -> None:
    somebody = factories.member()
    member = client(somebody.token)
    (first, _) = told(somebody, 2)
    once = member.put(f"/v1/notifications/{first}/read")
    before = rows_of_all_tables(sql)
    again = member.put(f"/v1/notifications/{first}/read")
    assert (again.status, again.body) == (200, once.body)
    assert unread(member) == 1
    assert rows_of_all_tables(sql) == before


def test_reading_everything_when_there_is_nothing_changes_nothing(client: Client, sql: Connection) -> None:
    member = client(factories.member().token)
    before = rows_of_all_tables(sql)
    assert member.post("/v1/notifications/read-all").body == {"unread_count": 0}
    assert rows_of_all_tables(sql) == before


def test_a_new_member_has_nothing_to_read(client: Client) -> None:
    member = client(factories.member().token)
    assert unread(member) == 0
    assert member.get("/v1/notifications").body == {"items": [], "next_cursor": None}


def test_one_cause_is_told_once(client: Client) -> None:
    somebody = factories.member()
    assert tell(somebody, "won")
    assert tell(somebody, "won") is None
    assert unread(client(somebody.token)) == 1


def test_the_same_cause_told_many_times_at_once_is_told_once(client: Client) -> None:
    somebody = factories.member()
    with ThreadPoolExecutor(16) as threads:
        made = [identity for identity in threads.map(lambda _: tell(somebody, "won"), range(64)) if identity]
    assert len(made) == 1
    assert unread(client(somebody.token)) == 1


def test_somebody_elses_notification_is_not_there(client: Client, sql: Connection) -> None:
    owner, stranger = factories.member(), factories.member()
    (theirs,) = told(owner, 1)
    before = rows_of_all_tables(sql)
    for identity in (theirs, uuid4()):
        answer = client(stranger.token).put(f"/v1/notifications/{identity}/read")
        assert (answer.status, answer.problem) == (404, "not-found")
    assert client(stranger.token).get("/v1/notifications").body["items"] == []
    assert client(stranger.token).post("/v1/notifications/read-all").body == {"unread_count": 0}
    assert rows_of_all_tables(sql) == before
    assert unread(client(owner.token)) == 1


def test_each_change_is_published_once(client: Client, sql: Connection) -> None:
    somebody = factories.member()
    member = client(somebody.token)
    first, _ = told(somebody, 2)
    assert (outbox(sql, "notification-changed"), outbox(sql, "notification-made")) == (2, 2)
    member.put(f"/v1/notifications/{first}/read")
    member.put(f"/v1/notifications/{first}/read")
    assert outbox(sql, "notification-changed") == 3
    member.post("/v1/notifications/read-all")
    member.post("/v1/notifications/read-all")
    assert outbox(sql, "inbox-changed") == 1


def test_the_revision_rises_with_every_change(client: Client, sql: Connection) -> None:
    """Published copies know the newer one by it."""
    somebody = factories.member()
    member = client(somebody.token)
    revisions = []
    for act in (
        lambda: tell(somebody, "a"),
        lambda: tell(somebody, "b"),
        lambda: member.post("/v1/notifications/read-all"),
        lambda: tell(somebody, "c"),
    ):
        act()
        revisions.append(sql.execute_simple("SELECT revision FROM inboxes").rows[0][0])
    assert revisions == sorted(set(revisions))


def test_the_list_is_newest_first_in_pages_and_by_type(client: Client) -> None:
    somebody = factories.member()
    start = datetime(2026, 11, 22, tzinfo=UTC)
    kinds = ["system", "comp", "order", "social"]
    for number in range(10):  # several of one moment: the id decides between them
        tell(somebody, f"n{number}", kinds[number % 4], start + timedelta(seconds=number // 3))
    member = client(somebody.token)
    seen: list[dict[str, Any]] = []
    cursor = ""
    for _ in range(4):
        page = member.get(f"/v1/notifications?limit=3{cursor}").body
        assert len(page["items"]) <= 3
        seen += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    order = [(item["created_at"], UUID(item["id"]).bytes) for item in seen]
    assert len({item["id"] for item in seen}) == 10
    assert order == sorted(order, reverse=True)
    only = member.get("/v1/notifications?type=comp").body["items"]
    assert {item["data"]["key"] for item in only} == {"n1", "n5", "n9"}


def test_what_is_new_while_somebody_pages_does_not_shift_the_pages(client: Client) -> None:
    somebody = factories.member()
    member = client(somebody.token)
    told(somebody, 4)
    first = member.get("/v1/notifications?limit=2").body
    tell(somebody, "late")
    second = member.get(f"/v1/notifications?limit=2&cursor={first['next_cursor']}").body
    keys = [item["data"]["key"] for item in (*first["items"], *second["items"])]
    assert keys == ["note-3", "note-2", "note-1", "note-0"]


def test_the_count_is_exact_while_64_write_read_and_read_all_at_once(client: Client, sql: Connection) -> None:
    people = [factories.member() for _ in range(3)]
    made = {somebody.id: told(somebody, 40) for somebody in people}
    chance = random.Random(20261122)  # noqa: S311 - the same mixture each time

    def plan(number: int) -> Callable[[], object]:
        somebody = chance.choice(people)
        member = client(somebody.token)
        kind = chance.choices(("tell", "read", "read-all"), (5, 5, 1))[0]
        if kind == "tell":
            return lambda: tell(somebody, f"more-{number}")
        if kind == "read":
            identity = chance.choice(made[somebody.id])
            return lambda: member.put(f"/v1/notifications/{identity}/read").status
        return lambda: member.post("/v1/notifications/read-all").status

    acts = [plan(number) for number in range(ACTS)]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        outcomes = list(threads.map(lambda act: act(), acts))

    assert {outcome for outcome in outcomes if isinstance(outcome, int)} == {200}
    rows = sql.execute_simple(
        "SELECT i.unread, count(n.id) FILTER (WHERE n.read_at IS NULL) FROM inbox_counts i "
        "LEFT JOIN notifications n ON n.member_id = i.member_id GROUP BY i.member_id, i.unread"
    ).rows
    assert len(rows) == 3
    assert all(kept == counted for kept, counted in rows), rows
    for somebody in people:
        assert client(somebody.token).post("/v1/notifications/read-all").body == {"unread_count": 0}
