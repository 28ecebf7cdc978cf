"""The sweep makes up every lost task, and looks at every hold, whatever else goes on."""

from collections.abc import Callable
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from functions.payout_confirm import release
from functions.payout_send import store
from shared import clock, db
from shared.payouts.states import HoldReason
from tests.fakes.payout_desk import Desk
from tests.fakes.payout_rows import AMOUNT, RECIPIENT, Rows, rule_of

pytest_plugins = ["tests.fakes.payout_plugin"]

OTHER = "0x" + "Cd" * 20
MANY = 2 * release.HELD_MAX + 1


def test_tasks_that_were_lost_are_made_up_while_others_of_the_treasury_move(
    desk: Desk, later: Callable[[float], None]
) -> None:
    lost = [desk.request() for _ in range(3)]
    later(150)
    desk.send(desk.request())  # it serves the first of the lost ones; nobody serves the last of all
    late = desk.sweep()

    assert late == lost[1:]
    for payout in late:
        desk.send(payout)
    assert {desk.state(payout) for payout in lost} == {"IN_FLIGHT"}


def test_one_that_steps_aside_uses_up_the_task_of_another_and_both_get_a_new_one(
    desk: Desk, sql: Connection, later: Callable[[float], None]
) -> None:
    poison = desk.request()
    sql.execute_simple(
        f"""
        CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM refuse('test', 'poison'); RETURN NULL; END $$;
        CREATE TRIGGER poison BEFORE UPDATE ON payouts FOR EACH ROW
        WHEN (NEW.state = 'RESERVED' AND NEW.id = '{poison}') EXECUTE FUNCTION refuse_poison()
        """
    )
    robbed = desk.request(recipient=OTHER)
    desk.send(robbed)  # it served the poisoned one, which is first
    assert [desk.state(it) for it in (poison, robbed)] == ["APPROVED", "REQUESTED"]

    later(150)
    desk.send(desk.request(recipient=OTHER))
    assert desk.state(robbed) == "IN_FLIGHT"
    later(151)
    sql.execute_simple("UPDATE signers SET held_until = now() + interval '300 seconds' WHERE treasury = 'member'")
    assert poison in desk.sweep()


def test_a_lost_task_is_made_up_once_in_a_while_and_not_with_each_sweep(
    desk: Desk, sql: Connection, later: Callable[[float], None]
) -> None:
    payout = desk.request()
    later(150)
    desk.sweep()
    desk.sweep()

    names = f"SELECT DISTINCT task_name FROM outbox WHERE task_name LIKE 'swept-{payout}-%'"
    assert len(sql.execute_simple(names).rows) == 1


def held(desk: Desk, rows: Rows, number: int, reason: HoldReason, recipient: str = RECIPIENT) -> list[UUID]:
    """So many payouts that wait for their cause to end."""
    made = [desk.request(recipient=recipient) for _ in range(number)]
    rows.login.run(
        "UPDATE payouts SET state = 'HELD', hold_reason = CAST(:reason AS hold_reason) WHERE id = ANY(:ids)",
        reason=reason.value,
        ids=made,
    )
    return made


def test_hundreds_of_blocked_recipients_hide_nobody_who_is_held_for_another_reason(desk: Desk, rows: Rows) -> None:
    held(desk, rows, release.HELD_MAX + 5, HoldReason.BLOCKED)
    paused = held(desk, rows, 1, HoldReason.PAUSED, OTHER)
    funds = held(desk, rows, 1, HoldReason.FUNDS, OTHER)
    desk.chain.blocked_addresses.add(RECIPIENT.lower())

    assert desk.sweep() == paused + funds


def test_somebody_behind_hundreds_who_stay_blocked_is_reached_within_a_few_sweeps(desk: Desk, rows: Rows) -> None:
    held(desk, rows, MANY, HoldReason.BLOCKED)
    freed = held(desk, rows, 1, HoldReason.BLOCKED, OTHER)
    desk.chain.blocked_addresses.add(RECIPIENT.lower())

    found = [desk.sweep() for _ in range(6)]

    assert found == [[], [], freed] * 2  # and then from the first again


def test_who_waits_for_funds_is_not_overtaken_however_many_wait(desk: Desk, rows: Rows) -> None:
    desk.send(desk.request(99 * AMOUNT))
    first = desk.request(2 * AMOUNT)
    rows.login.run("UPDATE payouts SET state = 'HELD', hold_reason = 'funds' WHERE id = :first", first=first)
    held(desk, rows, MANY, HoldReason.FUNDS)  # what is left would do for the next of them

    assert [desk.sweep() for _ in range(3)] == [[], [], []]
    desk.chain.mint(rows.signer(), 10 * AMOUNT)
    assert desk.sweep()[0] == first


@pytest.mark.parametrize("reason", [HoldReason.BLOCKED, HoldReason.PAUSED])
def test_who_stepped_aside_while_held_takes_no_place_in_the_window(
    desk: Desk, rows: Rows, reason: HoldReason, later: Callable[[float], None]
) -> None:
    (poison,) = held(desk, rows, 1, reason)
    db.atomically(lambda tx: store.postpone(tx, poison, clock.now()))
    assert desk.sweep() == []

    later(301)
    assert desk.sweep() == [poison]


def test_a_window_names_a_treasury(rows: Rows) -> None:
    insert = "INSERT INTO hold_windows VALUES ('nobody', 'blocked', now(), gen_random_uuid())"

    assert rule_of(lambda: rows.login.run(insert)) == "hold_windows_treasury_fkey"
