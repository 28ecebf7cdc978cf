"""Admins award comps by hand and take them back: once per key, within bounds, never for themselves, on record."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from shared.auth import Role
from shared.values.money import Usdt
from tests import factories
from tests.client import Answer, FunctionClient
from tests.factories import Somebody
from tests.fakes.comp_records import WALLET, CompRecords, award_comp, in_parallel
from tests.fakes.payout_driver import PayoutDriver
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.payout_plugin"]

Client = Callable[..., FunctionClient]

KEY = {"Idempotency-Key": "5f0f2f1e-8f0b-4f5e-9c57-3d5f1e2a7b90"}


@pytest.fixture
def comp_records(sql: Connection) -> CompRecords:
    return CompRecords(sql)


@pytest.fixture
def somebody() -> Somebody:
    return factories.member(role=Role.OPERATIONS)


@pytest.fixture
def admin(client: Client, somebody: Somebody) -> FunctionClient:
    return client(somebody.token)


def award(admin: FunctionClient, winner: Somebody, key: str = "key", **other: object) -> Answer:
    body = {"member_id": str(winner.id), "amount": 250, "reason": "An apology"} | other
    return admin.post("/v1/admin/comps/award", body, **{"Idempotency-Key": key})


def cancel(admin: FunctionClient, comp: object, key: str = "key", reason: str = "By mistake") -> Answer:
    return admin.post(f"/v1/admin/comps/{comp}/cancel", {"reason": reason}, **{"Idempotency-Key": key})


def untouched(sql: Connection) -> Any:
    return rows_of_all_tables(sql, without=("idempotency_keys",))


def test_a_comp_awarded_by_hand_is_a_comp_like_any_other(
    admin: FunctionClient, somebody: Somebody, comp_records: CompRecords
) -> None:
    affiliate = factories.member()
    winner = factories.member(wallet=WALLET, referred_by=affiliate)

    made = award(admin, winner)

    assert made.status == 201
    assert (made.body["type"], made.body["amount"], made.body["status"]) == ("manual", 250, "pending")
    assert made.body["payout"]["state"] == "REQUESTED"
    assert made.body["match"]["amount"] == 52.5
    assert made.body["why"]["inputs"] == {"why": "An apology", "awarded_by": str(somebody.id)}
    assert comp_records.notification_titles(winner) == ["You won $250!"]
    assert comp_records.notification_titles(affiliate) == ["You earned $52.50!"]
    # It waits for a second person (test_award_limits.py): the feed tells nothing of it, nor of its match.
    assert comp_records.rows("SELECT text FROM feed_items") == []
    assert comp_records.rows("SELECT actor_id, action, resource_id, changes ->> 'amount' FROM audit_logs") == [
        [somebody.id, "comp.award", made.body["id"], "250.00"]
    ]
    comp_records.assert_consistent()


@pytest.mark.parametrize(
    ("kind", "usdt"),
    [("crypto_100", 100), ("crypto_1k", 1_000), ("crypto_10k", 10_000), ("casino", 1_000), ("trip", 0)],
)
def test_a_prize_awarded_by_hand_is_worth_what_its_rule_says(
    kind: str, usdt: int, admin: FunctionClient, comp_records: CompRecords
) -> None:
    made = award(admin, factories.member(), type=kind, amount=None)
    assert (made.status, made.body["type"], made.body["amount"]) == (201, kind, usdt)
    comp_records.assert_consistent()


@pytest.mark.parametrize(
    "other",
    [
        {"amount": None},
        {"amount": 0},
        {"amount": 0.009},
        {"amount": -5},
        {"amount": 10_000.000001},
        {"amount": 1.0000001},
        {"type": "crypto_100"},
        {"type": "trip", "amount": 75_000},
    ],
)
def test_an_amount_that_does_not_fit_is_refused(other: dict[str, Any], admin: FunctionClient, sql: Connection) -> None:
    winner = factories.member()
    before = untouched(sql)
    refused = award(admin, winner, **other)
    assert (refused.status, refused.problem) == (422, "not-valid")
    assert [error["field"] for error in refused.body["errors"]] == ["/amount"]
    assert untouched(sql) == before


@pytest.mark.parametrize("amount", [0.01, 10_000])
def test_the_least_and_the_most_are_awarded(amount: float, admin: FunctionClient) -> None:
    made = award(admin, factories.member(), amount=amount)
    assert (made.status, made.body["amount"]) == (201, amount)


def test_the_guarantee_is_not_awarded_by_hand(admin: FunctionClient) -> None:
    refused = award(admin, factories.member(), type="new_member_guarantee", amount=None)
    assert [error["field"] for error in refused.body["errors"]] == ["/type"]


@pytest.mark.parametrize("reason", ["", "  ", "ab", " a  ", "x" * 501])
def test_without_a_reason_nothing_is_awarded_or_cancelled(
    reason: str, admin: FunctionClient, comp_records: CompRecords
) -> None:
    winner = factories.member()
    comp = award_comp(winner)
    for refused in (award(admin, winner, "a", reason=reason), cancel(admin, comp, "b", reason)):
        assert [error["field"] for error in refused.body["errors"]] == ["/reason"]
    assert comp_records.rows("SELECT status FROM comps") == [["pending"]]


def test_a_member_that_there_is_not_wins_nothing(admin: FunctionClient) -> None:
    assert award(admin, Somebody(uuid4(), "", "")).problem == "member-unknown"


@pytest.mark.parametrize("status", ["suspended", "deleted"])
def test_who_is_not_active_wins_nothing_by_hand(
    status: str, admin: FunctionClient, sql: Connection, comp_records: CompRecords
) -> None:
    winner = factories.member()
    comp_records.rows("UPDATE members SET status = $1 WHERE id = $2", status, winner.id)
    before = untouched(sql)
    refused = award(admin, winner)
    assert (refused.status, refused.problem) == (409, "member-not-active")
    assert untouched(sql) == before


def test_nobody_awards_a_comp_that_they_profit_from(admin: FunctionClient, somebody: Somebody, sql: Connection) -> None:
    referred = factories.member(referred_by=somebody)
    before = untouched(sql)
    for number, winner in enumerate((somebody, referred)):
        refused = award(admin, winner, f"key-{number}")
        assert (refused.status, refused.problem) == (403, "own-interest")
    assert untouched(sql) == before


def test_money_moves_only_with_a_key(admin: FunctionClient, sql: Connection) -> None:
    winner = factories.member()
    comp = award_comp(winner)
    before = rows_of_all_tables(sql)
    body = {"member_id": str(winner.id), "amount": 250, "reason": "An apology"}
    for refused in (
        admin.post("/v1/admin/comps/award", body),
        admin.post(f"/v1/admin/comps/{comp}/cancel", {"reason": "By mistake"}),
    ):
        assert (refused.status, refused.problem) == (422, "not-valid")
        assert [error["field"] for error in refused.body["errors"]] == ["Idempotency-Key"]
    assert rows_of_all_tables(sql) == before


def test_one_key_awards_one_comp_however_often_it_comes(admin: FunctionClient, comp_records: CompRecords) -> None:
    winner = factories.member(wallet=WALLET)
    answers = in_parallel(*[lambda: award(admin, winner)] * 8)
    assert {(answer.status, answer.body["id"]) for answer in answers} == {(201, answers[0].body["id"])}
    assert comp_records.rows("SELECT count(*) FROM comps") == [[1]]
    comp_records.assert_consistent()


def test_two_admins_may_use_one_key(client: Client, comp_records: CompRecords) -> None:
    winner = factories.member()
    for _ in range(2):
        assert award(client(factories.member(role=Role.OPERATIONS).token), winner).status == 201
    assert comp_records.rows("SELECT count(*) FROM comps") == [[2]]


def test_a_comp_is_cancelled_with_its_payout_and_match(
    admin: FunctionClient, somebody: Somebody, comp_records: CompRecords
) -> None:
    comp = award_comp(factories.member(wallet=WALLET, referred_by=factories.member()))

    done = cancel(admin, comp)

    assert done.status == 200
    assert (done.body["status"], done.body["cancel_reason"]) == ("cancelled", "By mistake")
    assert (done.body["payout"]["state"], done.body["match"]["status"]) == ("CANCELLED", "cancelled")
    assert comp_records.rows("SELECT actor_id, action, resource_id, changes ->> 'reason' FROM audit_logs") == [
        [somebody.id, "comp.cancel", str(comp), "By mistake"]
    ]
    comp_records.assert_consistent()


def test_cancelling_again_changes_nothing(admin: FunctionClient, sql: Connection) -> None:
    comp = award_comp(factories.member())
    first = cancel(admin, comp)
    before = untouched(sql)
    again = cancel(admin, comp, "another", "Another reason")
    assert (again.status, again.body) == (200, first.body)
    assert untouched(sql) == before


def test_what_was_sent_or_paid_is_not_cancelled(
    admin: FunctionClient, payout_driver: PayoutDriver, sql: Connection, comp_records: CompRecords
) -> None:
    comp = award_comp(factories.member(wallet=WALLET), Usdt.of(5))
    payout_driver.send(comp_records.payout(comp))
    before = untouched(sql)
    refused = cancel(admin, comp, "first")
    assert (refused.status, refused.problem) == (409, "payment-under-way")
    assert untouched(sql) == before

    payout_driver.finalize(comp_records.payout(comp))
    before = untouched(sql)
    refused = cancel(admin, comp, "second")
    assert (refused.status, refused.problem) == (409, "comp-paid")
    assert untouched(sql) == before


def test_a_comp_that_there_is_not_is_not_cancelled(admin: FunctionClient) -> None:
    assert cancel(admin, uuid4()).problem == "not-found"
    assert cancel(admin, "award", "other").problem == "not-found"
