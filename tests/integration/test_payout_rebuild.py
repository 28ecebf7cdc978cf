"""After a restore nothing is signed until the chain has told what the lost rows had paid: nobody is paid twice (R8)."""

from collections.abc import Callable
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from functions.payout_recover import main as payout_recover
from shared import clock, db, payout_recovery, payouts, settings
from shared.auth import Role
from shared.job import ComeAgain
from tests import factories
from tests.fakes.payout_desk import Desk
from tests.fakes.payout_rows import AMOUNT, RECIPIENT, Rows, rule_of
from tests.fakes.restore import backup, restore

pytest_plugins = ["tests.fakes.payout_plugin"]

BURNED = 4
OTHER = "0x" + "Cd" * 20
ROUNDS = 4


@pytest.fixture(autouse=True)
def _few_nonces(sql: Connection) -> None:
    """So that a rebuild burns few."""
    sql.execute_simple(f"UPDATE settings SET value = '{BURNED}' WHERE name = 'payout_in_flight_max'")
    settings.forget()


def rebuild(desk: Desk) -> None:
    """The schedule of each minute, with the chain going on and the key being followed."""
    for _ in range(ROUNDS):
        payout_recover.go_on(clock.now())
        desk.chain.mine(12)
        desk.sweep()


def go_on(sql: Connection) -> None:
    assert sql.execute_simple("SELECT count(*) FROM signers WHERE rebuild_asked_at IS NOT NULL").rows == [[0]]
    assert db.atomically(lambda tx: payouts.resume(tx, "member", clock.now()))


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


def one_of_two_alike_was_paid(desk: Desk, sql: Connection) -> tuple[UUID, UUID]:
    """After the backup; which one it was the chain does not tell."""
    first, second = desk.request(), desk.request()
    backup(sql)
    desk.send(first)
    desk.bury(first)
    restore(sql)
    desk.send(second)
    rebuild(desk)
    return first, second


def test_two_payouts_of_the_same_terms_wait_for_people_and_no_third_is_signed(
    desk: Desk, rows: Rows, sql: Connection
) -> None:
    first, second = one_of_two_alike_was_paid(desk, sql)
    go_on(sql)
    for payout in (first, second):
        desk.send(payout)

    assert len(paid(desk)) == 1
    assert {desk.row(payout).hold_reason for payout in (first, second)} == {"review"}
    assert sql.execute_simple("SELECT count(*) FROM payout_slots WHERE state = 'FOREIGN'").rows == [[1]]
    people = [factories.member(role=Role.TREASURY).id for _ in range(2)]
    explain(first, rows.signer(), people)
    desk.sweep()
    assert desk.state(first) == "PAID"
    let_go(second, people)
    db.atomically(lambda tx: payouts.resume(tx, "member", clock.now()))
    desk.send(second)
    desk.bury(second)

    assert len(paid(desk)) == 2
    assert desk.state(second) == "PAID"


def test_people_may_explain_a_payment_by_a_payout_that_no_policy_has_judged_yet(
    desk: Desk, rows: Rows, sql: Connection
) -> None:
    """As after a restore: what was paid is asked for anew, while its treasury is paused."""
    first, second = one_of_two_alike_was_paid(desk, sql)
    assert {desk.state(first), desk.state(second)} == {"REQUESTED"}
    people = [factories.member(role=Role.TREASURY).id for _ in range(2)]

    db.atomically(lambda tx: payout_recovery.explain(tx, rows.signer(), 0, first, people, clock.now()))
    desk.sweep()

    assert desk.state(first) == "PAID"
    with pytest.raises(payouts.NotWaiting):
        db.atomically(lambda tx: payout_recovery.explain(tx, rows.signer(), 0, second, people, clock.now()))
    assert desk.state(second) == "REQUESTED"
    assert len(paid(desk)) == 1


def let_go(payout: UUID, people: list[UUID]) -> None:
    for person in people:
        db.atomically(lambda tx, person=person: payouts.approve(tx, payout, person, {}, clock.now()))  # type: ignore[misc]
    db.atomically(lambda tx: payouts.release(tx, payout, clock.now()))


def explain(payout: UUID, signer: str, people: list[UUID]) -> None:
    for person in people:
        db.atomically(lambda tx, person=person: payouts.approve(tx, payout, person, {}, clock.now()))  # type: ignore[misc]
    db.atomically(lambda tx: payouts.pause(tx, "member", "an open question", clock.now()))
    db.atomically(lambda tx: payout_recovery.explain(tx, signer, 0, payout, people, clock.now()))


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
    desk: Desk, sql: Connection, capsys: pytest.CaptureFixture[str]
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
    assert '"ERROR"' not in capsys.readouterr().out


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
            payout_recover.go_on(clock.now())
        sql.execute_simple("UPDATE signers SET held_until = NULL")
        desk.chain.mine(3)
    rebuild(desk)
    go_on(sql)
    desk.send(other)
    desk.bury(other)

    assert paid(desk) == sorted([RECIPIENT.lower(), OTHER.lower()])
    assert (desk.state(payout), desk.state(other)) == ("PAID", "PAID")
