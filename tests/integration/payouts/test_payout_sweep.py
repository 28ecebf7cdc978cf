"""The sweep makes up every lost task, and looks at every hold, whatever else goes on."""

from collections.abc import Callable
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from functions.payout_confirm import release
from functions.payout_send import store
from shared import clock, db
from shared.payouts.states import HoldReason
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import AMOUNT, RECIPIENT, PayoutRows, rule_of

pytest_plugins = ["tests.fakes.payout_plugin"]

OTHER = "0x" + "Cd" * 20
MANY = 2 * release.HELD_MAX + 1


def test_tasks_that_were_lost_are_made_up_while_others_of_the_treasury_move(
    payout_driver: PayoutDriver, advance_clock: Callable[[float], None]
) -> None:
    lost = [payout_driver.request() for _ in range(3)]
    advance_clock(150)
    payout_driver.send(payout_driver.request())  # it serves the first of the lost ones; nobody serves the last of all
    late = payout_driver.sweep()

    assert late == lost[1:]
    for payout in late:
        payout_driver.send(payout)
    assert {payout_driver.state(payout) for payout in lost} == {"IN_FLIGHT"}


def test_one_that_steps_aside_uses_up_the_task_of_another_and_both_get_a_new_one(
    payout_driver: PayoutDriver, sql: Connection, advance_clock: Callable[[float], None]
) -> None:
    poison = payout_driver.request()
    sql.execute_simple(
        f"""
        CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM refuse('test', 'poison'); RETURN NULL; END $$;
        CREATE TRIGGER poison BEFORE UPDATE ON payouts FOR EACH ROW
        WHEN (NEW.state = 'RESERVED' AND NEW.id = '{poison}') EXECUTE FUNCTION refuse_poison()
        """
    )
    robbed = payout_driver.request(recipient=OTHER)
    payout_driver.send(robbed)  # it served the poisoned one, which is first
    assert [payout_driver.state(it) for it in (poison, robbed)] == ["APPROVED", "REQUESTED"]

    advance_clock(150)
    payout_driver.send(payout_driver.request(recipient=OTHER))
    assert payout_driver.state(robbed) == "IN_FLIGHT"
    advance_clock(151)
    sql.execute_simple("UPDATE signers SET held_until = now() + interval '300 seconds' WHERE treasury = 'member'")
    assert poison in payout_driver.sweep()


def test_a_lost_task_is_made_up_once_in_a_while_and_not_with_each_sweep(
    payout_driver: PayoutDriver, sql: Connection, advance_clock: Callable[[float], None]
) -> None:
    payout = payout_driver.request()
    advance_clock(150)
    payout_driver.sweep()
    payout_driver.sweep()

    names = f"SELECT DISTINCT task_name FROM outbox WHERE task_name LIKE 'swept-{payout}-%'"
    assert len(sql.execute_simple(names).rows) == 1


def held(
    payout_driver: PayoutDriver, rows: PayoutRows, number: int, reason: HoldReason, recipient: str = RECIPIENT
) -> list[UUID]:
    """Make this many payouts that wait for their cause to end."""
    made = [payout_driver.request(recipient=recipient) for _ in range(number)]
    rows.login.run(
        "UPDATE payouts SET state = 'HELD', hold_reason = CAST(:reason AS hold_reason) WHERE id = ANY(:ids)",
        reason=reason.value,
        ids=made,
    )
    return made


def test_hundreds_of_blocked_recipients_hide_nobody_who_is_held_for_another_reason(
    payout_driver: PayoutDriver, rows: PayoutRows
) -> None:
    held(payout_driver, rows, release.HELD_MAX + 5, HoldReason.BLOCKED)
    paused = held(payout_driver, rows, 1, HoldReason.PAUSED, OTHER)
    funds = held(payout_driver, rows, 1, HoldReason.FUNDS, OTHER)
    payout_driver.chain.blocked_addresses.add(RECIPIENT.lower())

    assert payout_driver.sweep() == paused + funds


def test_somebody_behind_hundreds_who_stay_blocked_is_reached_within_a_few_sweeps(
    payout_driver: PayoutDriver, rows: PayoutRows
) -> None:
    held(payout_driver, rows, MANY, HoldReason.BLOCKED)
    freed = held(payout_driver, rows, 1, HoldReason.BLOCKED, OTHER)
    payout_driver.chain.blocked_addresses.add(RECIPIENT.lower())

    found = [payout_driver.sweep() for _ in range(6)]

    assert found == [[], [], freed] * 2  # and then from the first again


def test_who_waits_for_funds_is_not_overtaken_however_many_wait(payout_driver: PayoutDriver, rows: PayoutRows) -> None:
    payout_driver.send(payout_driver.request(99 * AMOUNT))
    first = payout_driver.request(2 * AMOUNT)
    rows.login.run("UPDATE payouts SET state = 'HELD', hold_reason = 'funds' WHERE id = :first", first=first)
    held(payout_driver, rows, MANY, HoldReason.FUNDS)  # what is left would do for the next of them

    assert [payout_driver.sweep() for _ in range(3)] == [[], [], []]
    payout_driver.chain.mint(rows.signer(), 10 * AMOUNT)
    assert payout_driver.sweep()[0] == first


@pytest.mark.parametrize("reason", [HoldReason.BLOCKED, HoldReason.PAUSED])
def test_who_stepped_aside_while_held_takes_no_place_in_the_window(
    payout_driver: PayoutDriver, rows: PayoutRows, reason: HoldReason, advance_clock: Callable[[float], None]
) -> None:
    (poison,) = held(payout_driver, rows, 1, reason)
    db.atomically(lambda tx: store.postpone(tx, poison, clock.now()))
    assert payout_driver.sweep() == []

    advance_clock(301)
    assert payout_driver.sweep() == [poison]


def test_a_window_names_a_treasury(rows: PayoutRows) -> None:
    insert = "INSERT INTO hold_windows VALUES ('nobody', 'blocked', now(), gen_random_uuid())"

    assert rule_of(lambda: rows.login.run(insert)) == "hold_windows_treasury_fkey"
