"""The policy holds payouts, records why, and people or the sweep release them."""

from collections.abc import Callable
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from shared import clock, db
from shared.auth import Role
from shared.payouts import machine
from shared.payouts.machine import ApprovedBefore, NotWaiting, OwnPayout, Retried, TooFewApprovals
from tests import factories
from tests.fakes.payout_desk import Desk
from tests.fakes.payout_rows import AMOUNT, RECIPIENT, Rows, rule_of
from tests.fakes.treasury_rows import release, set_limits

pytest_plugins = ["tests.fakes.payout_plugin"]

USDT = 1_000_000
OTHER = "0x" + "Cd" * 20


@pytest.fixture
def people(database: str) -> list[UUID]:
    assert database
    return [factories.member(role=Role.TREASURY).id for _ in range(2)]


def hold(desk: Desk, payout: UUID) -> tuple[str, str | None]:
    row = desk.row(payout)
    return row.state.value, row.hold_reason and row.hold_reason.value


def test_a_large_payout_waits_for_two_people_and_is_then_paid(desk: Desk, people: list[UUID]) -> None:
    desk.chain.mint(signer(desk), 20_000 * USDT)
    payout = desk.request(10_000 * USDT + 1)
    desk.send(payout)
    assert hold(desk, payout) == ("HELD", "review")
    with pytest.raises(TooFewApprovals):
        release(payout, people[:1])
    with pytest.raises(ApprovedBefore):
        release(payout, people[:1])

    release(payout, people[1:])
    desk.send(payout)
    desk.bury(payout)

    assert desk.state(payout) == "PAID"


def signer(desk: Desk) -> str:
    return next(iter(desk.chain.minted))


def test_the_limit_itself_passes(desk: Desk) -> None:
    desk.chain.mint(signer(desk), 20_000 * USDT)
    payout = desk.request(10_000 * USDT)
    desk.send(payout)

    assert desk.state(payout) == "IN_FLIGHT"


def test_what_takes_the_day_over_its_limit_waits_for_people(desk: Desk, sql: Connection, people: list[UUID]) -> None:
    set_limits(sql, day=12)
    first, second, third = (desk.request(AMOUNT) for _ in range(3))
    for payout in (first, second, third):
        desk.send(payout)
    assert [hold(desk, it)[1] for it in (first, second, third)] == [None, None, "limit"]

    release(third, people)
    desk.send(third)

    assert desk.state(third) == "IN_FLIGHT"


def test_the_day_begins_anew_at_midnight_utc(desk: Desk, sql: Connection, later: Callable[[float], None]) -> None:
    set_limits(sql, day=6)
    desk.send(desk.request(AMOUNT))
    later(86_400)
    payout = desk.request(AMOUNT)
    desk.send(payout)

    assert desk.state(payout) == "IN_FLIGHT"


def test_an_hour_over_its_limit_pauses_the_treasury_until_people_resume_and_the_hour_has_passed(
    desk: Desk, sql: Connection, later: Callable[[float], None]
) -> None:
    set_limits(sql, hour=9)
    first, second = desk.request(AMOUNT), desk.request(AMOUNT)
    desk.send(first)
    desk.send(second)
    assert hold(desk, second) == ("HELD", "limit")
    assert sql.execute_simple("SELECT count(*) FROM treasuries WHERE paused_at IS NOT NULL").rows == [[1]]
    assert desk.sweep() == []

    db.atomically(lambda tx: machine.resume(tx, "member", clock.now()))
    assert second not in desk.sweep()
    later(3_700)
    assert second in desk.sweep()
    desk.send(second)

    assert desk.state(second) == "IN_FLIGHT"


def test_what_people_have_let_go_is_not_held_for_them_a_second_time(
    desk: Desk, rows: Rows, people: list[UUID], later: Callable[[float], None]
) -> None:
    payout = desk.request(10_001 * USDT)
    desk.send(payout)
    release(payout, people)
    desk.send(payout)
    assert hold(desk, payout) == ("HELD", "funds")
    desk.chain.mint(rows.signer(), 20_000 * USDT)
    later(1)

    assert payout in desk.sweep()
    desk.send(payout)

    assert desk.state(payout) == "IN_FLIGHT"


def test_who_waits_for_funds_is_sent_on_in_the_order_of_asking_when_they_come(
    desk: Desk, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAYOUTS_PER_TASK", "10")
    first, second, third = desk.request(99 * AMOUNT), desk.request(80 * AMOUNT), desk.request(2 * AMOUNT)
    desk.send(first)
    assert [hold(desk, it) for it in (first, second, third)] == [
        ("IN_FLIGHT", None),
        ("HELD", "funds"),
        ("HELD", "funds"),  # nobody overtakes
    ]
    desk.bury(first)
    assert desk.sweep() == []

    desk.chain.mint(rows.signer(), 80 * AMOUNT)
    assert desk.sweep() == [second]
    desk.send(second)
    desk.chain.mint(rows.signer(), 80 * AMOUNT)
    assert desk.sweep() == [third]


def test_without_gas_no_nonce_is_taken_and_with_gas_it_goes_on(desk: Desk, rows: Rows, sql: Connection) -> None:
    payout = desk.request()
    desk.chain.gas[rows.signer().lower()] = 10**15
    desk.send(payout)
    assert hold(desk, payout) == ("HELD", "gas")
    assert sql.execute_simple("SELECT sum(next_nonce) FROM signers").rows == [[0]]
    assert desk.sweep() == []

    desk.chain.gas[rows.signer().lower()] = 10**18
    assert desk.sweep() == [payout]
    desk.send(payout)

    assert desk.state(payout) == "IN_FLIGHT"


def test_a_blocked_recipient_is_paid_when_the_issuer_lets_them_go(desk: Desk) -> None:
    payout, other = desk.request(), desk.request(recipient=OTHER)
    desk.chain.blocked_addresses.add(RECIPIENT.lower())
    desk.send(payout)
    desk.send(other)
    assert hold(desk, payout) == ("HELD", "blocked")
    assert desk.state(other) == "IN_FLIGHT"
    assert desk.sweep() == []

    desk.chain.blocked_addresses.clear()
    assert desk.sweep() == [payout]
    desk.send(payout)

    assert desk.state(payout) == "IN_FLIGHT"


def test_what_a_pause_held_goes_on_after_it_and_is_judged_anew(desk: Desk, rows: Rows) -> None:
    small, large = desk.request(), desk.request(10_001 * USDT)
    db.atomically(lambda tx: machine.pause(tx, "member", "test", clock.now()))
    desk.send(small)
    desk.send(large)
    assert [hold(desk, it) for it in (small, large)] == [("HELD", "paused")] * 2
    assert desk.sweep() == []

    assert db.atomically(lambda tx: machine.resume(tx, "member", clock.now()))
    assert desk.sweep() == [small, large]
    desk.send(small)
    desk.send(large)

    assert [hold(desk, it) for it in (small, large)] == [("IN_FLIGHT", None), ("HELD", "review")]
    decisions = "SELECT decision, reason FROM payout_policy_runs WHERE payout_id = :x ORDER BY id"
    assert rows.login.run(decisions, x=large) == [["hold", "paused"], ["hold", "review"]]


def test_retrying_what_a_pause_held_does_not_get_round_the_policy(desk: Desk, rows: Rows) -> None:
    payout = desk.request(10_001 * USDT)
    db.atomically(lambda tx: machine.pause(tx, "member", "test", clock.now()))
    desk.send(payout)
    db.atomically(lambda tx: machine.resume(tx, "member", clock.now()))

    assert rule_of(lambda: rows.move(payout, "APPROVED")) == "policy"
    assert db.atomically(lambda tx: machine.retry(tx, payout, clock.now())) is Retried.SENT_ON
    desk.send(payout)

    assert hold(desk, payout) == ("HELD", "review")


def test_every_decision_is_kept_with_what_it_was_made_of(desk: Desk, sql: Connection) -> None:
    desk.send(desk.request())

    ((inputs,),) = sql.execute_simple("SELECT inputs FROM payout_policy_runs").rows
    assert (inputs["amount"], inputs["recipient_address"]) == ("5.00", RECIPIENT)
    assert (inputs["let_go_today"], inputs["day_amount_max"]) == ("0.00", "50000.00")
    assert not any(inputs[name] for name in ("paused", "blocked", "recipient_is_strange", "may_be_paid_already"))


def test_neither_who_asked_nor_after_a_cancellation_anybody_approves(desk: Desk, people: list[UUID]) -> None:
    payout = desk.request(10_001 * USDT, requested_by=people[0])
    desk.send(payout)
    with pytest.raises(OwnPayout):
        release(payout, people[:1])
    db.atomically(lambda tx: machine.cancel(tx, desk.row(payout), clock.now()))

    with pytest.raises(NotWaiting):
        release(payout, people[1:])
    assert db.atomically(lambda tx: machine.retry(tx, payout, clock.now())) is Retried.OVER


def test_retrying_never_makes_a_second_payment(desk: Desk, sql: Connection) -> None:
    payout = desk.request()
    desk.send(payout)
    for _ in range(3):
        assert db.atomically(lambda tx: machine.retry(tx, payout, clock.now())) is Retried.LOOKED_AT
        desk.send(payout)
    desk.bury(payout)

    assert sql.execute_simple("SELECT count(*) FROM payout_slots").rows == [[1]]
    assert len(desk.chain.transfers()) == 1
