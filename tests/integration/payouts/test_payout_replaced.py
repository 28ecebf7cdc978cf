"""A stuck payment gets higher fees on the same nonce; one that must not be paid any more gets a no-op there."""

from collections.abc import Callable

import pytest
from pg8000.dbapi import Connection

from shared import clock, db, settings
from shared.payouts import machine
from tests.fakes.chain import BASE_FEE_WEI
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import AMOUNT, RECIPIENT, PayoutRows, rule_of

pytest_plugins = ["tests.fakes.payout_plugin"]

STUCK = 61
AdvanceClock = Callable[[float], None]


def fees(sql: Connection) -> list[tuple[int, int]]:
    columns = "fee_per_gas_wei_max, priority_fee_per_gas_wei_max"
    rows = sql.execute_simple(f"SELECT {columns} FROM payout_attempts ORDER BY nonce, position").rows
    return [(int(fee), int(tip)) for fee, tip in rows]


def kinds(sql: Connection) -> list[str]:
    return [row[0] for row in sql.execute_simple("SELECT kind FROM payout_attempts ORDER BY nonce, position").rows]


def test_a_transaction_that_the_base_fee_has_overtaken_is_replaced_and_paid_once(
    payout_driver: PayoutDriver, sql: Connection, advance_clock: AdvanceClock
) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    payout_driver.chain.base_fee_wei = 5 * BASE_FEE_WEI
    payout_driver.chain.mine(3)
    advance_clock(STUCK)
    assert not payout_driver.confirm(payout)
    payout_driver.send(payout)
    payout_driver.finalize(payout)

    (first, first_tip), (second, second_tip) = fees(sql)
    assert second * 8 >= first * 9
    assert second_tip * 8 >= first_tip * 9
    assert second >= payout_driver.chain.base_fee_wei
    assert payout_driver.state(payout) == "PAID"
    assert len(payout_driver.chain.transfers()) == 1


def test_nothing_is_replaced_before_its_time(
    payout_driver: PayoutDriver, sql: Connection, advance_clock: AdvanceClock
) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    advance_clock(STUCK - 20)
    payout_driver.send(payout)

    assert len(fees(sql)) == 1


def test_who_is_stuck_is_found_by_whoever_follows_the_key(
    payout_driver: PayoutDriver, advance_clock: AdvanceClock
) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    payout_driver.chain.base_fee_wei = 5 * BASE_FEE_WEI
    advance_clock(STUCK)

    assert payout_driver.sweep() == [payout]


def test_above_the_highest_fee_it_waits_and_is_paid_when_gas_is_cheap_again(
    payout_driver: PayoutDriver, sql: Connection, advance_clock: AdvanceClock
) -> None:
    sql.execute_simple("UPDATE settings SET value = '200' WHERE name = 'payout_fee_gwei_max'")
    settings.forget()
    payout, late = payout_driver.request(), payout_driver.request()
    payout_driver.send(payout)
    payout_driver.chain.base_fee_wei = 10 * BASE_FEE_WEI
    for _ in range(12):
        advance_clock(STUCK)
        payout_driver.send(payout)
    assert max(fee for fee, _ in fees(sql)) <= 200 * 10**9
    with pytest.raises(Exception, match="base fee"):
        payout_driver.send(late)
    assert payout_driver.state(late) == "APPROVED"
    payout_driver.chain.base_fee_wei = BASE_FEE_WEI
    payout_driver.send(late)
    payout_driver.finalize(payout)
    payout_driver.finalize(late)

    assert (payout_driver.state(payout), payout_driver.state(late)) == ("PAID", "PAID")
    assert [moved.nonce for moved in payout_driver.chain.transfers()] == [0, 1]


def test_an_older_signature_that_wins_is_the_payment(
    payout_driver: PayoutDriver, sql: Connection, advance_clock: AdvanceClock
) -> None:
    """The pool that had the replacement forgot it; another one mined the first."""
    payout = payout_driver.request()
    payout_driver.send(payout)
    first = dict(payout_driver.chain.pool)
    advance_clock(STUCK)
    payout_driver.send(payout)
    assert len(fees(sql)) == 2
    payout_driver.chain.pool = first
    payout_driver.finalize(payout)

    winner = sql.execute_simple("SELECT a.position FROM payout_slots JOIN payout_attempts a ON hash = winning_hash")
    assert winner.rows == [[1]]
    assert payout_driver.state(payout) == "PAID"


def test_under_a_pause_only_what_is_out_is_finished_and_only_when_told(
    payout_driver: PayoutDriver, sql: Connection, advance_clock: AdvanceClock
) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    db.atomically(lambda tx: machine.pause(tx, "member", "test", clock.now()))
    advance_clock(STUCK)
    payout_driver.send(payout)
    assert len(fees(sql)) == 1

    sql.execute_simple("UPDATE treasuries SET finish_live = true")
    payout_driver.send(payout)
    payout_driver.finalize(payout)

    assert len(fees(sql)) == 2
    assert payout_driver.state(payout) == "PAID"


def test_a_recipient_who_is_blocked_after_signing_gets_a_noop_in_place_of_the_payment(
    payout_driver: PayoutDriver, sql: Connection
) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    payout_driver.chain.blocked_addresses.add(RECIPIENT.lower())
    payout_driver.send(payout)
    payout_driver.chain.mine(12)
    payout_driver.confirm(payout)

    assert kinds(sql) == ["PAY", "NOOP"]
    assert payout_driver.chain.transfers() == []
    assert sql.execute_simple("SELECT state FROM payout_slots").rows == [["FINAL_NOOP"]]
    assert payout_driver.state(payout) == "RESERVED"  # on its way again, where the policy of the nonce holds it
    payout_driver.send(payout)
    assert payout_driver.row(payout).hold_reason == "blocked"


def test_a_payout_that_cannot_be_signed_waits_for_two_people_when_the_noop_has_won(
    payout_driver: PayoutDriver, sql: Connection
) -> None:
    payout, other = payout_driver.request(), payout_driver.request()
    payout_driver.send(payout)
    payout_driver.send(other)
    assert db.atomically(lambda tx: machine.give_up(tx, payout, machine.UNSIGNABLE, clock.now()))
    payout_driver.send(payout)
    payout_driver.finalize(payout)
    payout_driver.confirm(other)

    assert (payout_driver.state(payout), payout_driver.state(other)) == ("HELD", "PAID")
    assert payout_driver.row(payout).hold_reason == "review"
    assert sql.execute_unnamed("SELECT approvals_needed FROM payouts WHERE id = $1", (payout,)).rows == [[2]]
    assert [moved.nonce for moved in payout_driver.chain.transfers()] == [1]
    in_flight = "SELECT sum(balance)::bigint FROM ledger_balances WHERE account = 'in_flight:member'"
    assert sql.execute_simple(in_flight).rows == [[AMOUNT]]  # it stays set aside while it is held


def test_a_payment_that_was_faster_than_the_noop_is_a_payment(payout_driver: PayoutDriver) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    paying = dict(payout_driver.chain.pool)
    db.atomically(lambda tx: machine.give_up(tx, payout, machine.UNSIGNABLE, clock.now()))
    payout_driver.send(payout)
    payout_driver.chain.pool = paying
    payout_driver.finalize(payout)

    assert payout_driver.state(payout) == "PAID"


def test_what_was_given_up_never_pays_again(payout_driver: PayoutDriver, rows: PayoutRows) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    db.atomically(lambda tx: machine.give_up(tx, payout, "test", clock.now()))

    assert rule_of(lambda: rows.attempt(rows.slot(payout), fee=10**12, tip=10**12)) == "R3_noop"
