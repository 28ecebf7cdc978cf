"""The cost of a page or a count does not grow with the notifications that there are."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from pg8000.dbapi import Connection

from tests import factories
from tests.client import FunctionClient
from tests.factories import Somebody

Client = Callable[..., FunctionClient]

OTHERS = 20
BUFFERS_MAX = 120  # pages of 8 KiB: the twenty-one rows may lie on a page each, and an index is four deep
PAGE = """
    SELECT id, type, title, body, data, created_at, read_at FROM notifications
    WHERE member_id = $1 {of_type} ORDER BY created_at DESC, id DESC LIMIT 21
"""
READ = "UPDATE notifications SET read_at = now() WHERE member_id = $1 AND read_at IS NULL AND id = $2"


@pytest.fixture
def crowded(sql: Connection) -> Somebody:
    """A member with 2,000 notifications among 40,000 of others."""
    people = [factories.member() for _ in range(OTHERS)]
    for somebody in people:
        sql.execute_unnamed(
            """
            INSERT INTO notifications (id, member_id, type, title, body, data, dedupe_key, created_at)
            SELECT gen_random_uuid(), $1, CASE WHEN n % 500 = 0 THEN 'order' ELSE 'comp' END, 'You won', 'It is paid',
                   '{}', n::text, timestamptz '2026-01-01Z' + make_interval(mins => n)
            FROM generate_series(1, 2000) AS n
            """,
            (somebody.id,),
        )
    sql.execute_simple("UPDATE inboxes SET unread = 2000")
    sql.execute_simple("ANALYZE notifications")
    return people[7]


def cost(sql: Connection, query: str, *values: object) -> tuple[int, str]:
    """Pages touched by running it, and the plan."""
    ((found,),) = sql.execute_unnamed(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}", values).rows
    plan: dict[str, Any] = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], json.dumps(plan)


def test_a_page_touches_as_many_rows_as_it_shows(crowded: Somebody, sql: Connection) -> None:
    for of_type, index in (("", "notifications_member"), ("AND type = 'order'", "notifications_type")):
        buffers, plan = cost(sql, PAGE.format(of_type=of_type), crowded.id)
        assert buffers <= BUFFERS_MAX, plan
        assert f'"Index Name": "{index}"' in plan
        assert "Seq Scan" not in plan


def test_the_count_and_reading_one_touch_a_handful_of_pages(crowded: Somebody, sql: Connection) -> None:
    buffers, plan = cost(sql, "SELECT unread FROM inboxes WHERE member_id = $1", crowded.id)
    assert buffers <= 10, plan
    ((identity,),) = sql.execute_unnamed(
        "SELECT id FROM notifications WHERE member_id = $1 AND dedupe_key = '1000'", (crowded.id,)
    ).rows
    buffers, plan = cost(sql, READ, crowded.id, identity)
    assert buffers <= BUFFERS_MAX, plan
    assert "Seq Scan" not in plan


def test_the_pages_of_a_rare_type_are_whole(client: Client, crowded: Somebody) -> None:
    found = client(crowded.token).get("/v1/notifications?type=order&limit=3").body
    assert len(found["items"]) == 3
    rest = client(crowded.token).get(f"/v1/notifications?type=order&limit=3&cursor={found['next_cursor']}").body
    assert [len(rest["items"]), rest["next_cursor"]] == [1, None]
