"""A username leads to its member for ever; the house's own names are nobody's; renames have a limit."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest
from pg8000.dbapi import Connection

from functions.auth import rules
from shared.members import accounts
from tests import factories
from tests.client import Answer, FunctionClient
from tests.clock import moved_clock
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

LINK = "/v1/affiliate/referral-link"


def rename(mine: FunctionClient, username: str) -> Answer:
    now = mine.get("/v1/users/me/profile").body
    body = {"username": username, "full_name": now["full_name"], "email": now["email"]}
    headers = {"Content-Type": "application/json", "If-Match": f'"{now["revision"]}"'}
    return mine.send("PUT", "/v1/users/me/profile", json.dumps(body).encode(), headers)


def sign_up(client: Client, **said: object) -> Answer:
    body = {
        "email": "new@example.com",
        "password": "Sesame-Open-77!",
        "full_name": "Ada",
        "date_of_birth": "1990-12-10",
    }
    return client().post("/v1/auth/signup", body | said)


def leave(mine: FunctionClient) -> None:
    username = mine.get("/v1/users/me").body["username"]
    assert mine.post("/v1/users/me/deletion", {"username": username}).status == 202


def test_a_former_name_leads_to_its_member_and_is_nobody_elses(client: Client, sql: Connection) -> None:
    somebody, other = factories.member(), factories.member()
    mine, theirs = client(somebody.token), client(other.token)
    old = mine.get("/v1/users/me").body["username"]
    assert rename(mine, "brand_new").status == 200

    assert client().get(f"/r/{old.upper()}").headers["Location"].endswith(f"ref={old.upper()}")
    assert sign_up(client, referral_code=old, email="friend@example.com").status == 201
    assert sql.execute_simple("SELECT referred_by_id FROM members WHERE email = 'friend@example.com'").rows == [
        [somebody.id]
    ]
    assert sign_up(client, username=old.upper()).problem == "username-taken"
    before = rows_of_all_tables(sql)
    assert rename(theirs, old).problem == "username-taken"
    assert rows_of_all_tables(sql) == before
    assert rename(mine, old).status == 200


def test_a_name_that_somebody_gives_up_and_another_takes_at_once_stays_its_members(
    client: Client, sql: Connection
) -> None:
    for round_ in range(4):
        owner, taker = client(factories.member().token), client(factories.member().token)
        old = owner.get("/v1/users/me").body["username"]
        together = Barrier(2)

        def act(which: int, old: str = old, owner: FunctionClient = owner, taker: FunctionClient = taker,
                together: Barrier = together, round_: int = round_) -> Answer:  # fmt: skip
            together.wait()
            return rename(taker, old) if which else rename(owner, f"other_{round_}")

        with ThreadPoolExecutor(2) as threads:
            gave, took = threads.map(act, range(2))
        assert (gave.status, took.problem) == (200, "username-taken")
    assert sql.execute_simple("SELECT count(*) FROM former_usernames").rows == [[4]]


def test_the_schema_gives_a_former_name_to_nobody(client: Client, sql: Connection) -> None:
    mine = client(factories.member().token)
    old = mine.get("/v1/users/me").body["username"]
    rename(mine, "brand_new")
    with pytest.raises(Exception, match="username_former"):
        sql.execute_unnamed("UPDATE members SET username = $1 WHERE id = $2", (old, factories.member().id))


def test_renames_have_a_limit_and_a_change_of_capitals_is_none(client: Client, sql: Connection, tmp_path: Path) -> None:
    mine = client(factories.member().token)
    for number in range(3):
        assert rename(mine, f"name_{number}").status == 200
    assert rename(mine, "NAME_2").status == 200
    before = rows_of_all_tables(sql)

    answer = rename(mine, "name_3")
    assert (answer.status, answer.problem) == (429, "too-many-renames")
    assert 29 * 86_400 < int(answer.headers["Retry-After"]) <= 30 * 86_400 + 1
    assert rows_of_all_tables(sql) == before
    sql.execute_simple("UPDATE former_usernames SET given_up_at = given_up_at - interval '30 days'")
    with moved_clock(tmp_path, timedelta(seconds=5)):
        assert rename(mine, "name_3").status == 200


RESERVED = ["admin", "Support", "__admin__", "admin_2", "adm1n", "blakjaks", "BlakJaks_help", "the_blakjak", "bl4kj4ks",
            "support99", "team_support", "deleted_1a2b"]  # fmt: skip


@pytest.mark.parametrize("name", RESERVED)
def test_names_of_the_house_are_nobodys(client: Client, sql: Connection, name: str) -> None:
    mine = client(factories.member().token)
    before = rows_of_all_tables(sql)
    assert sign_up(client, username=name).problem == "name-reserved"
    assert rename(mine, name).problem == "name-reserved"
    assert rows_of_all_tables(sql, without=("attempt_counters",)) == {
        table: rows for table, rows in before.items() if table != "attempt_counters"
    }


@pytest.mark.parametrize("code", ["admin-team", "blakjaks-best", "the-support", "adm1n-x"])
def test_nor_are_they_anybodys_link(client: Client, sql: Connection, code: str) -> None:
    mine = client(factories.member().token)
    before = rows_of_all_tables(sql)
    assert mine.put(LINK, {"code": code}).problem == "name-reserved"
    assert rows_of_all_tables(sql) == before


@pytest.mark.parametrize("name", ["administer", "supporter", "modern_ada", "ada_team1x", "black_jack", "helper"])
def test_names_that_only_begin_so_are_free(client: Client, name: str, database: str) -> None:
    assert database
    assert sign_up(client, username=name).status == 201


def test_who_has_such_a_name_keeps_it(client: Client, sql: Connection) -> None:
    mine = client(factories.member().token)
    sql.execute_simple("UPDATE members SET username = 'admin'")
    assert rename(mine, "admin").status == 200


def test_names_of_an_account_that_was_deleted_lead_nowhere_and_are_nobodys(client: Client, sql: Connection) -> None:
    mine = client(factories.member().token)
    first = mine.get("/v1/users/me").body["username"]
    rename(mine, "second_name")
    mine.put(LINK, {"code": "my-link"})
    leave(mine)
    other = client(factories.member().token)
    sql.execute_simple("DELETE FROM former_usernames; DELETE FROM referral_codes")  # as member_erase does

    for name in (first, "second_name", "SECOND_name"):
        assert client().get(f"/r/{name}").headers["Location"] == "https://blakjaks.com/join"
        assert sign_up(client, username=name).problem == "username-taken"
        assert rename(other, name).problem == "username-taken"
    assert other.put(LINK, {"code": "my-link"}).problem == "referral-code-taken"
    left = sql.execute_simple("SELECT string_agg(CAST(r AS text), ' ') FROM retired_names r").rows[0][0]
    assert "second_name" not in left


def test_what_is_kept_is_not_suggested_nor_made_at_sign_up(client: Client, sql: Connection) -> None:
    mine = client(factories.member().token)
    assert rename(mine, "ninalind").status == 200
    assert rename(mine, "nina2").status == 200
    suggested = client().get("/v1/auth/username-suggestions?full_name=Nina%20Lind").body["suggestions"]
    assert "ninalind" not in suggested
    made = sign_up(client, full_name="Nina Lind").body["username"]
    assert made.startswith("ninalind")
    assert made != "ninalind"
    assert sign_up(client, full_name="Admin", email="b@example.com").body["username"].startswith("member")
    assert sql.execute_simple("SELECT count(*) FROM members WHERE username = 'ninalind'").rows == [[0]]


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("Łukasz Ślązak", "lukaszslazak"), ("Søren Ødegård", "sorenodegard"), ("Jürgen Groß", "jurgengross"),
        ("Đorđe Đilas", "dordedilas"), ("Þór Guðmundsson", "thorgudmundsson"), ("Æsa Œrn", "aesaoern"),
        ("STRAẞE", "strasse"), ("I\u015f\u0131l", "isil"), ("José Álvarez", "josealvarez"), ("Support", "member"),
    ],
)  # fmt: skip
def test_letters_of_other_alphabets_are_written_as_here(name: str, base: str) -> None:
    assert rules.username_base(name) == base
    candidates = rules.username_candidates(name, [12345])
    assert f"{base}12345" in candidates
    assert not any(accounts.is_reserved(candidate) for candidate in candidates if candidate.startswith(base))
