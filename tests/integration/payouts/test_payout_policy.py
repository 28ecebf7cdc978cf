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
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import AMOUNT, RECIPIENT, PayoutRows, rule_of
from tests.fakes.treasury_rows import release, set_limits

pytest_plugins = ["tests.fakes.payout_plugin"]

USDT = 1_000_000
OTHER = "0x" + "Cd" * 20


@pytest.fixture
def people(database: str) -> list[UUID]:
    assert database
    return [factories.member(role=Role.TREASURY).id for _ in range(2)]


def hold(payout_driver: PayoutDriver, payout: UUID) -> tuple[str, str | None]:
    row = payout_driver.row(payout)
    return row.state.value, row.hold_reason and row.hold_reason.value


def test_a_large_payout_waits_for_two_people_and_is_then_paid(payout_driver: PayoutDriver, people: list[UUID]) -> None:
    payout_driver.chain.mint(signer(payout_driver), 20_000 * USDT)
    payout = payout_driver.request(10_000 * USDT + 1)
    payout_driver.send(payout)
    assert hold(payout_driver, payout) == ("HELD", "review")
    with pytest.raises(TooFewApprovals):
        release(payout, people[:1])
    with pytest.raises(ApprovedBefore):
        release(payout, people[:1])

    release(payout, people[1:])
    payout_driver.send(payout)
    payout_driver.finalize(payout)

    assert payout_driver.state(payout) == "PAID"


def signer(payout_driver: PayoutDriver) -> str:
    return next(iter(payout_driver.chain.minted))


def test_the_limit_itself_passes(payout_driver: PayoutDriver) -> None:
    payout_driver.chain.mint(signer(payout_driver), 20_000 * USDT)
    payout = payout_driver.request(10_000 * USDT)
    payout_driver.send(payout)

    assert payout_driver.state(payout) == "IN_FLIGHT"


def test_what_takes_the_day_over_its_limit_waits_for_people(
    payout_driver: PayoutDriver, sql: Connection, people: list[UUID]
) -> None:
    set_limits(sql, day=12)
    first, second, third = (payout_driver.request(AMOUNT) for _ in range(3))
    for payout in (first, second, third):
        payout_driver.send(payout)
    assert [hold(payout_driver, it)[1] for it in (first, second, third)] == [None, None, "limit"]

    release(third, people)
    payout_driver.send(third)

    assert payout_driver.state(third) == "IN_FLIGHT"


def test_the_day_begins_anew_at_midnight_utc(
    payout_driver: PayoutDriver, sql: Connection, advance_clock: Callable[[float], None]
) -> None:
    set_limits(sql, day=6)
    payout_driver.send(payout_driver.request(AMOUNT))
    advance_clock(86_400)
    payout = payout_driver.request(AMOUNT)
    payout_driver.send(payout)

    assert payout_driver.state(payout) == "IN_FLIGHT"


def test_an_hour_over_its_limit_pauses_the_treasury_until_people_resume_and_the_hour_has_passed(
    payout_driver: PayoutDriver, sql: Connection, advance_clock: Callable[[float], None]
) -> None:
    set_limits(sql, hour=9)
    first, second = payout_driver.request(AMOUNT), payout_driver.request(AMOUNT)
    payout_driver.send(first)
    payout_driver.send(second)
    assert hold(payout_driver, second) == ("HELD", "limit")
    assert sql.execute_simple("SELECT count(*) FROM treasuries WHERE paused_at IS NOT NULL").rows == [[1]]
    assert payout_driver.sweep() == []

    db.atomically(lambda tx: machine.resume(tx, "member", clock.now()))
    assert second not in payout_driver.sweep()
    advance_clock(3_700)
    assert second in payout_driver.sweep()
    payout_driver.send(second)

    assert payout_driver.state(second) == "IN_FLIGHT"


def test_what_people_have_let_go_is_not_held_for_them_a_second_time(
    payout_driver: PayoutDriver, rows: PayoutRows, people: list[UUID], advance_clock: Callable[[float], None]
) -> None:
    payout = payout_driver.request(10_001 * USDT)
    payout_driver.send(payout)
    release(payout, people)
    payout_driver.send(payout)
    assert hold(payout_driver, payout) == ("HELD", "funds")
    payout_driver.chain.mint(rows.signer(), 20_000 * USDT)
    advance_clock(1)

    assert payout in payout_driver.sweep()
    payout_driver.send(payout)

    assert payout_driver.state(payout) == "IN_FLIGHT"


def test_who_waits_for_funds_is_sent_on_in_the_order_of_asking_when_they_come(
    payout_driver: PayoutDriver, rows: PayoutRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAYOUTS_PER_TASK", "10")
    first, second, third = (
        payout_driver.request(99 * AMOUNT),
        payout_driver.request(80 * AMOUNT),
        payout_driver.request(2 * AMOUNT),
    )
    payout_driver.send(first)
    assert [hold(payout_driver, it) for it in (first, second, third)] == [
        ("IN_FLIGHT", None),
        ("HELD", "funds"),
        ("HELD", "funds"),  # nobody overtakes
    ]
    payout_driver.finalize(first)
    assert payout_driver.sweep() == []

    payout_driver.chain.mint(rows.signer(), 80 * AMOUNT)
    assert payout_driver.sweep() == [second]
    payout_driver.send(second)
    payout_driver.chain.mint(rows.signer(), 80 * AMOUNT)
    assert payout_driver.sweep() == [third]


def test_without_gas_no_nonce_is_taken_and_with_gas_it_goes_on(
    payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection
) -> None:
    payout = payout_driver.request()
    payout_driver.chain.gas[rows.signer().lower()] = 10**15
    payout_driver.send(payout)
    assert hold(payout_driver, payout) == ("HELD", "gas")
    assert sql.execute_simple("SELECT sum(next_nonce) FROM signers").rows == [[0]]
    assert payout_driver.sweep() == []

    payout_driver.chain.gas[rows.signer().lower()] = 10**18
    assert payout_driver.sweep() == [payout]
    payout_driver.send(payout)

    assert payout_driver.state(payout) == "IN_FLIGHT"


def test_a_blocked_recipient_is_paid_when_the_issuer_lets_them_go(payout_driver: PayoutDriver) -> None:
    payout, other = payout_driver.request(), payout_driver.request(recipient=OTHER)
    payout_driver.chain.blocked_addresses.add(RECIPIENT.lower())
    payout_driver.send(payout)
    payout_driver.send(other)
    assert hold(payout_driver, payout) == ("HELD", "blocked")
    assert payout_driver.state(other) == "IN_FLIGHT"
    assert payout_driver.sweep() == []

    payout_driver.chain.blocked_addresses.clear()
    assert payout_driver.sweep() == [payout]
    payout_driver.send(payout)

    assert payout_driver.state(payout) == "IN_FLIGHT"


def test_what_a_pause_held_goes_on_after_it_and_is_judged_anew(payout_driver: PayoutDriver, rows: PayoutRows) -> None:
    small, large = payout_driver.request(), payout_driver.request(10_001 * USDT)
    db.atomically(lambda tx: machine.pause(tx, "member", "test", clock.now()))
    payout_driver.send(small)
    payout_driver.send(large)
    assert [hold(payout_driver, it) for it in (small, large)] == [("HELD", "paused")] * 2
    assert payout_driver.sweep() == []

    assert db.atomically(lambda tx: machine.resume(tx, "member", clock.now()))
    assert payout_driver.sweep() == [small, large]
    payout_driver.send(small)
    payout_driver.send(large)

    assert [hold(payout_driver, it) for it in (small, large)] == [("IN_FLIGHT", None), ("HELD", "review")]
    decisions = "SELECT decision, reason FROM payout_policy_runs WHERE payout_id = :x ORDER BY id"
    assert rows.login.run(decisions, x=large) == [["hold", "paused"], ["hold", "review"]]


def test_retrying_what_a_pause_held_does_not_get_round_the_policy(
    payout_driver: PayoutDriver, rows: PayoutRows
) -> None:
    payout = payout_driver.request(10_001 * USDT)
    db.atomically(lambda tx: machine.pause(tx, "member", "test", clock.now()))
    payout_driver.send(payout)
    db.atomically(lambda tx: machine.resume(tx, "member", clock.now()))

    assert rule_of(lambda: rows.move(payout, "APPROVED")) == "policy"
    assert db.atomically(lambda tx: machine.retry(tx, payout, clock.now())) is Retried.SENT_ON
    payout_driver.send(payout)

    assert hold(payout_driver, payout) == ("HELD", "review")


def test_every_decision_is_kept_with_what_it_was_made_of(payout_driver: PayoutDriver, sql: Connection) -> None:
    payout_driver.send(payout_driver.request())

    ((inputs,),) = sql.execute_simple("SELECT inputs FROM payout_policy_runs").rows
    assert (inputs["amount"], inputs["recipient_address"]) == ("5.00", RECIPIENT)
    assert (inputs["let_go_today"], inputs["day_amount_max"]) == ("0.00", "50000.00")
    assert not any(inputs[name] for name in ("paused", "blocked", "recipient_is_strange", "may_be_paid_already"))


def test_neither_who_asked_nor_after_a_cancellation_anybody_approves(
    payout_driver: PayoutDriver, people: list[UUID]
) -> None:
    payout = payout_driver.request(10_001 * USDT, requested_by=people[0])
    payout_driver.send(payout)
    with pytest.raises(OwnPayout):
        release(payout, people[:1])
    db.atomically(lambda tx: machine.cancel(tx, payout_driver.row(payout), clock.now()))

    with pytest.raises(NotWaiting):
        release(payout, people[1:])
    assert db.atomically(lambda tx: machine.retry(tx, payout, clock.now())) is Retried.OVER


def test_retrying_never_makes_a_second_payment(payout_driver: PayoutDriver, sql: Connection) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    for _ in range(3):
        assert db.atomically(lambda tx: machine.retry(tx, payout, clock.now())) is Retried.LOOKED_AT
        payout_driver.send(payout)
    payout_driver.finalize(payout)

    assert sql.execute_simple("SELECT count(*) FROM payout_slots").rows == [[1]]
    assert len(payout_driver.chain.transfers()) == 1
