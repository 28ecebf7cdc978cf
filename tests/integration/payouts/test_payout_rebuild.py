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
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import AMOUNT, RECIPIENT, PayoutRows, rule_of
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


def paid(payout_driver: PayoutDriver) -> list[str]:
    return sorted(moved.recipient for moved in payout_driver.chain.transfers())


def test_what_was_paid_after_the_backup_is_found_and_not_paid_again(
    payout_driver: PayoutDriver, sql: Connection
) -> None:
    first, second = payout_driver.request(), payout_driver.request(recipient=OTHER)
    backup(sql)
    payout_driver.send(first)
    payout_driver.finalize(first)
    restore(sql)

    payout_driver.send(second)
    assert len(set(payout_driver.chain.sent)) == 1
    rebuild(payout_driver)
    assert payout_driver.state(first) == "PAID"
    go_on(sql)
    payout_driver.send(second)
    payout_driver.finalize(second)

    assert payout_driver.state(second) == "PAID"
    assert paid(payout_driver) == sorted([RECIPIENT.lower(), OTHER.lower()])
    assert balances(sql) == {"in_flight:member": 0, "paid:member": 2 * AMOUNT}


def balances(sql: Connection) -> dict[str, int]:
    rows = sql.execute_simple(
        "SELECT account, sum(balance)::bigint FROM ledger_balances WHERE account ~ '^(in_flight|paid):' GROUP BY 1"
    ).rows
    return {str(account): int(balance) for account, balance in rows}


def test_a_payment_of_the_lost_time_that_is_still_in_a_pool_is_waited_for(
    payout_driver: PayoutDriver, sql: Connection
) -> None:
    """Its nonce would be given to another payout: one of the two would be paid twice."""
    first, second = payout_driver.request(), payout_driver.request(recipient=OTHER)
    backup(sql)
    payout_driver.send(first)
    restore(sql)

    payout_driver.send(second)
    assert len(set(payout_driver.chain.sent)) == 1
    rebuild(payout_driver)
    assert payout_driver.state(first) == "PAID"  # its old signature won the nonce
    go_on(sql)
    payout_driver.send(second)
    payout_driver.finalize(second)

    assert paid(payout_driver) == sorted([RECIPIENT.lower(), OTHER.lower()])
    assert payout_driver.state(second) == "PAID"


def test_a_payment_of_the_lost_time_that_was_dropped_is_paid_once_afterwards(
    payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection
) -> None:
    payout = payout_driver.request()
    backup(sql)
    payout_driver.send(payout)
    lost = dict(payout_driver.chain.pool)
    payout_driver.chain.forget_pending()
    restore(sql)
    payout_driver.send(payout)
    rebuild(payout_driver)
    go_on(sql)
    payout_driver.send(payout)
    payout_driver.chain.pool.update(
        {key: sent for key, sent in lost.items() if key not in payout_driver.chain.pool}
    )  # somebody had it
    payout_driver.finalize(payout)

    assert paid(payout_driver) == [RECIPIENT.lower()]
    assert payout_driver.state(payout) == "PAID"
    burned = "SELECT count(*) FROM payout_slots WHERE state = 'FINAL_NOOP' AND signer = $1"
    assert sql.execute_unnamed(burned, (rows.signer(),)).rows == [[BURNED]]


def test_a_replacement_that_the_lost_rows_had_is_its_payouts_payment(
    payout_driver: PayoutDriver, sql: Connection, advance_clock: Callable[[float], None]
) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    backup(sql)
    advance_clock(61)
    payout_driver.send(payout)
    assert len(set(payout_driver.chain.sent)) == 2
    payout_driver.chain.mine(12)
    restore(sql)
    payout_driver.send(payout)
    rebuild(payout_driver)

    assert payout_driver.state(payout) == "PAID"
    assert paid(payout_driver) == [RECIPIENT.lower()]
    go_on(sql)


def test_two_payouts_of_the_same_terms_wait_for_people_and_no_third_is_signed(
    payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection
) -> None:
    first, second = pay_one_of_two_alike(payout_driver, sql)
    go_on(sql)
    for payout in (first, second):
        payout_driver.send(payout)

    assert len(paid(payout_driver)) == 1
    assert {payout_driver.row(payout).hold_reason for payout in (first, second)} == {"review"}
    assert sql.execute_simple("SELECT count(*) FROM payout_slots WHERE state = 'FOREIGN'").rows == [[1]]
    people = [factories.member(role=Role.TREASURY).id for _ in range(2)]
    say(first, rows.signer(), people)
    payout_driver.sweep()
    assert payout_driver.state(first) == "PAID"
    release(second, people)
    db.atomically(lambda tx: machine.resume(tx, "member", clock.now()))
    payout_driver.send(second)
    payout_driver.finalize(second)

    assert len(paid(payout_driver)) == 2
    assert payout_driver.state(second) == "PAID"


def test_people_may_explain_a_payment_by_a_payout_that_no_policy_has_judged_yet(
    payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection
) -> None:
    """As after a restore: what was paid is asked for anew, while its treasury is paused."""
    first, second = pay_one_of_two_alike(payout_driver, sql)
    assert {payout_driver.state(first), payout_driver.state(second)} == {"REQUESTED"}
    people = [factories.member(role=Role.TREASURY).id for _ in range(2)]

    say(first, rows.signer(), people)
    payout_driver.sweep()

    assert payout_driver.state(first) == "PAID"
    with pytest.raises(machine.NotWaiting):
        say(second, rows.signer(), people)
    assert payout_driver.state(second) == "REQUESTED"
    assert len(paid(payout_driver)) == 1


def say(payout: UUID, signer: str, people: list[UUID]) -> None:
    """Each says that nonce 0 was the payout's payment."""
    for person in people:
        explain = partial(explanations.explain, signer=signer, nonce=0, payout_id=payout, person_id=person)
        db.atomically(partial(explain, why="the amounts are alike", now=clock.now()))


def test_the_schema_lets_nobody_sign_during_a_rebuild_or_in_another_database(
    payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection
) -> None:
    assert payout_driver.chain
    waiting = rows.payout("IN_FLIGHT")
    sql.execute_simple("UPDATE signers SET rebuild_asked_at = now(), rebuild_reason = 'test'")
    assert rule_of(lambda: rows.sign(waiting)) == "R8_rebuild"
    sql.execute_simple("UPDATE signers SET rebuild_asked_at = NULL, rebuild_reason = NULL, lineage = 'another'")

    assert rule_of(lambda: rows.sign(waiting)) == "R8_lineage"


def test_no_more_nonces_are_open_than_a_rebuild_burns(
    payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection
) -> None:
    assert payout_driver.chain
    for _ in range(BURNED):
        rows.payout("IN_FLIGHT")

    assert rule_of(lambda: rows.payout("IN_FLIGHT") and None) == "R8_in_flight"
    assert sql.execute_simple("SELECT count(*) FROM payout_slots").rows == [[BURNED]]


def test_when_more_nonces_are_open_than_may_be_a_payout_waits_and_nobody_is_woken(
    payout_driver: PayoutDriver, sql: Connection, logged: io.StringIO
) -> None:
    """As after somebody has lowered the setting, or has explained an old nonce."""
    for _ in range(BURNED):
        payout_driver.send(payout_driver.request())
    sql.execute_simple("UPDATE settings SET value = '2' WHERE name = 'payout_in_flight_max'")
    settings.forget()
    waiting = payout_driver.request()

    with pytest.raises(ComeAgain, match="as many nonces are open as may be"):
        payout_driver.send(waiting)

    assert payout_driver.state(waiting) == "RESERVED"
    assert '"ERROR"' not in logged.getvalue()


def test_an_absurd_count_of_one_moment_burns_no_nonces_up_to_it(
    payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql.execute_simple("UPDATE signers SET rebuild_asked_at = now(), rebuild_reason = 'test' WHERE treasury = 'member'")
    with monkeypatch.context() as lies:
        lies.setattr(payout_driver.chain, "used_nonces", lambda _: 10**9)
        payout_recover.advance(clock.now())
    allocated = sql.execute_simple("SELECT count(*) FROM payout_slots").rows[0][0]
    assert int(str(allocated)) <= 500
    rebuild(payout_driver)
    for _ in range(int(str(allocated)) // BURNED + 5):
        payout_recover.advance(clock.now())
        payout_driver.chain.mine(12)
        payout_driver.sweep()

    assert sql.execute_unnamed("SELECT rebuild_asked_at FROM signers WHERE address = $1", (rows.signer(),)).rows == [
        [None]
    ]


def test_a_rebuild_that_is_killed_anywhere_goes_on(payout_driver: PayoutDriver, sql: Connection) -> None:
    from tests.fakes.crashes import killed_after

    payout, other = payout_driver.request(), payout_driver.request(recipient=OTHER)
    backup(sql)
    payout_driver.send(payout)
    payout_driver.finalize(payout)
    restore(sql)
    payout_driver.send(other)
    for transactions in range(1, 16):
        with killed_after(transactions):
            payout_recover.advance(clock.now())
        sql.execute_simple("UPDATE signers SET held_until = NULL")
        payout_driver.chain.mine(3)
    rebuild(payout_driver)
    go_on(sql)
    payout_driver.send(other)
    payout_driver.finalize(other)

    assert paid(payout_driver) == sorted([RECIPIENT.lower(), OTHER.lower()])
    assert (payout_driver.state(payout), payout_driver.state(other)) == ("PAID", "PAID")
