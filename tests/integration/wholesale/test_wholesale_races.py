"""Sixty-four at once: one account, one decision, and one message about it."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from pg8000.dbapi import Connection

from functions.wholesale import rules
from shared.auth import Role
from tests import factories
from tests.client import Client, refusal
from tests.fakes.wholesale_client import ADMIN, WholesaleClient, application
from tests.fakes.wholesale_rows import wholesale_account

pytest_plugins = ["tests.fakes.wholesale_plugin"]

AT_ONCE = 64
COUNT = "SELECT count(*), count(DISTINCT number) FROM wholesale_accounts"


def test_sixty_four_applications_of_one_member_are_one_account(
    desk: WholesaleClient, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "APPLICATIONS_PER_HOUR", AT_ONCE)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(lambda _: desk.apply(), range(AT_ONCE)))
    refused = Counter(refusal(answer) for answer in answers if answer.status != 201)
    assert refused == {(409, "wholesale-applied-before"): AT_ONCE - 1}
    (kept,) = [answer.body for answer in answers if answer.status == 201]
    assert desk.account() == kept
    assert sql.execute_simple(COUNT).rows == [[1, 1]]


def test_one_application_that_is_sent_many_times_is_one(desk: WholesaleClient, sql: Connection) -> None:
    body, key = application(), {"Idempotency-Key": "again"}
    assert desk.member.post("/v1/wholesale/apply", body, **key).status == 201
    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(lambda _: desk.member.post("/v1/wholesale/apply", body, **key), range(AT_ONCE)))
    assert [answer.status for answer in answers] == [201] * AT_ONCE
    assert sql.execute_simple(COUNT).rows == [[1, 1]]


def test_of_many_members_with_one_business_address_one_gets_it(client: Client, sql: Connection) -> None:
    body = application()
    members = [client(factories.member().token) for _ in range(16)]
    with ThreadPoolExecutor(len(members)) as threads:
        answers = list(threads.map(lambda member: member.post("/v1/wholesale/apply", body), members))
    refused = Counter(refusal(answer) for answer in answers if answer.status != 201)
    assert refused == {(409, "business-email-taken"): len(members) - 1}
    assert sql.execute_simple(COUNT).rows == [[1, 1]]


def test_members_who_apply_at_once_get_different_numbers(client: Client, sql: Connection) -> None:
    members = [client(factories.member().token) for _ in range(32)]
    with ThreadPoolExecutor(len(members)) as threads:
        answers = list(threads.map(lambda member: member.post("/v1/wholesale/apply", application()), members))
    assert [answer.status for answer in answers] == [201] * len(members)
    assert sql.execute_simple(COUNT).rows == [[len(members), len(members)]]


def test_of_many_who_decide_one_does_and_the_member_hears_of_that(
    desk: WholesaleClient, client: Client, sql: Connection
) -> None:
    account = desk.applied()
    admins = [client(factories.member(role=Role.OPERATIONS).token) for _ in range(8)]
    work = [(admin, decision) for admin in admins for decision in ("approve", "reject")]

    def decide(number: int) -> tuple[int, str]:
        admin, decision = work[number]
        return refusal(admin.put(f"{ADMIN}/{account}/approve", {"decision": decision, "reason": "At once"}))

    with ThreadPoolExecutor(len(work)) as threads:
        answers = list(threads.map(decide, range(len(work))))
    assert Counter(answers) == {(200, ""): 1, (409, "application-not-pending"): len(work) - 1}
    assert len(desk.told()) == 1
    assert sql.execute_simple("SELECT count(*) FROM audit_logs WHERE resource_type = 'wholesale_account'").rows == [[1]]


def test_of_many_who_suspend_an_account_one_does(desk: WholesaleClient, sql: Connection) -> None:
    account = wholesale_account("approved", member=desk.somebody)
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: refusal(desk.suspend(account)), range(16)))
    assert Counter(answers) == {(200, ""): 1, (409, "account-not-open"): 15}
    assert [code for code, _ in desk.told()] == ["wholesale_suspended"]
    assert sql.execute_simple("SELECT count(*) FROM audit_logs WHERE action = 'wholesale.suspend'").rows == [[1]]
