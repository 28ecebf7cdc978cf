"""Admins mend names, address and language of an account, with a reason, and nothing else of it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pg8000.dbapi import Connection

from functions.admin_members.models import ELSEWHERE
from shared.auth import Role
from tests import factories
from tests.client import Answer, FunctionClient
from tests.fakes.member_desk import MemberDesk, member_desk
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]


@pytest.fixture
def desk(client: Client, sql: Connection) -> MemberDesk:
    return member_desk(client, sql)


def test_what_is_given_changes_what_is_left_out_stays_and_null_removes(desk: MemberDesk) -> None:
    ada = factories.member()
    first = desk.mend(ada, full_name="Ada King", address_line1="1 Way", city="Reno", language="es")
    assert first.status == 200
    assert (first.body["full_name"], first.body["city"], first.body["language"]) == ("Ada King", "Reno", "es")
    assert first.headers["ETag"] == '"2"'

    second = desk.mend(ada, version=2, city=None)

    assert (second.body["city"], second.body["address_line1"], second.body["language"]) == (None, "1 Way", "es")


def test_old_and_new_values_and_the_reason_are_in_the_audit_log(desk: MemberDesk) -> None:
    ada = factories.member()
    before = desk.file(ada).body
    desk.mend(ada, full_name="Ada King", city="Reno", reason="She has moved")

    changes = desk.sql.execute_simple("SELECT changes FROM audit_logs WHERE action = 'member.change'").rows
    assert changes == [
        [
            {
                "full_name": {"before": before["full_name"], "after": "Ada King"},
                "city": {"before": None, "after": "Reno"},
                "reason": "She has moved",
            }
        ]
    ]


def test_what_changes_nothing_writes_nothing(desk: MemberDesk, sql: Connection) -> None:
    ada = factories.member()
    before = rows_of_all_tables(sql)
    answer = desk.mend(ada)
    assert (answer.status, answer.body["revision"]) == (200, 1)
    assert rows_of_all_tables(sql) == before


@pytest.mark.parametrize("field", sorted(ELSEWHERE))
def test_a_field_of_another_operation_is_refused_with_its_address(
    desk: MemberDesk, sql: Connection, field: str
) -> None:
    ada = factories.member()
    before = rows_of_all_tables(sql)
    wrong: dict[str, Any] = {field: "suspended"}
    answer = desk.mend(ada, **wrong)
    assert (answer.status, answer.problem) == (422, "not-valid")
    assert answer.body["errors"] == [{"field": f"/{field}", "message": ELSEWHERE[field]}]
    assert rows_of_all_tables(sql) == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"reason": ""},
        {"reason": None},
        {"username": "x"},
        {"username": None},
        {"full_name": ""},
        {"country": "XX"},
        {"language": "de"},
        {"city": "x" * 101},
        {"password": "Sesame-Open-77!"},
        {"date_of_birth": "1990-12-10"},
    ],
)
def test_what_is_not_valid_is_refused_and_nothing_changes(
    desk: MemberDesk, sql: Connection, wrong: dict[str, Any]
) -> None:
    ada = factories.member()
    before = rows_of_all_tables(sql)
    assert desk.mend(ada, **wrong).problem == "not-valid"
    assert rows_of_all_tables(sql) == before


def test_names_of_others_former_ones_and_the_houses_own_are_refused(desk: MemberDesk, sql: Connection) -> None:
    ada, eve = factories.member(), factories.member()
    sql.execute_unnamed("UPDATE members SET username = 'eve_was' WHERE id = $1", (eve.id,))
    sql.execute_unnamed("UPDATE members SET username = 'eve_is' WHERE id = $1", (eve.id,))
    before = rows_of_all_tables(sql)
    for name, problem in (("EVE_IS", "username-taken"), ("eve_was", "username-taken"), ("blakjaks", "name-reserved")):
        assert desk.mend(ada, username=name).problem == problem
    assert rows_of_all_tables(sql) == before


def test_the_name_that_is_given_up_leads_to_the_member_for_ever(desk: MemberDesk, sql: Connection) -> None:
    ada = factories.member()
    sql.execute_unnamed("UPDATE members SET username = 'ada_was' WHERE id = $1", (ada.id,))
    assert desk.mend(ada, username="ada_is").status == 200
    former = "SELECT name FROM former_usernames WHERE member_id = $1 AND name = 'ada_was'"
    assert sql.execute_unnamed(former, (ada.id,)).rows == [["ada_was"]]


def test_the_version_that_was_read_is_asked_for(desk: MemberDesk) -> None:
    ada = factories.member()
    assert desk.mend(ada, version=None, full_name="Ada").problem == "precondition-required"
    assert desk.mend(ada, full_name="Ada King").status == 200
    assert desk.mend(ada, full_name="Ada Byron").problem == "precondition-failed"


def test_of_two_at_once_one_is_refused(client: Client, sql: Connection) -> None:
    ada, desks = factories.member(), [member_desk(client, sql) for _ in range(2)]
    names = iter(("Ada King", "Ada Byron"))
    sent = [(one.client, {"username": f"ada_{number}", "full_name": next(names), "reason": "a typing error"})
            for number, one in enumerate(desks)]  # fmt: skip

    def put(given: tuple[FunctionClient, dict[str, str]]) -> Answer:
        who, body = given
        who.headers["If-Match"] = '"1"'
        return who.put(f"/v1/admin/users/{ada.id}", body)

    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(put, sent))
    assert sorted(answer.status for answer in answers) == [200, 412]
    assert sql.execute_simple("SELECT count(*) FROM audit_logs WHERE action = 'member.change'").rows == [[1]]


def test_an_admins_account_is_mended_by_an_owner_alone_and_ones_own_by_nobody(client: Client, sql: Connection) -> None:
    desk, owner = member_desk(client, sql), member_desk(client, sql, Role.OWNER)
    colleague = factories.member(role=Role.SUPPORT)
    assert desk.mend(colleague, full_name="Ada King").problem == "member-is-admin"
    assert owner.mend(owner.admin, full_name="Ada King").problem == "member-is-admin"
    assert owner.mend(colleague, full_name="Ada King").status == 200


def test_a_closed_account_stays_as_it_is(desk: MemberDesk, sql: Connection) -> None:
    gone = factories.member()
    sql.execute_unnamed("UPDATE members SET status = 'deleted' WHERE id = $1", (gone.id,))
    assert desk.mend(gone, full_name="Ada King").problem == "account-closed"
