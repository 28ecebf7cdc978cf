"""An award by one admin alone is small, proved by a fresh code, and bounded by the day; others wait for a second."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from functions.admin_comps import store
from shared import clock, db
from shared.auth import Role
from shared.comps import awards
from shared.credentials import totp
from shared.payouts import machine
from shared.values.money import ZERO, Usdt
from tests import factories
from tests.client import Answer, FunctionClient
from tests.factories import NOW, Somebody
from tests.fakes import comp_records
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import Login, PayoutRows, rule_of

pytest_plugins = ["tests.fakes.payout_plugin"]

Client = Callable[..., FunctionClient]

WALLET = "0x52908400098527886E0F7030069857D2E4169EE7"


@dataclass
class Giver:
    """An operations admin with an app, and the friend whom they award."""

    somebody: Somebody
    secret: bytes
    client: FunctionClient
    friend: Somebody

    def code(self, ahead: int = 0) -> str:
        unused = "UPDATE second_factors SET last_step = 0 WHERE member_id = :id"
        db.atomically(lambda tx: tx.run(unused, id=self.somebody.id))
        return totp.code(self.secret, totp.step_of(clock.now()) + ahead)

    def award(self, amount: float | None, *, proved: bool = True, **other: object) -> Answer:
        body = {"member_id": str(self.friend.id), "amount": amount, "reason": "A good friend"} | other
        if proved:
            body |= {"totp": self.code()}
        return self.client.post("/v1/admin/comps/award", body, **{"Idempotency-Key": str(uuid4())})


@pytest.fixture
def giver(client: Client, payout_driver: PayoutDriver, rows: PayoutRows) -> Giver:
    payout_driver.chain.mint(rows.signer(), 10**12)
    payout_driver.chain.mine(20)
    return made(client)


def made(client: Client, role: Role = Role.OPERATIONS, friend: Somebody | None = None) -> Giver:
    somebody = factories.member(role=role)
    friend = friend or factories.member(wallet=WALLET)
    return Giver(somebody, factories.second_factor(somebody), client(somebody.token), friend)


def outcome(payout_driver: PayoutDriver, answer: Answer) -> str:
    """The state of an award's payout, and the reason that holds it."""
    payout = UUID(answer.body["payout"]["id"])
    payout_driver.try_to_send(payout)
    row = payout_driver.row(payout)
    return f"{row.state.value} {row.hold_reason.value}" if row.hold_reason else row.state.value


def test_a_small_award_with_a_fresh_code_is_paid(giver: Giver, payout_driver: PayoutDriver, sql: Connection) -> None:
    answer = giver.award(250)
    assert answer.status == 201
    assert outcome(payout_driver, answer) == "IN_FLIGHT"
    assert sql.execute_simple("SELECT text FROM feed_items").rows == [["Someone won $250!"]]
    assert sql.execute_simple("SELECT changes ->> 'alone' FROM audit_logs").rows == [["true"]]


@pytest.mark.parametrize(("amount", "proved"), [(250.01, True), (10_000, True), (0.01, False), (10_000, False)])
def test_what_is_more_or_not_proved_waits_for_a_second_person(
    amount: float, proved: bool, giver: Giver, payout_driver: PayoutDriver, sql: Connection
) -> None:
    answer = giver.award(amount, proved=proved)
    assert answer.status == 201
    assert outcome(payout_driver, answer) == "HELD review"
    assert sql.execute_simple("SELECT count(*) FROM feed_items").rows == [[0]]
    assert sql.execute_simple("SELECT approvals_needed FROM payouts").rows == [[1]]


def test_a_session_of_long_ago_moves_no_money(giver: Giver, payout_driver: PayoutDriver, sql: Connection) -> None:
    sql.execute_simple(
        "UPDATE sessions SET created_at = created_at - interval '80 days', totp_at = totp_at - interval '7 hours'"
    )
    assert {outcome(payout_driver, giver.award(10_000, proved=False)) for _ in range(6)} == {"HELD review"}
    assert payout_driver.chain.transfers() == []


def test_an_award_that_takes_an_admins_day_over_its_sum_waits_too(
    giver: Giver, payout_driver: PayoutDriver, client: Client
) -> None:
    assert [outcome(payout_driver, giver.award(amount)) for amount in (250, 250, 250, 250, 0.01)] == [
        *["IN_FLIGHT"] * 4,
        "HELD review",
    ]
    assert (
        outcome(payout_driver, made(client, friend=giver.friend).award(250)) == "IN_FLIGHT"
    )  # each has a day of their own


def test_the_sum_begins_anew_with_the_utc_day(giver: Giver) -> None:
    for _ in range(4):
        giver.award(250)
    days = [
        db.atomically(partial(store.awards_today, admin_id=giver.somebody.id, now=clock.now() + after)).amount
        for after in (timedelta(), timedelta(days=1))
    ]
    assert days == [Usdt.of(1_000), ZERO]


def test_what_waits_for_a_second_person_does_not_use_up_the_sum(giver: Giver, payout_driver: PayoutDriver) -> None:
    assert outcome(payout_driver, giver.award(10_000)) == "HELD review"
    assert outcome(payout_driver, giver.award(250)) == "IN_FLIGHT"


def test_of_awards_at_once_with_one_code_one_is_made(giver: Giver, sql: Connection) -> None:
    code = giver.code()
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: giver.award(250, proved=False, totp=code), range(8)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 7
    assert {answer.problem for answer in answers} == {"", "second-factor-used"}
    assert sql.execute_simple("SELECT count(*) FROM comps").rows == [[1]]


def test_a_wrong_code_awards_nothing(giver: Giver, sql: Connection) -> None:
    assert giver.award(5, proved=False, totp="000000").problem == "second-factor-wrong"
    assert sql.execute_simple("SELECT count(*) FROM comps").rows == [[0]]


def test_the_second_person_is_a_treasury_admin_and_another_one(
    giver: Giver, client: Client, payout_driver: PayoutDriver
) -> None:
    owner = made(client, Role.OWNER, giver.friend)
    payout = owner.award(10_000).body["payout"]["id"]
    payout_driver.send(UUID(payout))
    path = f"/v1/admin/treasury/payouts/{payout}/approve"

    assert owner.client.post(path, {"totp": owner.code(), "note": "fine"}).problem == "approval-of-own-request"
    second = made(client, Role.TREASURY, giver.friend)
    assert second.client.post(path, {"totp": second.code(), "note": "fine"}).body["state"] == "APPROVED"
    payout_driver.send(UUID(payout))
    payout_driver.finalize(UUID(payout))

    assert [moved.amount_micro for moved in payout_driver.chain.transfers()] == [10_000_000_000]


def test_an_award_that_waited_for_a_wallet_waits_for_its_second_person_then(giver: Giver, sql: Connection) -> None:
    giver.friend = factories.member()
    comp = giver.award(10_000).body
    assert comp["payout"] is None
    db.atomically(lambda tx: awards.pay_pending(tx, giver.friend.id, WALLET, clock.now()))
    waiting = "SELECT requested_by, needs_second_person(payouts) FROM payouts"
    assert sql.execute_simple(waiting).rows == [[giver.somebody.id, True]]


def test_a_trip_by_hand_waits_for_another_admin(giver: Giver, client: Client, sql: Connection) -> None:
    trip = giver.award(None, type="trip").body
    assert trip["status"] == "in_review"
    path, note = f"/v1/admin/comps/{trip['id']}/approve", {"note": "looked at it"}

    assert giver.client.post(path, note | {"totp": giver.code()}).problem == "comp-of-own-award"
    second = made(client, friend=giver.friend)
    assert second.client.post(path, note | {"totp": "000000"}).problem == "second-factor-wrong"
    assert second.client.post(path, note | {"totp": second.code()}).body["status"] == "pending"
    assert second.client.post(path, note | {"totp": second.code()}).problem == "comp-not-in-review"
    audited = "SELECT actor_id FROM audit_logs WHERE action = 'comp.approve'"
    assert sql.execute_simple(audited).rows == [[second.somebody.id]]


@pytest.mark.parametrize("lost", ["role = NULL", "role = 'treasury'", "status = 'suspended'"])
def test_the_award_of_somebody_who_may_not_award_any_more_waits_for_two_others(
    lost: str, giver: Giver, client: Client, payout_driver: PayoutDriver, sql: Connection
) -> None:
    trip, payout = giver.award(None, type="trip").body["id"], giver.award(10_000).body["payout"]["id"]
    payout_driver.send(UUID(payout))
    sql.execute_unnamed(f"UPDATE members SET {lost} WHERE id = $1", (giver.somebody.id,))

    states = []
    for second in (made(client, Role.TREASURY, giver.friend) for _ in range(2)):
        path = f"/v1/admin/treasury/payouts/{payout}/approve"
        states.append(second.client.post(path, {"totp": second.code(), "note": "fine"}).body["state"])
    assert states == ["HELD", "APPROVED"]
    other = made(client, friend=giver.friend)
    answer = other.client.post(f"/v1/admin/comps/{trip}/approve", {"totp": other.code(), "note": "fine"})
    assert answer.problem == "comp-without-awarder"


def test_what_a_flagged_scan_won_is_not_approved_beside_its_scan(giver: Giver) -> None:
    comp = comp_records.award_comp(giver.friend, in_review=True)
    answer = giver.client.post(f"/v1/admin/comps/{comp}/approve", {"totp": giver.code(), "note": "fine"})
    assert answer.problem == "comp-not-by-hand"


def test_an_award_to_somebody_who_was_suspended_since_is_not_approved(
    giver: Giver, client: Client, sql: Connection
) -> None:
    trip = giver.award(None, type="trip").body["id"]
    sql.execute_unnamed("UPDATE members SET status = 'suspended' WHERE id = $1", (giver.friend.id,))
    second = made(client, friend=giver.friend)
    answer = second.client.post(f"/v1/admin/comps/{trip}/approve", {"totp": second.code(), "note": "fine"})
    assert answer.problem == "member-not-active"


def test_the_limits_are_read_as_they_are(giver: Giver, payout_driver: PayoutDriver, sql: Connection) -> None:
    """A stale one would be refused by the schema, and that would be a failure of ours."""
    assert outcome(payout_driver, giver.award(5)) == "IN_FLIGHT"
    sql.execute_simple("""UPDATE settings SET value = '{"single": 1, "day": 1}' WHERE name = 'manual_award_limits'""")
    assert outcome(payout_driver, giver.award(5)) == "HELD review"


def test_the_schema_holds_the_limits_and_the_second_person(app: Login, rows: PayoutRows) -> None:
    admin, friend = factories.member(role=Role.OPERATIONS), factories.member(wallet=WALLET)
    insert = """
        INSERT INTO manual_awards (comp_id, awarded_by, value, alone, awarded_at)
        VALUES (:comp, :admin, :value, :alone, :now)
        """

    def awarded(value: int, *, alone: bool, to: Somebody = friend, now: datetime = NOW) -> str:
        comp = {"comp": factories.trip(to), "admin": admin.id, "now": now}
        return rule_of(lambda: app.run(insert, value=value, alone=alone, **comp))

    assert awarded(250_000_001, alone=True) == "award_second_person"
    assert [awarded(250_000_000, alone=True) for _ in range(5)] == [""] * 4 + ["award_second_person"]
    assert awarded(250_000_000, alone=True, now=NOW + timedelta(days=1)) == ""
    assert awarded(250_000_000, alone=False, to=admin) == "own_interest"

    comp = factories.trip(friend)
    app.run(insert, comp=comp, admin=admin.id, value=10**9, alone=False, now=NOW)
    payout = rows.payout(source_kind="comp", source_id=str(comp), member_id=friend.id)
    assert rule_of(lambda: rows.approve(payout)) == "award_second_person"


def test_what_is_paid_by_hand_is_asked_of_no_second_person_twice(
    giver: Giver, payout_driver: PayoutDriver, client: Client
) -> None:
    """After its release it waits for funds, and goes on when they come."""
    payout = UUID(giver.award(10_000).body["payout"]["id"])
    payout_driver.send(payout)
    second = made(client, Role.TREASURY, giver.friend)
    path = f"/v1/admin/treasury/payouts/{payout}/approve"
    second.client.post(path, {"totp": second.code(), "note": "fine"})
    db.atomically(lambda tx: machine.pause(tx, "member", "test", clock.now()))
    payout_driver.send(payout)
    db.atomically(lambda tx: machine.resume(tx, "member", clock.now()))
    payout_driver.send(payout)

    assert payout_driver.state(payout) == "IN_FLIGHT"
