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
from tests.fakes.payout_desk import Desk
from tests.fakes.payout_rows import AMOUNT, Rows

pytest_plugins = ["tests.fakes.payout_plugin"]


def pause_reason(sql: Connection) -> str | None:
    ((reason,),) = sql.execute_simple("SELECT pause_reason FROM treasuries WHERE name = 'member'").rows
    return reason and str(reason)


def mails(sql: Connection) -> list[str]:
    return [row[0] for row in sql.execute_simple("SELECT parameters ->> 'subject' FROM mails").rows]


def revert(desk: Desk, number: int) -> None:
    """So many payments, one after the other, as far as the machine signs."""
    for _ in range(number):
        payout = desk.request()
        desk.send(payout)
        desk.bury(payout)


def test_after_five_reverts_in_a_row_nothing_more_is_signed_and_people_are_woken(desk: Desk, sql: Connection) -> None:
    factories.member(role=Role.TREASURY)
    desk.chain.reverts_all = True
    revert(desk, 9)

    assert sql.execute_simple("SELECT count(*) FROM payout_attempts").rows == [[5]]
    assert pause_reason(sql) == "5 payments in a row have reverted"
    assert mails(sql) == ["The member treasury is paused: 5 payments in a row have reverted"]


def test_the_stop_does_not_wait_until_the_reverts_are_final(desk: Desk, sql: Connection) -> None:
    desk.chain.reverts_all = True
    sent = [desk.request(AMOUNT + number) for number in range(6)]
    for payout in sent[:5]:
        desk.send(payout)
    desk.chain.mine()
    desk.look(sent[0])

    assert pause_reason(sql)
    desk.send(sent[5])
    assert desk.row(sent[5]).hold_reason == "paused"


def test_a_payment_between_them_begins_the_count_anew(desk: Desk, sql: Connection) -> None:
    desk.chain.reverts_all = True
    revert(desk, 4)
    desk.chain.reverts_all = False
    revert(desk, 1)
    desk.chain.reverts_all = True
    revert(desk, 4)

    assert pause_reason(sql) is None


def test_how_many_is_a_setting(desk: Desk, sql: Connection) -> None:
    sql.execute_simple("UPDATE settings SET value = '2' WHERE name = 'payout_reverts_max'")
    settings.forget()
    desk.chain.reverts_all = True
    revert(desk, 3)

    assert sql.execute_simple("SELECT count(*) FROM payout_attempts").rows == [[2]]


def test_after_the_pause_the_next_revert_pauses_again_and_a_payment_does_not(desk: Desk, sql: Connection) -> None:
    desk.chain.reverts_all = True
    revert(desk, 5)
    for reverts in (True, False):
        db.atomically(lambda tx: machine.resume(tx, "member", clock.now()))
        desk.chain.reverts_all = reverts
        revert(desk, 1)
        assert (pause_reason(sql) is not None) == reverts


@pytest.mark.parametrize("halt", ["blocked", "paused"])
def test_a_treasury_that_the_token_stops_is_paused_before_anything_is_signed(
    desk: Desk, rows: Rows, sql: Connection, halt: str, later: Callable[[float], None]
) -> None:
    factories.member(role=Role.OWNER)
    desk.chain.blocked_addresses = {rows.signer().lower()} if halt == "blocked" else set()
    desk.chain.token_paused = halt == "paused"
    first, second = desk.request(), desk.request()
    desk.send(first)
    desk.send(second)

    assert sql.execute_simple("SELECT count(*) FROM payout_slots").rows == [[0]]
    assert {desk.row(it).hold_reason for it in (first, second)} == {"paused"}
    assert halt in str(pause_reason(sql))
    assert len(mails(sql)) == 1

    desk.chain.blocked_addresses.clear()
    desk.chain.token_paused = False
    db.atomically(lambda tx: machine.resume(tx, "member", clock.now()))
    later(60)
    for payout in desk.sweep():
        desk.send(payout)
    assert {desk.state(it) for it in (first, second)} == {"IN_FLIGHT"}


def test_resuming_while_the_token_stops_the_treasury_signs_nothing(desk: Desk, sql: Connection) -> None:
    desk.chain.token_paused = True
    payout = desk.request()
    desk.send(payout)
    db.atomically(lambda tx: machine.resume(tx, "member", clock.now()))
    desk.send(payout)

    assert pause_reason(sql)
    assert sql.execute_simple("SELECT count(*) FROM payout_attempts").rows == [[0]]


def test_nodes_that_do_not_say_whether_the_token_moves_have_nothing_signed(desk: Desk) -> None:
    payout = desk.request()
    desk.chain.unreachable = {"halted"}
    with pytest.raises(ChainUnreachable):
        desk.send(payout)
    assert desk.state(payout) == "REQUESTED"

    desk.chain.unreachable.clear()
    desk.send(payout)
    assert desk.state(payout) == "IN_FLIGHT"


def test_the_hour_counts_the_minute_that_it_begins_in(desk: Desk, sql: Connection) -> None:
    desk.send(desk.request())
    sql.execute_simple("UPDATE treasury_minutes SET minute = '2026-11-22T11:30:00Z'")
    seen = [datetime.fromisoformat(f"2026-11-22T12:{moment}+00:00") for moment in ("30:59", "31:00")]

    hour = [db.atomically(partial(queue.reserved_last_hour, treasury="member", now=at)) for at in seen]

    assert [amount.alone.micro for amount in hour] == [AMOUNT, 0]
