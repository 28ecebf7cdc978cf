"""People decide about wholesale accounts: each decision once, by somebody else than who profits, with a reason that the
audit log keeps, and told to the member once in the app and once by mail.
"""

from typing import Any
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from functions.admin_wholesale import rules
from functions.email_send import templates
from shared.auth import Role
from shared.messages.wording import LANGUAGES
from tests import factories
from tests.client import Answer, Client, FunctionClient, refusal
from tests.fakes.wholesale_client import ADMIN, WholesaleClient
from tests.fakes.wholesale_rows import wholesale_account
from tests.rows import WRITTEN_BY_REFUSALS, rows_of_all_tables

pytest_plugins = ["tests.fakes.wholesale_plugin"]

WHY = {"reason": "We looked at it"}
STATUSES: dict[str, tuple[str, ...]] = {
    "pending": (), "approved": ("approved",), "rejected": ("rejected",), "active": ("approved", "active"),
    "suspended": ("approved", "suspended"), "suspended after it was active": ("approved", "active", "suspended"),
}  # fmt: skip
# By decision: the statuses in which it is taken, and the status after it.
TAKEN = {
    "approve": {"pending": "approved"},
    "reject": {"pending": "rejected"},
    "suspend": {"approved": "suspended", "active": "suspended"},
    "activate": {"suspended": "approved", "suspended after it was active": "active"},
}
REFUSED = {
    "approve": "application-not-pending", "reject": "application-not-pending", "suspend": "account-not-open",
    "activate": "account-not-suspended",
}  # fmt: skip


def take(admin: FunctionClient, account: UUID, decision: str) -> Answer:
    """Take a decision as this admin."""
    if decision in ("approve", "reject"):
        return admin.put(f"{ADMIN}/{account}/approve", WHY | {"decision": decision})
    return admin.post(f"{ADMIN}/{account}/{decision}", WHY)


def unchanged(sql: Connection) -> dict[str, str]:
    return rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS)


def audited(sql: Connection) -> list[Any]:
    query = "SELECT actor_id, action, resource_id, changes FROM audit_logs WHERE resource_type = 'wholesale_account'"
    return list(sql.execute_simple(f"{query} ORDER BY created_at, id").rows)


@pytest.mark.parametrize("decision", TAKEN)
@pytest.mark.parametrize("had", STATUSES)
def test_a_decision_is_taken_where_it_may_be_and_refused_elsewhere(
    desk: WholesaleClient, sql: Connection, decision: str, had: str
) -> None:
    account = wholesale_account(*STATUSES[had], member=desk.somebody)
    status, before = desk.shown(account)["status"], unchanged(sql)
    answer = take(desk.admin, account, decision)
    after = TAKEN[decision].get(had)
    if after is None:
        assert (refusal(answer), answer.body["account_status"]) == ((409, REFUSED[decision]), status)
        assert unchanged(sql) == before
        return
    assert (answer.status, answer.body["status"]) == (200, after)
    assert answer.body["decided_by"] == str(desk.staff.id)
    assert answer.body["reason"] == WHY["reason"]
    assert answer.body == desk.shown(account)
    changes = {"before": status, "after": after, **WHY}
    assert audited(sql) == [[desk.staff.id, f"wholesale.{decision}", str(account), changes]]
    assert [code for code, _ in desk.told()] == [
        {"approve": "wholesale_approved", "reject": "wholesale_rejected", "suspend": "wholesale_suspended",
         "activate": "wholesale_activated"}[decision]
    ]  # fmt: skip


def test_all_decisions_follow_each_other_and_each_is_told_once(desk: WholesaleClient) -> None:
    account = desk.applied()
    for answer in (desk.decide(account), desk.suspend(account), desk.activate(account), desk.suspend(account)):
        assert answer.status == 200
    codes = ["wholesale_approved", "wholesale_suspended", "wholesale_activated", "wholesale_suspended"]
    assert desk.told() == list(zip(codes, codes, strict=True))


def test_a_decision_that_is_sent_again_under_its_key_is_told_once(desk: WholesaleClient) -> None:
    account = desk.applied()
    body, key = {"reason": "Invoices are open"}, {"Idempotency-Key": "again"}
    desk.decide(account)
    answers = [desk.admin.post(f"{ADMIN}/{account}/suspend", body, **key) for _ in range(3)]
    assert [answer.body for answer in answers] == [answers[0].body] * 3
    assert [code for code, _ in desk.told()] == ["wholesale_approved", "wholesale_suspended"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("decision", TAKEN)
def test_the_member_reads_of_it_in_their_language(
    desk: WholesaleClient, sql: Connection, decision: str, language: str
) -> None:
    sql.execute_unnamed("UPDATE members SET language = $1 WHERE id = $2", (language, desk.somebody.id))
    had = next(iter(TAKEN[decision]))
    account = wholesale_account(*STATUSES[had], member=desk.somebody)
    number = take(desk.admin, account, decision).body["number"]
    (note,) = desk.member.get("/v1/notifications").body["items"]
    ((to, template, parameters, written),) = sql.execute_unnamed(
        "SELECT to_email, template, parameters, language FROM mails WHERE member_id = $1", (desk.somebody.id,)
    ).rows
    assert (to, written) == (desk.somebody.email, language)
    mail = templates.render(template, parameters, written)
    assert mail.subject == note["title"]
    assert note["code"] == template
    for text in (note["body"], mail.text):
        assert ("WP-" in text) == (decision != "reject")
        assert (number in text) == (decision != "reject")
        assert WHY["reason"] not in text


def test_the_reason_is_not_shown_to_the_member(desk: WholesaleClient) -> None:
    account = desk.applied()
    desk.decide(account, "reject", reason="The register does not know it")
    assert "register" not in str(desk.account()) + str(desk.member.get("/v1/notifications").body)


def test_nobody_decides_about_their_own_account(desk: WholesaleClient, sql: Connection) -> None:
    assert desk.admin.post("/v1/wholesale/apply", {}).status == 422
    accounts = [wholesale_account(member=desk.staff)]
    before = unchanged(sql)
    for decision in TAKEN:
        assert refusal(take(desk.admin, accounts[0], decision)) == (403, "own-interest")
    assert unchanged(sql) == before


@pytest.mark.parametrize("status", ["suspended", "deleted"])
def test_who_may_not_use_the_platform_gets_no_account(desk: WholesaleClient, sql: Connection, status: str) -> None:
    waiting = desk.applied()
    suspended = wholesale_account("approved", "suspended")
    sql.execute_unnamed("UPDATE members SET status = $1 WHERE role IS NULL", (status,))
    before = unchanged(sql)
    for account, decision in ((waiting, "approve"), (suspended, "activate")):
        answer = take(desk.admin, account, decision)
        assert (refusal(answer), answer.body["member_status"]) == ((409, "applicant-not-active"), status)
    assert unchanged(sql) == before
    assert take(desk.admin, waiting, "reject").body["status"] == "rejected"
    assert len(desk.told()) == (status == "suspended")


def test_every_decision_has_a_reason_and_nothing_else(desk: WholesaleClient, sql: Connection) -> None:
    account = desk.applied()
    before = unchanged(sql)
    wrong: tuple[object, ...] = (
        {}, {"decision": "approve"}, WHY, {"decision": "accept", **WHY}, {"decision": True, **WHY},
        {"decision": "approve", "reason": ""}, {"decision": "approve", "reason": "x" * 501},
        {"decision": "approve", "reason": "all\u202e is well"}, {"decision": "approve", **WHY, "status": "active"},
        [], None,
    )  # fmt: skip
    for body in wrong:
        assert desk.admin.put(f"{ADMIN}/{account}/approve", body).status in (400, 422), body
    for verb in ("suspend", "activate", "tax-id"):
        for refused in ({}, {"reason": "no"}, {"reason": 5}, {**WHY, "decision": "approve"}):
            assert desk.admin.post(f"{ADMIN}/{account}/{verb}", refused).status == 422
    assert unchanged(sql) == before


def test_an_account_that_there_is_not_is_not_found(desk: WholesaleClient, sql: Connection) -> None:
    before = unchanged(sql)
    for account in (uuid4(), "applications%20", "WP-2026-0001", "00000000-0000-0000-0000-000000000000"):
        assert refusal(desk.admin.get(f"{ADMIN}/{account}")) == (404, "not-found")
        answers = [desk.admin.put(f"{ADMIN}/{account}/approve", WHY | {"decision": "approve"})]
        answers += [desk.admin.post(f"{ADMIN}/{account}/{verb}", WHY) for verb in ("suspend", "activate", "tax-id")]
        assert {refusal(answer) for answer in answers} == {(404, "not-found")}
    assert unchanged(sql) == before


def test_admins_of_other_roles_and_members_see_no_application(desk: WholesaleClient, client: Client) -> None:
    account = desk.applied()
    for role in (None, Role.SUPPORT, Role.TREASURY):
        who = client(factories.member(role=role).token)
        for path in (f"{ADMIN}/applications", f"{ADMIN}/{account}"):
            assert refusal(who.get(path)) == (403, "not-allowed")


def test_the_list_has_the_application_as_its_page_shows_it(desk: WholesaleClient) -> None:
    account = desk.applied()
    listed = desk.admin.get(f"{ADMIN}/applications").body
    assert listed == {"items": [desk.shown(account)], "next_cursor": None}
    for query in ("status=gone", "status=", "member_id=5", "limit=0", "cursor=x", "q=1"):
        assert refusal(desk.admin.get(f"{ADMIN}/applications?{query}")) == (422, "not-valid"), query


def test_who_looks_at_a_tax_id_is_in_the_audit_log(desk: WholesaleClient, sql: Connection) -> None:
    account = desk.applied()
    assert desk.tax_id(account).body == {"tax_id": "12-3456789"}
    changes = {"number": desk.account()["number"], "reason": "To compare it"}
    assert audited(sql) == [[desk.staff.id, "wholesale.tax_id", str(account), changes]]
    assert desk.told() == []


def test_so_many_tax_ids_are_shown_to_one_admin_within_an_hour(
    desk: WholesaleClient, client: Client, sql: Connection
) -> None:
    account = desk.applied()
    assert refusal(desk.admin.post(f"{ADMIN}/{uuid4()}/tax-id", WHY)) == (404, "not-found")
    for _ in range(2):
        assert desk.tax_id(account, **{"Idempotency-Key": "again"}).status == 200
    mine = "UPDATE attempt_counters SET attempts = $1 WHERE attempts = 1 AND subject = encode(sha256($2), 'hex')"
    subject = f"tax-ids:{desk.staff.id}".encode()
    assert sql.execute_unnamed(mine, (rules.TAX_IDS_PER_HOUR - 1, subject)).row_count == 1
    assert desk.tax_id(account).status == 200
    for _ in range(2):
        answer = desk.tax_id(account)
        assert refusal(answer) == (429, "too-many-tax-ids-shown")
        assert 0 < int(answer.headers["Retry-After"]) <= 3600
    assert len(audited(sql)) == 2
    other = client(factories.member(role=Role.OPERATIONS).token)
    assert other.post(f"{ADMIN}/{account}/tax-id", WHY).status == 200
