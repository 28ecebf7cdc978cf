"""After a restore nothing is signed until the chain has told what the lost rows had paid: nobody is paid twice (R8)."""

import io
from collections.abc import Callable
from functools import partial
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from functions.payout_recover import main as payout_recover
from shared import clock, db, settings
from shared.auth import Role
from shared.job import ComeAgain
from shared.payouts import explanations, machine
from tests import factories
from tests.fakes.payout_desk import Desk
from tests.fakes.payout_rows import AMOUNT, RECIPIENT, Rows, rule_of
from tests.fakes.rebuilding import pay_one_of_two_alike, rebuild
from tests.fakes.restore import backup, restore
from tests.fakes.treasury_rows import release

pytest_plugins = ["tests.fakes.payout_plugin"]

BURNED = 4
OTHER = "0x" + "Cd" * 20


@pytest.fixture(autouse=True)
def _few_nonces(sql: Connection) -> None:
    """So that a rebuild burns few."""
    sql.execute_simple(f"UPDATE settings SET value = '{BURNED}' WHERE name = 'payout_in_flight_max'")
    settings.forget()


def go_on(sql: Connection) -> None:
    assert sql.execute_simple("SELECT count(*) FROM signers WHERE rebuild_asked_at IS NOT NULL").rows == [[0]]
    assert db.atomically(lambda tx: machine.resume(tx, "member", clock.now()))


def paid(desk: Desk) -> list[str]:
    return sorted(moved.recipient for moved in desk.chain.transfers())


def test_what_was_paid_after_the_backup_is_found_and_not_paid_again(desk: Desk, sql: Connection) -> None:
    first, second = desk.request(), desk.request(recipient=OTHER)
    backup(sql)
    desk.send(first)
    desk.bury(first)
    restore(sql)

    desk.send(second)
    assert len(set(desk.chain.sent)) == 1
    rebuild(desk)
    assert desk.state(first) == "PAID"
    go_on(sql)
    desk.send(second)
    desk.bury(second)

    assert desk.state(second) == "PAID"
    assert paid(desk) == sorted([RECIPIENT.lower(), OTHER.lower()])
    assert balances(sql) == {"in_flight:member": 0, "paid:member": 2 * AMOUNT}


def balances(sql: Connection) -> dict[str, int]:
    rows = sql.execute_simple(
        "SELECT account, sum(balance)::bigint FROM ledger_balances WHERE account ~ '^(in_flight|paid):' GROUP BY 1"
    ).rows
    return {str(account): int(balance) for account, balance in rows}


def test_a_payment_of_the_lost_time_that_is_still_in_a_pool_is_waited_for(desk: Desk, sql: Connection) -> None:
    """Its nonce would be given to another payout: one of the two would be paid twice."""
    first, second = desk.request(), desk.request(recipient=OTHER)
    backup(sql)
    desk.send(first)
    restore(sql)

    desk.send(second)
    assert len(set(desk.chain.sent)) == 1
    rebuild(desk)
    assert desk.state(first) == "PAID"  # its old signature won the nonce
    go_on(sql)
    desk.send(second)
    desk.bury(second)

    assert paid(desk) == sorted([RECIPIENT.lower(), OTHER.lower()])
    assert desk.state(second) == "PAID"


def test_a_payment_of_the_lost_time_that_was_dropped_is_paid_once_afterwards(
    desk: Desk, rows: Rows, sql: Connection
) -> None:
    payout = desk.request()
    backup(sql)
    desk.send(payout)
    lost = dict(desk.chain.pool)
    desk.chain.forget_pending()
    restore(sql)
    desk.send(payout)
    rebuild(desk)
    go_on(sql)
    desk.send(payout)
    desk.chain.pool.update({key: sent for key, sent in lost.items() if key not in desk.chain.pool})  # somebody had it
    desk.bury(payout)

    assert paid(desk) == [RECIPIENT.lower()]
    assert desk.state(payout) == "PAID"
    burned = "SELECT count(*) FROM payout_slots WHERE state = 'FINAL_NOOP' AND signer = $1"
    assert sql.execute_unnamed(burned, (rows.signer(),)).rows == [[BURNED]]


def test_a_replacement_that_the_lost_rows_had_is_its_payouts_payment(
    desk: Desk, sql: Connection, later: Callable[[float], None]
) -> None:
    payout = desk.request()
    desk.send(payout)
    backup(sql)
    later(61)
    desk.send(payout)
    assert len(set(desk.chain.sent)) == 2
    desk.chain.mine(12)
    restore(sql)
    desk.send(payout)
    rebuild(desk)

    assert desk.state(payout) == "PAID"
    assert paid(desk) == [RECIPIENT.lower()]
    go_on(sql)


def test_two_payouts_of_the_same_terms_wait_for_people_and_no_third_is_signed(
    desk: Desk, rows: Rows, sql: Connection
) -> None:
    first, second = pay_one_of_two_alike(desk, sql)
    go_on(sql)
    for payout in (first, second):
        desk.send(payout)

    assert len(paid(desk)) == 1
    assert {desk.row(payout).hold_reason for payout in (first, second)} == {"review"}
    assert sql.execute_simple("SELECT count(*) FROM payout_slots WHERE state = 'FOREIGN'").rows == [[1]]
    people = [factories.member(role=Role.TREASURY).id for _ in range(2)]
    say(first, rows.signer(), people)
    desk.sweep()
    assert desk.state(first) == "PAID"
    release(second, people)
    db.atomically(lambda tx: machine.resume(tx, "member", clock.now()))
    desk.send(second)
    desk.bury(second)

    assert len(paid(desk)) == 2
    assert desk.state(second) == "PAID"


def test_people_may_explain_a_payment_by_a_payout_that_no_policy_has_judged_yet(
    desk: Desk, rows: Rows, sql: Connection
) -> None:
    """As after a restore: what was paid is asked for anew, while its treasury is paused."""
    first, second = pay_one_of_two_alike(desk, sql)
    assert {desk.state(first), desk.state(second)} == {"REQUESTED"}
    people = [factories.member(role=Role.TREASURY).id for _ in range(2)]

    say(first, rows.signer(), people)
    desk.sweep()

    assert desk.state(first) == "PAID"
    with pytest.raises(machine.NotWaiting):
        say(second, rows.signer(), people)
    assert desk.state(second) == "REQUESTED"
    assert len(paid(desk)) == 1


def say(payout: UUID, signer: str, people: list[UUID]) -> None:
    """Each says that nonce 0 was the payout's payment."""
    for person in people:
        explain = partial(explanations.explain, signer=signer, nonce=0, payout_id=payout, person_id=person)
        db.atomically(partial(explain, why="the amounts are alike", now=clock.now()))


def test_the_schema_lets_nobody_sign_during_a_rebuild_or_in_another_database(
    desk: Desk, rows: Rows, sql: Connection
) -> None:
    assert desk.chain
    waiting = rows.payout("IN_FLIGHT")
    sql.execute_simple("UPDATE signers SET rebuild_asked_at = now(), rebuild_reason = 'test'")
    assert rule_of(lambda: rows.sign(waiting)) == "R8_rebuild"
    sql.execute_simple("UPDATE signers SET rebuild_asked_at = NULL, rebuild_reason = NULL, lineage = 'another'")

    assert rule_of(lambda: rows.sign(waiting)) == "R8_lineage"


def test_no_more_nonces_are_open_than_a_rebuild_burns(desk: Desk, rows: Rows, sql: Connection) -> None:
    assert desk.chain
    for _ in range(BURNED):
        rows.payout("IN_FLIGHT")

    assert rule_of(lambda: rows.payout("IN_FLIGHT") and None) == "R8_in_flight"
    assert sql.execute_simple("SELECT count(*) FROM payout_slots").rows == [[BURNED]]


def test_when_more_nonces_are_open_than_may_be_a_payout_waits_and_nobody_is_woken(
    desk: Desk, sql: Connection, logged: io.StringIO
) -> None:
    """As after somebody has lowered the setting, or has explained an old nonce."""
    for _ in range(BURNED):
        desk.send(desk.request())
    sql.execute_simple("UPDATE settings SET value = '2' WHERE name = 'payout_in_flight_max'")
    settings.forget()
    waiting = desk.request()

    with pytest.raises(ComeAgain, match="as many nonces are open as may be"):
        desk.send(waiting)

    assert desk.state(waiting) == "RESERVED"
    assert '"ERROR"' not in logged.getvalue()


def test_an_absurd_count_of_one_moment_burns_no_nonces_up_to_it(
    desk: Desk, rows: Rows, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql.execute_simple("UPDATE signers SET rebuild_asked_at = now(), rebuild_reason = 'test' WHERE treasury = 'member'")
    with monkeypatch.context() as lies:
        lies.setattr(desk.chain, "used_nonces", lambda _: 10**9)
        payout_recover.advance(clock.now())
    allocated = sql.execute_simple("SELECT count(*) FROM payout_slots").rows[0][0]
    assert int(str(allocated)) <= 500
    rebuild(desk)
    for _ in range(int(str(allocated)) // BURNED + 5):
        payout_recover.advance(clock.now())
        desk.chain.mine(12)
        desk.sweep()

    assert sql.execute_unnamed("SELECT rebuild_asked_at FROM signers WHERE address = $1", (rows.signer(),)).rows == [
        [None]
    ]


def test_a_rebuild_that_is_killed_anywhere_goes_on(desk: Desk, sql: Connection) -> None:
    from tests.fakes.crashes import killed_after

    payout, other = desk.request(), desk.request(recipient=OTHER)
    backup(sql)
    desk.send(payout)
    desk.bury(payout)
    restore(sql)
    desk.send(other)
    for transactions in range(1, 16):
        with killed_after(transactions):
            payout_recover.advance(clock.now())
        sql.execute_simple("UPDATE signers SET held_until = NULL")
        desk.chain.mine(3)
    rebuild(desk)
    go_on(sql)
    desk.send(other)
    desk.bury(other)

    assert paid(desk) == sorted([RECIPIENT.lower(), OTHER.lower()])
    assert (desk.state(payout), desk.state(other)) == ("PAID", "PAID")
