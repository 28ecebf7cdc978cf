"""Owners give and take roles: never their own, never the last owner's, each with a reason in the audit log."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from pg8000.dbapi import Connection, DatabaseError

from shared.auth import Role
from tests import factories
from tests.client import Answer, FunctionClient
from tests.factories import Somebody
from tests.fakes.treasury_admins import TreasuryAdmin, treasury_admin
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

COUNTED = ("second_factors", "attempt_counters", "idempotency_keys")


@pytest.fixture
def owner(client: Client, sql: Connection) -> TreasuryAdmin:
    assert sql
    return treasury_admin(client, Role.OWNER)


def give(owner: TreasuryAdmin, who: Somebody | UUID, role: str | None, **other: Any) -> Answer:
    identity = who if isinstance(who, UUID) else who.id
    body = {"role": role, "reason": "joins the team", "totp": owner.code()} | other
    return owner.client.put(f"/v1/admin/users/{identity}/role", body)


def role_of(sql: Connection, who: Somebody) -> str | None:
    ((role,),) = sql.execute_unnamed("SELECT role FROM members WHERE id = $1", (who.id,)).rows
    return role  # type: ignore[no-any-return] # pg8000 is untyped


def test_a_role_is_given_changed_and_taken_and_each_stands_in_the_audit_log(
    owner: TreasuryAdmin, sql: Connection
) -> None:
    ada = factories.member()
    assert give(owner, ada, "support").body["role"] == "support"
    assert give(owner, ada, "treasury").body["role"] == "treasury"
    assert give(owner, ada, None).body["role"] is None
    lines = sql.execute_simple("SELECT action, resource_id, changes FROM audit_logs ORDER BY id").rows
    steps = [(None, "support"), ("support", "treasury"), ("treasury", None)]
    assert lines == [
        ["member.role", str(ada.id), {"before": before, "after": after, "reason": "joins the team"}]
        for before, after in steps
    ]


def test_what_somebody_may_do_changes_at_once(owner: TreasuryAdmin, client: Client, sql: Connection) -> None:
    colleague = factories.member(role=Role.OPERATIONS)
    assert client(colleague.token).get("/v1/admin/users").status == 200
    give(owner, colleague, "support")
    assert client(colleague.token).get("/v1/admin/users").problem == "not-allowed"
    assert sql.execute_simple("SELECT member_id FROM listener_revocations").rows == [[colleague.id]]


def test_sessions_as_an_admin_end_and_others_go_on(owner: TreasuryAdmin, sql: Connection) -> None:
    ada = factories.member(role=Role.SUPPORT)
    factories.session(ada, "admin")
    give(owner, ada, None)
    sessions = "SELECT device_kind, end_reason FROM sessions WHERE member_id = $1 ORDER BY device_kind"
    assert sql.execute_unnamed(sessions, (ada.id,)).rows == [["admin", "role changed"], ["desktop", None]]


def test_the_role_that_somebody_has_is_not_given_again(owner: TreasuryAdmin, sql: Connection) -> None:
    ada = factories.member(role=Role.SUPPORT)
    before = rows_of_all_tables(sql, without=COUNTED)
    assert give(owner, ada, "support").status == 200
    assert rows_of_all_tables(sql, without=COUNTED) == before


def test_nobody_changes_their_own_role(owner: TreasuryAdmin, sql: Connection) -> None:
    factories.member(role=Role.OWNER)
    for role in (None, "support", "owner"):
        assert give(owner, owner.somebody, role).problem == "role-of-oneself"
    assert role_of(sql, owner.somebody) == "owner"


def test_a_wrong_code_changes_nothing_and_is_counted(owner: TreasuryAdmin, sql: Connection) -> None:
    ada = factories.member()
    before = rows_of_all_tables(sql, without=COUNTED)
    assert give(owner, ada, "support", totp=owner.code(ahead=5)).problem == "second-factor-wrong"
    assert rows_of_all_tables(sql, without=COUNTED) == before
    failures = "SELECT failures FROM second_factors WHERE member_id = $1"
    assert sql.execute_unnamed(failures, (owner.somebody.id,)).rows == [[1]]


@pytest.mark.parametrize("wrong", [{"role": "king"}, {"role": 7}, {"reason": ""}, {"totp": "x"}, {"status": "active"}])
def test_what_is_not_valid_is_refused(owner: TreasuryAdmin, sql: Connection, wrong: dict[str, Any]) -> None:
    ada = factories.member()
    before = rows_of_all_tables(sql, without=COUNTED)
    answer = give(owner, ada, wrong.pop("role", "support"), **wrong)
    assert (answer.status, answer.problem) == (422, "not-valid")
    assert rows_of_all_tables(sql, without=COUNTED) == before


def test_suspended_and_closed_accounts_and_nobody_get_no_role(owner: TreasuryAdmin, sql: Connection) -> None:
    for status in ("suspended", "deleted"):
        ada = factories.member()
        sql.execute_unnamed("UPDATE members SET status = $1 WHERE id = $2", (status, ada.id))
        answer = give(owner, ada, "support")
        assert (answer.problem, answer.body["member_status"]) == ("member-not-active", status)
    assert give(owner, UUID(int=7), "support").problem == "not-found"


def test_a_suspended_admins_role_can_be_taken(owner: TreasuryAdmin, sql: Connection) -> None:
    ada = factories.member(role=Role.SUPPORT)
    sql.execute_unnamed("UPDATE members SET status = 'suspended' WHERE id = $1", (ada.id,))
    assert give(owner, ada, None).status == 200
    assert role_of(sql, ada) is None


def test_the_schema_keeps_the_last_owner_who_may_act(owner: TreasuryAdmin, sql: Connection) -> None:
    suspended = factories.member(role=Role.OWNER)
    sql.execute_unnamed("UPDATE members SET status = 'suspended' WHERE id = $1", (suspended.id,))
    for change in ("role = NULL", "role = 'support'", "status = 'suspended'", "status = 'deleted'"):
        with pytest.raises(DatabaseError, match="last_owner"):
            sql.execute_unnamed(f"UPDATE members SET {change} WHERE id = $1", (owner.somebody.id,))
    assert role_of(sql, owner.somebody) == "owner"


def test_of_two_owners_who_take_each_others_role_one_is_left(client: Client, sql: Connection) -> None:
    first, second = treasury_admin(client, Role.OWNER), treasury_admin(client, Role.OWNER)
    with ThreadPoolExecutor() as pool:
        answers = [
            each.result()
            for each in (
                pool.submit(give, first, second.somebody, None),
                pool.submit(give, second, first.somebody, None),
            )
        ]
    assert min(answer.status for answer in answers) == 200
    assert {answer.problem for answer in answers if answer.status != 200} <= {"last-owner", "not-allowed"}
    assert sorted(filter(None, (role_of(sql, who.somebody) for who in (first, second)))) == ["owner"]


def test_of_two_owners_who_suspend_each_other_one_is_left(client: Client, sql: Connection) -> None:
    pair = [treasury_admin(client, Role.OWNER), treasury_admin(client, Role.OWNER)]
    with ThreadPoolExecutor() as pool:
        answers = list(
            pool.map(
                lambda one, other: one.client.post(
                    f"/v1/admin/members/{other.somebody.id}/suspend", {"reason": "a quarrel"}
                ),
                pair,
                reversed(pair),
            )
        )
    assert min(answer.status for answer in answers) == 200
    assert sql.execute_simple("SELECT count(*) FROM members WHERE role = 'owner' AND status = 'active'").rows == [[1]]
