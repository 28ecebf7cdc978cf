"""A task takes the first of its treasury, one or a hundred; whoever cannot go on holds up nobody."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from pg8000.dbapi import Connection

from shared import clock, settings
from shared.job import ComeAgain
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import AMOUNT, RECIPIENT, PayoutRows
from tests.fakes.treasury_rows import set_limits

pytest_plugins = ["tests.fakes.payout_plugin"]

OTHER = "0x" + "Cd" * 20


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten payouts a task."""
    monkeypatch.setenv("PAYOUTS_PER_TASK", "10")


def test_one_task_is_one_payout_and_the_first_comes_first(payout_driver: PayoutDriver) -> None:
    first, second = payout_driver.request(), payout_driver.request()
    payout_driver.send(second)

    assert (payout_driver.state(first), payout_driver.state(second)) == ("IN_FLIGHT", "REQUESTED")


@pytest.mark.usefixtures("together")
def test_ten_payouts_in_one_task_get_their_nonces_in_the_order_of_asking(
    payout_driver: PayoutDriver, sql: Connection
) -> None:
    payouts = [payout_driver.request(AMOUNT + number) for number in range(12)]
    payout_driver.send(payouts[0])
    payout_driver.finalize(payouts[9])

    amounts = [moved.amount_micro for moved in payout_driver.chain.transfers()]
    assert amounts == [AMOUNT + number for number in range(10)]
    assert [payout_driver.state(payout) for payout in payouts] == ["PAID"] * 10 + ["REQUESTED"] * 2
    assert sql.execute_simple("SELECT nonce FROM payout_slots ORDER BY nonce").rows == [[it] for it in range(10)]
    in_flight = "SELECT sum(balance)::bigint FROM ledger_balances WHERE account = 'in_flight:member'"
    assert sql.execute_simple(in_flight).rows == [[0]]


@pytest.mark.usefixtures("together")
def test_who_is_blocked_or_too_large_is_held_and_the_others_are_paid(payout_driver: PayoutDriver) -> None:
    payout_driver.chain.blocked_addresses.add(OTHER.lower())
    large, blocked = payout_driver.request(10_001 * 10**6), payout_driver.request(recipient=OTHER)
    others = [payout_driver.request() for _ in range(3)]
    payout_driver.send(large)

    assert [payout_driver.row(it).hold_reason for it in (large, blocked)] == ["review", "blocked"]
    assert {payout_driver.state(it) for it in others} == {"IN_FLIGHT"}


@pytest.mark.usefixtures("together")
def test_the_hour_counts_what_goes_in_the_same_task(payout_driver: PayoutDriver, sql: Connection) -> None:
    set_limits(sql, hour=14)
    payouts = [payout_driver.request() for _ in range(4)]
    payout_driver.send(payouts[0])

    assert [payout_driver.row(it).hold_reason for it in payouts if payout_driver.row(it).hold_reason] == ["limit"]
    assert sql.execute_simple("SELECT name FROM treasuries WHERE paused_at IS NOT NULL").rows == [["member"]]
    assert sql.execute_simple("SELECT sum(amount)::bigint FROM treasury_minutes").rows == [[2 * AMOUNT]]


@pytest.mark.usefixtures("together")
def test_one_that_the_database_refuses_steps_aside_and_comes_back(
    payout_driver: PayoutDriver, sql: Connection, advance_clock: Callable[[float], None]
) -> None:
    poison, other = payout_driver.request(), payout_driver.request(recipient=OTHER)
    refuse = f"""
        CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM refuse('test', 'poison'); RETURN NULL; END $$;
        CREATE TRIGGER poison BEFORE UPDATE ON payouts FOR EACH ROW
        WHEN (NEW.state = 'RESERVED' AND NEW.id = '{poison}') EXECUTE FUNCTION refuse_poison()
        """
    sql.execute_simple(refuse)
    payout_driver.send(poison)
    assert (payout_driver.state(poison), payout_driver.state(other)) == ("APPROVED", "IN_FLIGHT")

    sql.execute_simple("DROP TRIGGER poison ON payouts")
    payout_driver.send(poison)
    assert payout_driver.state(poison) == "APPROVED"  # not yet
    advance_clock(301)
    payout_driver.send(poison)
    assert payout_driver.state(poison) == "IN_FLIGHT"


@pytest.mark.usefixtures("together")
def test_one_whose_end_the_database_refuses_does_not_keep_the_others_from_theirs(
    payout_driver: PayoutDriver, sql: Connection
) -> None:
    poison, other = payout_driver.request(), payout_driver.request(recipient=OTHER)
    payout_driver.send(poison)
    sql.execute_simple(
        f"""
        CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM refuse('test', 'poison'); RETURN NULL; END $$;
        CREATE TRIGGER poison BEFORE UPDATE ON payouts FOR EACH ROW
        WHEN (NEW.state = 'PAID' AND NEW.id = '{poison}') EXECUTE FUNCTION refuse_poison()
        """
    )
    payout_driver.chain.mine(12)
    payout_driver.confirm(other)
    assert (payout_driver.state(poison), payout_driver.state(other)) == ("IN_FLIGHT", "PAID")

    sql.execute_simple("DROP TRIGGER poison ON payouts")
    payout_driver.finalize(poison)
    assert payout_driver.state(poison) == "PAID"


def test_only_so_many_nonces_are_open_and_the_rest_comes_again(payout_driver: PayoutDriver, sql: Connection) -> None:
    sql.execute_simple("UPDATE settings SET value = '2' WHERE name = 'payout_in_flight_max'")
    settings.forget()
    payouts = [payout_driver.request() for _ in range(3)]
    for _ in range(2):
        payout_driver.send(payouts[2])
    with pytest.raises(ComeAgain):
        payout_driver.send(payouts[2])
    assert [payout_driver.state(payout) for payout in payouts] == ["IN_FLIGHT", "IN_FLIGHT", "RESERVED"]

    payout_driver.finalize(payouts[0])
    payout_driver.confirm(payouts[1])
    payout_driver.send(payouts[2])
    assert payout_driver.state(payouts[2]) == "IN_FLIGHT"


@pytest.mark.usefixtures("together")
def test_lost_tasks_are_made_anew_for_a_treasury_that_has_work_and_no_worker(
    payout_driver: PayoutDriver, rows: PayoutRows, advance_clock: Callable[[float], None]
) -> None:
    payouts = [payout_driver.request() for _ in range(3)]
    assert payout_driver.sweep() == []  # they have only just been asked for
    advance_clock(timedelta(minutes=3).total_seconds())

    assert payout_driver.sweep() == payouts
    with suppress(ComeAgain):
        payout_driver.send(payouts[0])
    assert payout_driver.sweep() == []
    assert rows.login.value("SELECT count(*) FROM payout_slots") == len(payouts)


def test_whoever_looks_at_a_key_looks_at_all_that_is_out(payout_driver: PayoutDriver) -> None:
    payouts = [payout_driver.request(recipient=RECIPIENT) for _ in range(3)]
    for payout in payouts:
        payout_driver.send(payout)
    payout_driver.chain.mine(12)
    payout_driver.confirm(payouts[0])

    assert {payout_driver.state(payout) for payout in payouts} == {"PAID"}
    assert clock.now()
