"""A task takes the first of its treasury, one or a hundred; whoever cannot go on holds up nobody."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from pg8000.dbapi import Connection

from shared import clock, settings
from shared.job import ComeAgain
from tests.fakes.payout_desk import Desk
from tests.fakes.payout_rows import AMOUNT, RECIPIENT, Rows

pytest_plugins = ["tests.fakes.payout_plugin"]

OTHER = "0x" + "Cd" * 20


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten payouts a task."""
    monkeypatch.setenv("PAYOUTS_PER_TASK", "10")


def test_one_task_is_one_payout_and_the_first_comes_first(desk: Desk) -> None:
    first, second = desk.request(), desk.request()
    desk.send(second)

    assert (desk.state(first), desk.state(second)) == ("IN_FLIGHT", "REQUESTED")


@pytest.mark.usefixtures("together")
def test_ten_payouts_in_one_task_get_their_nonces_in_the_order_of_asking(desk: Desk, sql: Connection) -> None:
    payouts = [desk.request(AMOUNT + number) for number in range(12)]
    desk.send(payouts[0])
    desk.bury(payouts[9])

    amounts = [moved.amount_micro for moved in desk.chain.transfers()]
    assert amounts == [AMOUNT + number for number in range(10)]
    assert [desk.state(payout) for payout in payouts] == ["PAID"] * 10 + ["REQUESTED"] * 2
    assert sql.execute_simple("SELECT nonce FROM payout_slots ORDER BY nonce").rows == [[it] for it in range(10)]
    in_flight = "SELECT sum(balance)::bigint FROM ledger_balances WHERE account = 'in_flight:member'"
    assert sql.execute_simple(in_flight).rows == [[0]]


@pytest.mark.usefixtures("together")
def test_who_is_blocked_or_too_large_is_held_and_the_others_are_paid(desk: Desk) -> None:
    desk.chain.blocked_addresses.add(OTHER.lower())
    large, blocked = desk.request(10_001 * 10**6), desk.request(recipient=OTHER)
    others = [desk.request() for _ in range(3)]
    desk.send(large)

    assert [desk.row(it).hold_reason for it in (large, blocked)] == ["review", "blocked"]
    assert {desk.state(it) for it in others} == {"IN_FLIGHT"}


@pytest.mark.usefixtures("together")
def test_one_that_the_database_refuses_steps_aside_and_comes_back(
    desk: Desk, sql: Connection, later: Callable[[float], None]
) -> None:
    poison, other = desk.request(), desk.request(recipient=OTHER)
    refuse = f"""
        CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM refuse('test', 'poison'); RETURN NULL; END $$;
        CREATE TRIGGER poison BEFORE UPDATE ON payouts FOR EACH ROW
        WHEN (NEW.state = 'RESERVED' AND NEW.id = '{poison}') EXECUTE FUNCTION refuse_poison()
        """
    sql.execute_simple(refuse)
    desk.send(poison)
    assert (desk.state(poison), desk.state(other)) == ("APPROVED", "IN_FLIGHT")

    sql.execute_simple("DROP TRIGGER poison ON payouts")
    desk.send(poison)
    assert desk.state(poison) == "APPROVED"  # not yet
    later(301)
    desk.send(poison)
    assert desk.state(poison) == "IN_FLIGHT"


@pytest.mark.usefixtures("together")
def test_one_whose_end_the_database_refuses_does_not_keep_the_others_from_theirs(desk: Desk, sql: Connection) -> None:
    poison, other = desk.request(), desk.request(recipient=OTHER)
    desk.send(poison)
    sql.execute_simple(
        f"""
        CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM refuse('test', 'poison'); RETURN NULL; END $$;
        CREATE TRIGGER poison BEFORE UPDATE ON payouts FOR EACH ROW
        WHEN (NEW.state = 'PAID' AND NEW.id = '{poison}') EXECUTE FUNCTION refuse_poison()
        """
    )
    desk.chain.mine(12)
    desk.look(other)
    assert (desk.state(poison), desk.state(other)) == ("IN_FLIGHT", "PAID")

    sql.execute_simple("DROP TRIGGER poison ON payouts")
    desk.bury(poison)
    assert desk.state(poison) == "PAID"


def test_only_so_many_nonces_are_open_and_the_rest_comes_again(desk: Desk, sql: Connection) -> None:
    sql.execute_simple("UPDATE settings SET value = '2' WHERE name = 'payout_in_flight_max'")
    settings.forget()
    payouts = [desk.request() for _ in range(3)]
    for _ in range(2):
        desk.send(payouts[2])
    with pytest.raises(ComeAgain):
        desk.send(payouts[2])
    assert [desk.state(payout) for payout in payouts] == ["IN_FLIGHT", "IN_FLIGHT", "RESERVED"]

    desk.bury(payouts[0])
    desk.look(payouts[1])
    desk.send(payouts[2])
    assert desk.state(payouts[2]) == "IN_FLIGHT"


@pytest.mark.usefixtures("together")
def test_lost_tasks_are_made_anew_for_a_treasury_that_has_work_and_no_worker(
    desk: Desk, rows: Rows, later: Callable[[float], None]
) -> None:
    payouts = [desk.request() for _ in range(3)]
    assert desk.sweep() == []  # they have only just been asked for
    later(timedelta(minutes=3).total_seconds())

    assert desk.sweep() == payouts
    with suppress(ComeAgain):
        desk.send(payouts[0])
    assert desk.sweep() == []
    assert rows.login.value("SELECT count(*) FROM payout_slots") == len(payouts)


def test_whoever_looks_at_a_key_looks_at_all_that_is_out(desk: Desk) -> None:
    payouts = [desk.request(recipient=RECIPIENT) for _ in range(3)]
    for payout in payouts:
        desk.send(payout)
    desk.chain.mine(12)
    desk.look(payouts[0])

    assert {desk.state(payout) for payout in payouts} == {"PAID"}
    assert clock.now()
