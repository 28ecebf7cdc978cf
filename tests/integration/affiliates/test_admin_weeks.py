"""Treasury admins see what a week would pay, and agree to exactly that."""

from collections.abc import Callable
from typing import Any

import pytest
from pg8000.dbapi import Connection

from shared import clock, settings
from shared.auth import Role
from shared.values.money import Usdt
from tests import factories
from tests.client import Answer, FunctionClient
from tests.fakes.treasury_admins import TreasuryAdmin, treasury_admin
from tests.fakes.week_rows import Weeks, newest_ended, wallet

Client = Callable[..., FunctionClient]
PATH = "/v1/admin/affiliates"


@pytest.fixture
def weeks(sql: Connection) -> Weeks:
    return Weeks(sql)


@pytest.fixture
def ready(weeks: Weeks) -> str:
    """The Sunday of a week with a hundred for two affiliates, one of them without a wallet."""
    now = clock.now()
    week_on, at = newest_ended(now)
    for address, chips in ((wallet(), 3), (None, 1)):
        weeks.scan(factories.member(wallet=address), chips, at)
    weeks.fill(Usdt.of(100), at)
    weeks.run(now)
    return week_on.isoformat()


@pytest.fixture
def admins(client: Client) -> list[TreasuryAdmin]:
    return [treasury_admin(client) for _ in range(2)]


def shown(admin: TreasuryAdmin, week_on: str) -> dict[str, Any]:
    return dict(admin.client.get(f"{PATH}/weeks/{week_on}").body)


def decide(admin: TreasuryAdmin, verb: str, week_on: str, **other: Any) -> Answer:
    body = {"week_on": week_on, "digest": shown(admin, week_on)["payment_digest"], "reason": "Compared."}
    if verb == "approve":
        body["totp"] = admin.code()
    return admin.client.post(f"{PATH}/payouts/{verb}", body | other)


def test_a_week_shows_whom_it_pays_who_is_left_out_and_what_is_missing(ready: str, admins: list[TreasuryAdmin]) -> None:
    week = shown(admins[0], ready)
    assert (week["state"], week["pool"], week["chips"], week["affiliates"]) == ("ready", 100.0, 4, 2)
    assert (week["recipients"], week["proposed"], week["approvals_needed"]) == (1, 75.0, 1)
    assert [it["amount"] for it in week["largest"]] == [75.0]
    assert week["left_out"] == [{"reason": "no_wallet", "affiliates": 1, "amount": 25.0}]
    assert week["treasury_lacks"] == 75.0
    (listed,) = admins[0].client.get(f"{PATH}/weeks").body["items"]
    assert listed == {name: week[name] for name in listed}


def test_one_approval_of_what_was_shown_has_it_paid(ready: str, admins: list[TreasuryAdmin], weeks: Weeks) -> None:
    assert decide(admins[0], "approve", ready, digest="ab" * 32).problem == "week-changed"
    assert decide(admins[0], "approve", ready, totp="000000").problem == "second-factor-wrong"
    approved = decide(admins[0], "approve", ready)
    assert (approved.status, approved.body["approvals_given"]) == (200, 1)
    assert [it["verdict"] for it in approved.body["decisions"]] == ["approve"]
    assert weeks.rows("SELECT function FROM outbox WHERE function = 'affiliate_week'") == [("affiliate_week",)]
    assert decide(admins[0], "approve", ready).problem == "week-approved-before"
    weeks.run(clock.now())
    assert shown(admins[0], ready)["state"] == "told"
    assert decide(admins[0], "approve", ready).problem == "week-not-ready"
    assert weeks.rows("SELECT action FROM audit_logs WHERE resource_type = 'affiliate_week'") == [
        ("affiliate_week.approve",)
    ]


def test_a_held_week_waits_whoever_approves_it(ready: str, admins: list[TreasuryAdmin], weeks: Weeks) -> None:
    assert decide(admins[0], "release", ready).problem == "week-not-held"
    assert decide(admins[0], "hold", ready).body["held"]
    assert decide(admins[1], "approve", ready).status == 200
    weeks.run(clock.now())
    assert shown(admins[0], ready)["state"] == "ready"
    assert not decide(admins[1], "release", ready).body["held"]
    weeks.run(clock.now())
    assert shown(admins[0], ready)["state"] == "told"


def test_a_rejected_week_is_shown_anew_and_its_approvals_are_void(
    ready: str, admins: list[TreasuryAdmin], weeks: Weeks
) -> None:
    assert decide(admins[0], "approve", ready).status == 200
    assert decide(admins[1], "reject", ready).status == 200
    weeks.run(clock.now())
    week = shown(admins[0], ready)
    assert (week["state"], week["approvals_given"]) == ("ready", 0)
    assert [it["is_current"] for it in week["decisions"]] == [False, False]


def test_more_than_the_day_limit_takes_two_people_who_still_have_the_role(
    ready: str, admins: list[TreasuryAdmin], weeks: Weeks, sql: Connection
) -> None:
    sql.execute_simple(
        "UPDATE settings SET value = jsonb_set(value, '{affiliate,day}', '\"10.00\"') WHERE name = 'payout_limits'"
    )
    settings.forget()
    decide(admins[0], "reject", ready)
    weeks.run(clock.now())
    assert decide(admins[0], "approve", ready).body["approvals_needed"] == 2
    sql.execute_unnamed("UPDATE members SET role = NULL WHERE id = $1", (admins[0].somebody.id,))
    assert decide(admins[1], "approve", ready).body["approvals_given"] == 1
    weeks.run(clock.now())
    assert shown(admins[1], ready)["state"] == "ready"


@pytest.mark.parametrize("week_on", ["2026-11-21", "2036-11-23", "9999-12-31", "2026-02-30", "today", "1"])
def test_a_week_that_there_is_not_is_not_found(week_on: str, admins: list[TreasuryAdmin]) -> None:
    assert admins[0].client.get(f"{PATH}/weeks/{week_on}").status == 404


def test_a_week_has_one_name(ready: str, admins: list[TreasuryAdmin]) -> None:
    assert admins[0].client.get(f"{PATH}/weeks/{ready}").status == 200
    assert admins[0].client.get(f"{PATH}/weeks/{ready.replace('-', '')}").status == 404


def test_the_preview_counts_the_present_week_and_changes_nothing(
    ready: str, admins: list[TreasuryAdmin], weeks: Weeks
) -> None:
    now = clock.now()
    weeks.scan(factories.member(), 1_002, now)
    preview = admins[0].client.get(f"{PATH}/weeks/preview").body
    assert (preview["affiliates"], preview["chips"], preview["overflow"], preview["pool"]) == (1, 1_000, 2, 0.0)
    assert preview["week_on"] > ready


# ------------------------------------------------------------------------------------------------------------ by hand
def award(admin: TreasuryAdmin, member_id: object, **other: Any) -> Answer:
    body = {"amount": 250, "reason": "For the launch in Reno", "totp": admin.code()}
    return admin.client.post(f"{PATH}/{member_id}/award", body | other)


def test_an_award_is_owed_at_once_and_paid_with_the_next_week(
    admins: list[TreasuryAdmin], weeks: Weeks, ready: str
) -> None:
    somebody = factories.member(wallet=wallet())
    made = award(admins[0], somebody.id)
    assert (made.status, made.body["kind"], made.body["status"]) == (201, "manual", "pending")
    assert weeks.balances()["owed:affiliate"] == 250_000_000
    decide(admins[0], "reject", ready)
    weeks.run(clock.now())
    assert shown(admins[0], ready)["proposed"] == 325.0


def test_a_large_award_waits_for_somebody_else(admins: list[TreasuryAdmin], weeks: Weeks) -> None:
    somebody = factories.member()
    made = award(admins[0], somebody.id, amount=1_000.01)
    assert made.body["status"] == "in_review"
    path = f"{PATH}/earnings/{made.body['id']}/agree"
    own = admins[0].client.post(path, {"reason": "It is fine", "totp": admins[0].code()})
    assert (own.status, own.problem) == (403, "own-award")
    agreed = admins[1].client.post(path, {"reason": "It is fine", "totp": admins[1].code()})
    assert agreed.body["status"] == "pending"
    again = admins[1].client.post(path, {"reason": "It is fine", "totp": admins[1].code()})
    assert again.problem == "earning-not-in-review"
    assert weeks.rows("SELECT count(*) FROM notifications WHERE code = 'affiliate_awarded'") == [(1,)]


@pytest.mark.parametrize("amount", [0, -1, 1e12, 100_000.01, 0.0000001, "5", None, True])
def test_an_amount_that_nobody_awards_is_refused(amount: object, admins: list[TreasuryAdmin], weeks: Weeks) -> None:
    assert award(admins[0], factories.member().id, amount=amount).status == 422
    assert weeks.rows("SELECT 1 FROM affiliate_earnings") == []


def test_nobody_awards_themselves_a_stranger_or_who_is_gone(
    admins: list[TreasuryAdmin], weeks: Weeks, sql: Connection
) -> None:
    assert award(admins[0], admins[0].somebody.id).problem == "own-interest"
    assert award(admins[0], "5d4c3b2a-1908-4f7e-8d6c-5b4a39281706").status == 404
    for status in ("suspended", "deleted"):
        gone = factories.member()
        sql.execute_unnamed("UPDATE members SET status = $2 WHERE id = $1", (gone.id, status))
        assert award(admins[0], gone.id).problem == "affiliate-not-active"
        grant = admins[0].client.post(f"{PATH}/{gone.id}/chips", {"chips": 1, "reason": "A present"})
        assert grant.problem == "affiliate-not-active"
    assert weeks.rows("SELECT 1 FROM affiliate_earnings") == []


def test_an_earning_is_taken_back_once(admins: list[TreasuryAdmin], weeks: Weeks) -> None:
    earning = award(admins[0], factories.member().id).body["id"]
    path = f"{PATH}/earnings/{earning}/reverse"
    assert admins[1].client.post(path, {"reason": "A slip"}).body["status"] == "cancelled"
    assert admins[1].client.post(path, {"reason": "A slip"}).problem == "earning-reversed"
    assert weeks.balances() == {}


def test_granted_chips_count_in_the_present_week(admins: list[TreasuryAdmin], weeks: Weeks) -> None:
    somebody = factories.member()
    weeks.run(clock.now())
    given = admins[0].client.post(f"{PATH}/{somebody.id}/chips", {"chips": 7, "reason": "Lost in an outage"})
    assert given.status == 201
    assert weeks.rows("SELECT kind, chips, CAST(week_on AS text) FROM chip_moves") == [
        ("grant", 7, given.body["week_on"])
    ]
    assert admins[0].client.get(f"{PATH}/weeks/preview").body["chips"] == 7


@pytest.mark.parametrize("chips", [0, -1, 1.5, "2", 10**9, None])
def test_chips_that_nobody_grants_are_refused(chips: object, admins: list[TreasuryAdmin]) -> None:
    path = f"{PATH}/{factories.member().id}/chips"
    assert admins[0].client.post(path, {"chips": chips, "reason": "A present"}).status == 422


def test_others_than_treasury_admins_see_nothing(client: Client, ready: str) -> None:
    for role in (None, Role.SUPPORT, Role.OPERATIONS):
        assert client(factories.member(role=role).token).get(f"{PATH}/weeks/{ready}").status == 403
