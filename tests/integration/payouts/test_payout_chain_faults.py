"""Whatever the chain does or fails to say, a payout ends as what the chain holds: paid once, or not at all."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from shared import clock, db
from shared.auth import Role
from shared.job import ComeAgain
from shared.ports.polygon.failures import ChainUnreachable, WrongChain
from tests import factories
from tests.fakes.chain import Loss
from tests.fakes.payout_desk import BLOCKS_TO_FINAL, Desk
from tests.fakes.payout_rows import AMOUNT, RECIPIENT, Rows

pytest_plugins = ["tests.fakes.payout_plugin"]

QUESTIONS_OF_SEND = ("require", "used_nonces", "blocked", "fees", "token_balance", "gas_balance", "heads")
QUESTIONS_OF_CONFIRM = ("observe", "heads")


def assert_paid_once(desk: Desk, payout: UUID, sql: Connection) -> None:
    """On the chain, in the rows and in the ledger."""
    moved = [(found.recipient, found.amount_micro) for found in desk.chain.transfers()]
    assert moved == [(RECIPIENT.lower(), AMOUNT)]
    assert desk.state(payout) == "PAID"
    assert balance(sql, "paid") == AMOUNT
    assert balance(sql, "in_flight") == 0
    assert sql.execute_simple("SELECT count(*) FROM payout_slots WHERE state = 'FINAL_PAY'").rows == [[1]]


def balance(sql: Connection, account: str) -> int:
    found = f"SELECT coalesce(sum(balance), 0) FROM ledger_balances WHERE account = '{account}:member'"
    return int(sql.execute_simple(found).rows[0][0])


def test_a_payout_is_paid(desk: Desk, sql: Connection) -> None:
    payout = desk.request()
    desk.send(payout)
    desk.bury(payout)

    assert_paid_once(desk, payout, sql)


@pytest.mark.parametrize("loss", [Loss(taken=True), Loss(taken=False)], ids=["taken", "not taken"])
def test_an_answer_that_was_lost_does_not_pay_twice_and_does_not_fail(desk: Desk, sql: Connection, loss: Loss) -> None:
    payout = desk.request()
    desk.chain.losses.extend([loss, loss])
    for _ in range(4):
        desk.send(payout)
    desk.bury(payout)

    assert len(set(desk.chain.sent)) == 1  # the same signature each time
    assert_paid_once(desk, payout, sql)


def test_sending_again_after_the_payment_was_mined_changes_nothing(desk: Desk, sql: Connection) -> None:
    payout = desk.request()
    desk.send(payout)
    desk.chain.mine()
    desk.send(payout)  # "nonce too low": ours
    desk.bury(payout)
    desk.send(payout)

    assert_paid_once(desk, payout, sql)


def test_a_pool_that_forgets_is_reminded(desk: Desk, sql: Connection) -> None:
    payout = desk.request()
    desk.send(payout)
    desk.chain.forget_pending()
    desk.chain.mine(BLOCKS_TO_FINAL)
    assert not desk.look(payout)
    desk.send(payout)
    desk.bury(payout)

    assert_paid_once(desk, payout, sql)


def test_whatever_is_not_answered_while_sending_is_asked_again(desk: Desk, sql: Connection) -> None:
    payout = desk.request()
    for question in QUESTIONS_OF_SEND:
        desk.chain.unreachable = {question}
        with suppress(ChainUnreachable):
            desk.send(payout)
        desk.chain.unreachable = set()
    desk.send(payout)
    desk.bury(payout)

    assert_paid_once(desk, payout, sql)
    assert sql.execute_simple("SELECT count(*) FROM payout_attempts").rows == [[1]]


def test_whatever_is_not_answered_while_confirming_proves_nothing(desk: Desk, sql: Connection) -> None:
    payout = desk.request()
    desk.send(payout)
    desk.chain.mine(BLOCKS_TO_FINAL + 1)
    for question in QUESTIONS_OF_CONFIRM:
        desk.chain.unreachable = {question}
        assert not desk.look(payout), question
        assert desk.state(payout) == "IN_FLIGHT"
    desk.chain.unreachable = set()
    desk.bury(payout)

    assert_paid_once(desk, payout, sql)


def test_a_receipt_that_no_node_gives_leaves_the_payment_out(desk: Desk, sql: Connection) -> None:
    payout = desk.request()
    desk.send(payout)
    desk.chain.hidden = set(desk.chain.sent)
    desk.chain.mine(100)
    for _ in range(3):
        assert not desk.look(payout)
        desk.send(payout)
    assert desk.state(payout) == "IN_FLIGHT"
    desk.chain.hidden = set()
    desk.bury(payout)

    assert_paid_once(desk, payout, sql)


def test_a_payment_is_final_when_it_is_finalized_and_ten_deep(desk: Desk, sql: Connection) -> None:
    payout = desk.request()
    desk.send(payout)
    desk.chain.mine()
    desk.chain.finalized = 0
    desk.chain.mine(200)
    assert not desk.look(payout)  # deep, and not finalized: milestones have stalled for a quarter of an hour
    desk.chain.finalized = 204
    assert desk.look(payout)

    assert_paid_once(desk, payout, sql)


def test_finalized_alone_is_not_deep_enough(desk: Desk) -> None:
    payout = desk.request()
    desk.send(payout)
    desk.chain.mine(BLOCKS_TO_FINAL)
    desk.chain.finalized = 1000

    assert not desk.look(payout)
    desk.chain.mine()
    assert desk.look(payout)


@pytest.mark.parametrize("depth", [1, 3, 9])
def test_a_payment_that_a_reorganisation_takes_away_is_sent_again(desk: Desk, sql: Connection, depth: int) -> None:
    payout = desk.request()
    desk.send(payout)
    desk.chain.mine(depth)
    desk.chain.finalized = 1
    assert not desk.look(payout)
    assert sql.execute_simple("SELECT state FROM payout_slots").rows == [["MINED"]]

    desk.chain.reorganise(depth)
    assert not desk.look(payout)
    assert sql.execute_simple("SELECT state FROM payout_slots").rows == [["LIVE"]]
    desk.chain.finalized = None
    desk.send(payout)
    desk.bury(payout)

    assert_paid_once(desk, payout, sql)
    assert len(set(desk.chain.sent)) == 1


def test_on_the_wrong_chain_nothing_is_signed(desk: Desk, sql: Connection) -> None:
    payout = desk.request()
    desk.chain.chain_id = 80_002

    with pytest.raises(WrongChain):
        desk.send(payout)

    assert sql.execute_simple("SELECT count(*) FROM payout_attempts").rows == [[0]]


def test_a_recipient_who_is_blocked_meanwhile_gets_nothing_and_the_money_stays_aside(
    desk: Desk, sql: Connection
) -> None:
    payout = desk.request()
    desk.send(payout)
    desk.chain.blocked_addresses.add(RECIPIENT.lower())
    desk.bury(payout)

    assert desk.chain.transfers() == []
    assert (desk.state(payout), desk.row(payout).hold_reason) == ("HELD", "reverted")
    assert (balance(sql, "in_flight"), balance(sql, "paid")) == (AMOUNT, 0)


def test_a_recipient_who_is_blocked_before_anything_is_signed_is_held(desk: Desk, sql: Connection) -> None:
    payout = desk.request()
    desk.chain.blocked_addresses.add(RECIPIENT.lower())
    desk.send(payout)

    assert (desk.state(payout), desk.row(payout).hold_reason) == ("HELD", "blocked")
    assert sql.execute_simple("SELECT count(*) FROM payout_slots").rows == [[0]]


def test_a_recipient_who_is_blocked_while_a_payout_waits_is_seen_before_it_is_signed(
    desk: Desk, sql: Connection
) -> None:
    payout = desk.request()
    desk.chain.unreachable = {"token_balance"}  # it stops after the policy
    with suppress(ChainUnreachable):
        desk.send(payout)
    desk.chain.unreachable = set()
    desk.chain.blocked_addresses.add(RECIPIENT.lower())
    desk.send(payout)

    assert sql.execute_simple("SELECT count(*) FROM payout_attempts").rows == [[0]]


def test_a_treasury_that_cannot_pay_holds_the_payout_and_uses_no_nonce(desk: Desk, sql: Connection) -> None:
    payout = desk.request(101 * AMOUNT)
    desk.send(payout)

    assert (desk.state(payout), desk.row(payout).hold_reason) == ("HELD", "funds")
    assert sql.execute_simple("SELECT sum(next_nonce) FROM signers").rows == [[0]]
    assert balance(sql, "in_flight") == 0


def test_promises_that_are_out_are_not_paid_from_the_same_money(desk: Desk) -> None:
    first, second = desk.request(60 * AMOUNT), desk.request(60 * AMOUNT)
    desk.send(first)
    with suppress(ComeAgain):
        desk.send(second)

    assert desk.state(first) == "IN_FLIGHT"
    assert desk.state(second) in ("APPROVED", "HELD")


def test_what_has_left_the_treasury_is_not_counted_a_second_time(desk: Desk) -> None:
    """The first payment is finalized on the chain while its row still waits to be ten blocks deep."""
    first, second = desk.request(50 * AMOUNT), desk.request(50 * AMOUNT)
    desk.send(first)
    desk.chain.mine(5)
    desk.look(first)
    with suppress(Exception):
        desk.send(second)
    desk.bury(first)
    desk.send(second)
    desk.bury(second)

    assert (desk.state(first), desk.state(second)) == ("PAID", "PAID")


def test_money_that_is_set_aside_already_is_enough_to_send_a_reverted_payout_again(desk: Desk, rows: Rows) -> None:
    payout = desk.request(100 * AMOUNT)
    desk.send(payout)
    desk.chain.blocked_addresses.add(RECIPIENT.lower())
    desk.bury(payout)
    desk.chain.blocked_addresses.clear()
    rows.clock = iter(clock.now, None)
    rows.sign_off(payout, factories.member(role=Role.TREASURY).id)
    rows.run("UPDATE payouts SET state = 'APPROVED', hold_reason = NULL, state_at = :now")
    desk.send(payout)
    desk.bury(payout)

    assert desk.state(payout) == "PAID"


@pytest.mark.parametrize("step", ["REQUESTED", "APPROVED", "RESERVED", "IN_FLIGHT"])
def test_under_a_pause_nothing_is_signed_and_afterwards_it_is_paid_once(
    desk: Desk, rows: Rows, sql: Connection, step: str
) -> None:
    payout = rows.payout(step)
    rows.pause()
    for _ in range(2):
        with suppress(Exception):
            desk.send(payout)
    assert desk.chain.sent == []
    assert sql.execute_simple("SELECT count(*) FROM payout_attempts").rows == [[0]]

    rows.unpause()
    if step == "REQUESTED":
        assert desk.row(payout).hold_reason == "paused"
    desk.send(payout)
    desk.bury(payout)
    assert_paid_once(desk, payout, sql)


def test_under_a_pause_no_nonce_is_taken(desk: Desk, rows: Rows, sql: Connection) -> None:
    """One that is taken and not signed holds up every later one."""
    payout = rows.payout("RESERVED")
    rows.pause()

    with suppress(Exception):
        desk.send(payout)

    assert sql.execute_simple("SELECT count(*) FROM payout_slots").rows == [[0]]


def test_a_nonce_that_somebody_else_has_used_is_not_signed_for(desk: Desk, sql: Connection) -> None:
    """A database that was restored to an earlier time gives nonces out again: signing would pay somebody twice (R8)."""
    earlier = desk.request()
    desk.send(earlier)
    desk.bury(earlier)
    restored(sql)
    payout = desk.request()

    with suppress(Exception):
        desk.send(payout)

    assert sql.execute_simple("SELECT count(*) FROM payout_attempts").rows == [[0]]
    assert len(set(desk.chain.sent)) == 1


def restored(sql: Connection) -> None:
    """As it was before anything was paid."""
    tables = "payouts, payout_slots, payout_attempts, payout_events, payout_policy_runs"
    sql.execute_simple(f"SET session_replication_role = replica; TRUNCATE {tables} CASCADE")
    sql.execute_simple("UPDATE signers SET next_nonce = 0; SET session_replication_role = origin")


def test_other_work_on_the_same_payout_finds_it_done(desk: Desk, sql: Connection) -> None:
    payout = desk.request()
    steps: list[Callable[[], object]] = [partial(desk.send, payout), partial(desk.look, payout), desk.chain.mine]
    for number in range(60):
        steps[number % 3]()

    assert_paid_once(desk, payout, sql)
    assert db.atomically(lambda tx: tx.run("SELECT FROM payout_attempts")) == 1
