"""A stuck payment gets higher fees on the same nonce; one that must not be paid any more gets a no-op there."""

from collections.abc import Callable

import pytest
from pg8000.dbapi import Connection

from shared import clock, db, settings
from shared.payouts import machine
from tests.fakes.chain import BASE_FEE_WEI
from tests.fakes.payout_desk import Desk
from tests.fakes.payout_rows import RECIPIENT, Rows, rule_of

pytest_plugins = ["tests.fakes.payout_plugin"]

STUCK = 61
Later = Callable[[float], None]


def fees(sql: Connection) -> list[tuple[int, int]]:
    columns = "fee_per_gas_wei_max, priority_fee_per_gas_wei_max"
    rows = sql.execute_simple(f"SELECT {columns} FROM payout_attempts ORDER BY nonce, position").rows
    return [(int(fee), int(tip)) for fee, tip in rows]


def kinds(sql: Connection) -> list[str]:
    return [row[0] for row in sql.execute_simple("SELECT kind FROM payout_attempts ORDER BY nonce, position").rows]


def test_a_transaction_that_the_base_fee_has_overtaken_is_replaced_and_paid_once(
    desk: Desk, sql: Connection, later: Later
) -> None:
    payout = desk.request()
    desk.send(payout)
    desk.chain.base_fee_wei = 5 * BASE_FEE_WEI
    desk.chain.mine(3)
    later(STUCK)
    assert not desk.look(payout)
    desk.send(payout)
    desk.bury(payout)

    (first, first_tip), (second, second_tip) = fees(sql)
    assert second * 8 >= first * 9
    assert second_tip * 8 >= first_tip * 9
    assert second >= desk.chain.base_fee_wei
    assert desk.state(payout) == "PAID"
    assert len(desk.chain.transfers()) == 1


def test_nothing_is_replaced_before_its_time(desk: Desk, sql: Connection, later: Later) -> None:
    payout = desk.request()
    desk.send(payout)
    later(STUCK - 20)
    desk.send(payout)

    assert len(fees(sql)) == 1


def test_who_is_stuck_is_found_by_whoever_follows_the_key(desk: Desk, later: Later) -> None:
    payout = desk.request()
    desk.send(payout)
    desk.chain.base_fee_wei = 5 * BASE_FEE_WEI
    later(STUCK)

    assert desk.sweep() == [payout]


def test_above_the_highest_fee_it_waits_and_is_paid_when_gas_is_cheap_again(
    desk: Desk, sql: Connection, later: Later
) -> None:
    sql.execute_simple("UPDATE settings SET value = '200' WHERE name = 'payout_fee_gwei_max'")
    settings.forget()
    payout, late = desk.request(), desk.request()
    desk.send(payout)
    desk.chain.base_fee_wei = 10 * BASE_FEE_WEI
    for _ in range(12):
        later(STUCK)
        desk.send(payout)
    assert max(fee for fee, _ in fees(sql)) <= 200 * 10**9
    with pytest.raises(Exception, match="base fee"):
        desk.send(late)
    assert desk.state(late) == "APPROVED"
    desk.chain.base_fee_wei = BASE_FEE_WEI
    desk.send(late)
    desk.bury(payout)
    desk.bury(late)

    assert (desk.state(payout), desk.state(late)) == ("PAID", "PAID")
    assert [moved.nonce for moved in desk.chain.transfers()] == [0, 1]


def test_an_older_signature_that_wins_is_the_payment(desk: Desk, sql: Connection, later: Later) -> None:
    """The pool that had the replacement forgot it; another one mined the first."""
    payout = desk.request()
    desk.send(payout)
    first = dict(desk.chain.pool)
    later(STUCK)
    desk.send(payout)
    assert len(fees(sql)) == 2
    desk.chain.pool = first
    desk.bury(payout)

    winner = sql.execute_simple("SELECT a.position FROM payout_slots JOIN payout_attempts a ON hash = winning_hash")
    assert winner.rows == [[1]]
    assert desk.state(payout) == "PAID"


def test_under_a_pause_only_what_is_out_is_finished_and_only_when_told(
    desk: Desk, sql: Connection, later: Later
) -> None:
    payout = desk.request()
    desk.send(payout)
    db.atomically(lambda tx: machine.pause(tx, "member", "test", clock.now()))
    later(STUCK)
    desk.send(payout)
    assert len(fees(sql)) == 1

    sql.execute_simple("UPDATE treasuries SET finish_live = true")
    desk.send(payout)
    desk.bury(payout)

    assert len(fees(sql)) == 2
    assert desk.state(payout) == "PAID"


def test_a_recipient_who_is_blocked_after_signing_gets_a_noop_in_place_of_the_payment(
    desk: Desk, sql: Connection
) -> None:
    payout = desk.request()
    desk.send(payout)
    desk.chain.blocked_addresses.add(RECIPIENT.lower())
    desk.send(payout)
    desk.chain.mine(12)
    desk.look(payout)

    assert kinds(sql) == ["PAY", "NOOP"]
    assert desk.chain.transfers() == []
    assert sql.execute_simple("SELECT state FROM payout_slots").rows == [["FINAL_NOOP"]]
    assert desk.state(payout) == "RESERVED"  # on its way again, where the policy of the nonce holds it
    desk.send(payout)
    assert desk.row(payout).hold_reason == "blocked"


def test_a_payout_that_people_stop_is_cancelled_when_the_noop_has_won(desk: Desk, sql: Connection) -> None:
    payout, other = desk.request(), desk.request()
    desk.send(payout)
    desk.send(other)
    assert db.atomically(lambda tx: machine.give_up(tx, payout, machine.CANCELLED_BY_PEOPLE, clock.now()))
    desk.send(payout)
    desk.bury(payout)
    desk.look(other)

    assert (desk.state(payout), desk.state(other)) == ("CANCELLED", "PAID")
    assert [moved.nonce for moved in desk.chain.transfers()] == [1]
    in_flight = "SELECT sum(balance)::bigint FROM ledger_balances WHERE account = 'in_flight:member'"
    assert sql.execute_simple(in_flight).rows == [[0]]


def test_a_payment_that_was_faster_than_the_noop_is_a_payment(desk: Desk) -> None:
    payout = desk.request()
    desk.send(payout)
    paying = dict(desk.chain.pool)
    db.atomically(lambda tx: machine.give_up(tx, payout, machine.CANCELLED_BY_PEOPLE, clock.now()))
    desk.send(payout)
    desk.chain.pool = paying
    desk.bury(payout)

    assert desk.state(payout) == "PAID"


def test_what_was_given_up_never_pays_again(desk: Desk, rows: Rows) -> None:
    payout = desk.request()
    desk.send(payout)
    db.atomically(lambda tx: machine.give_up(tx, payout, "test", clock.now()))

    assert rule_of(lambda: rows.attempt(rows.slot(payout), fee=10**12, tip=10**12)) == "R3_noop"
