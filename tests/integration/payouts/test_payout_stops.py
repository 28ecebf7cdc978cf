"""A treasury whose payments would all revert, or whose last ones have, is paused, and people are woken."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

import pytest
from pg8000.dbapi import Connection

from shared import clock, db, settings
from shared.auth import Role
from shared.payouts import machine, queue
from shared.ports.polygon.failures import ChainUnreachable
from tests import factories
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import AMOUNT, PayoutRows

pytest_plugins = ["tests.fakes.payout_plugin"]


def pause_reason(sql: Connection) -> str | None:
    ((reason,),) = sql.execute_simple("SELECT pause_reason FROM treasuries WHERE name = 'member'").rows
    return reason and str(reason)


def mails(sql: Connection) -> list[str]:
    return [row[0] for row in sql.execute_simple("SELECT parameters ->> 'subject' FROM mails").rows]


def revert(payout_driver: PayoutDriver, number: int) -> None:
    """Send this many payments one after the other, as far as the machine signs."""
    for _ in range(number):
        payout = payout_driver.request()
        payout_driver.send(payout)
        payout_driver.finalize(payout)


def test_after_five_reverts_in_a_row_nothing_more_is_signed_and_people_are_woken(
    payout_driver: PayoutDriver, sql: Connection
) -> None:
    factories.member(role=Role.TREASURY)
    payout_driver.chain.reverts_all = True
    revert(payout_driver, 9)

    assert sql.execute_simple("SELECT count(*) FROM payout_attempts").rows == [[5]]
    assert pause_reason(sql) == "5 payments in a row have reverted"
    assert mails(sql) == ["The member treasury is paused: 5 payments in a row have reverted"]


def test_the_stop_does_not_wait_until_the_reverts_are_final(payout_driver: PayoutDriver, sql: Connection) -> None:
    payout_driver.chain.reverts_all = True
    sent = [payout_driver.request(AMOUNT + number) for number in range(6)]
    for payout in sent[:5]:
        payout_driver.send(payout)
    payout_driver.chain.mine()
    payout_driver.confirm(sent[0])

    assert pause_reason(sql)
    payout_driver.send(sent[5])
    assert payout_driver.row(sent[5]).hold_reason == "paused"


def test_a_payment_between_them_begins_the_count_anew(payout_driver: PayoutDriver, sql: Connection) -> None:
    payout_driver.chain.reverts_all = True
    revert(payout_driver, 4)
    payout_driver.chain.reverts_all = False
    revert(payout_driver, 1)
    payout_driver.chain.reverts_all = True
    revert(payout_driver, 4)

    assert pause_reason(sql) is None


def test_payments_that_arrived_before_them_do_not_count(payout_driver: PayoutDriver, sql: Connection) -> None:
    revert(payout_driver, 2)
    payout_driver.chain.reverts_all = True
    revert(payout_driver, 5)

    assert pause_reason(sql) == "5 payments in a row have reverted"


def test_how_many_is_a_setting(payout_driver: PayoutDriver, sql: Connection) -> None:
    sql.execute_simple("UPDATE settings SET value = '2' WHERE name = 'payout_reverts_max'")
    settings.forget()
    payout_driver.chain.reverts_all = True
    revert(payout_driver, 3)

    assert sql.execute_simple("SELECT count(*) FROM payout_attempts").rows == [[2]]


def test_after_the_pause_the_next_revert_pauses_again_and_a_payment_does_not(
    payout_driver: PayoutDriver, sql: Connection
) -> None:
    payout_driver.chain.reverts_all = True
    revert(payout_driver, 5)
    for reverts in (True, False):
        db.atomically(lambda tx: machine.resume(tx, "member", clock.now()))
        payout_driver.chain.reverts_all = reverts
        revert(payout_driver, 1)
        assert (pause_reason(sql) is not None) == reverts


@pytest.mark.parametrize("halt", ["blocked", "paused"])
def test_a_treasury_that_the_token_stops_is_paused_before_anything_is_signed(
    payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection, halt: str, advance_clock: Callable[[float], None]
) -> None:
    factories.member(role=Role.OWNER)
    payout_driver.chain.blocked_addresses = {rows.signer().lower()} if halt == "blocked" else set()
    payout_driver.chain.token_paused = halt == "paused"
    first, second = payout_driver.request(), payout_driver.request()
    payout_driver.send(first)
    payout_driver.send(second)

    assert sql.execute_simple("SELECT count(*) FROM payout_slots").rows == [[0]]
    assert {payout_driver.row(it).hold_reason for it in (first, second)} == {"paused"}
    assert halt in str(pause_reason(sql))
    assert len(mails(sql)) == 1

    payout_driver.chain.blocked_addresses.clear()
    payout_driver.chain.token_paused = False
    db.atomically(lambda tx: machine.resume(tx, "member", clock.now()))
    advance_clock(60)
    for payout in payout_driver.sweep():
        payout_driver.send(payout)
    assert {payout_driver.state(it) for it in (first, second)} == {"IN_FLIGHT"}


def test_resuming_while_the_token_stops_the_treasury_signs_nothing(
    payout_driver: PayoutDriver, sql: Connection
) -> None:
    payout_driver.chain.token_paused = True
    payout = payout_driver.request()
    payout_driver.send(payout)
    db.atomically(lambda tx: machine.resume(tx, "member", clock.now()))
    payout_driver.send(payout)

    assert pause_reason(sql)
    assert sql.execute_simple("SELECT count(*) FROM payout_attempts").rows == [[0]]


def test_nodes_that_do_not_say_whether_the_token_moves_have_nothing_signed(payout_driver: PayoutDriver) -> None:
    payout = payout_driver.request()
    payout_driver.chain.unreachable = {"halted"}
    with pytest.raises(ChainUnreachable):
        payout_driver.send(payout)
    assert payout_driver.state(payout) == "REQUESTED"

    payout_driver.chain.unreachable.clear()
    payout_driver.send(payout)
    assert payout_driver.state(payout) == "IN_FLIGHT"


def test_the_hour_counts_the_minute_that_it_begins_in(payout_driver: PayoutDriver, sql: Connection) -> None:
    payout_driver.send(payout_driver.request())
    sql.execute_simple("UPDATE treasury_minutes SET minute = '2026-11-22T11:30:00Z'")
    seen = [datetime.fromisoformat(f"2026-11-22T12:{moment}+00:00") for moment in ("30:59", "31:00")]

    hour = [db.atomically(partial(queue.reserved_last_hour, treasury="member", now=at)) for at in seen]

    assert [amount.alone.micro for amount in hour] == [AMOUNT, 0]
