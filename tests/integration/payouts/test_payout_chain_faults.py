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
from tests.fakes.chain import LostAnswer
from tests.fakes.payout_driver import BLOCKS_TO_FINAL, PayoutDriver
from tests.fakes.payout_rows import AMOUNT, RECIPIENT, PayoutRows

pytest_plugins = ["tests.fakes.payout_plugin"]

QUESTIONS_OF_SEND = ("require", "used_nonces", "blocked", "fees", "token_balance", "gas_balance", "heads")
QUESTIONS_OF_CONFIRM = ("observe", "heads")


def assert_paid_once(payout_driver: PayoutDriver, payout: UUID, sql: Connection) -> None:
    """On the chain, in the rows and in the ledger."""
    moved = [(found.recipient, found.amount_micro) for found in payout_driver.chain.transfers()]
    assert moved == [(RECIPIENT.lower(), AMOUNT)]
    assert payout_driver.state(payout) == "PAID"
    assert balance(sql, "paid") == AMOUNT
    assert balance(sql, "in_flight") == 0
    assert sql.execute_simple("SELECT count(*) FROM payout_slots WHERE state = 'FINAL_PAY'").rows == [[1]]


def balance(sql: Connection, account: str) -> int:
    found = f"SELECT coalesce(sum(balance), 0) FROM ledger_balances WHERE account = '{account}:member'"
    return int(sql.execute_simple(found).rows[0][0])


def test_a_payout_is_paid(payout_driver: PayoutDriver, sql: Connection) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    payout_driver.finalize(payout)

    assert_paid_once(payout_driver, payout, sql)


@pytest.mark.parametrize("loss", [LostAnswer(taken=True), LostAnswer(taken=False)], ids=["taken", "not taken"])
def test_an_answer_that_was_lost_does_not_pay_twice_and_does_not_fail(
    payout_driver: PayoutDriver, sql: Connection, loss: LostAnswer
) -> None:
    payout = payout_driver.request()
    payout_driver.chain.losses.extend([loss, loss])
    for _ in range(4):
        payout_driver.send(payout)
    payout_driver.finalize(payout)

    assert len(set(payout_driver.chain.sent)) == 1  # the same signature each time
    assert_paid_once(payout_driver, payout, sql)


def test_sending_again_after_the_payment_was_mined_changes_nothing(
    payout_driver: PayoutDriver, sql: Connection
) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    payout_driver.chain.mine()
    payout_driver.send(payout)  # "nonce too low": ours
    payout_driver.finalize(payout)
    payout_driver.send(payout)

    assert_paid_once(payout_driver, payout, sql)


def test_a_pool_that_forgets_is_reminded(payout_driver: PayoutDriver, sql: Connection) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    payout_driver.chain.forget_pending()
    payout_driver.chain.mine(BLOCKS_TO_FINAL)
    assert not payout_driver.confirm(payout)
    payout_driver.send(payout)
    payout_driver.finalize(payout)

    assert_paid_once(payout_driver, payout, sql)


def test_whatever_is_not_answered_while_sending_is_asked_again(payout_driver: PayoutDriver, sql: Connection) -> None:
    payout = payout_driver.request()
    for question in QUESTIONS_OF_SEND:
        payout_driver.chain.unreachable = {question}
        with suppress(ChainUnreachable):
            payout_driver.send(payout)
        payout_driver.chain.unreachable = set()
    payout_driver.send(payout)
    payout_driver.finalize(payout)

    assert_paid_once(payout_driver, payout, sql)
    assert sql.execute_simple("SELECT count(*) FROM payout_attempts").rows == [[1]]


def test_whatever_is_not_answered_while_confirming_proves_nothing(payout_driver: PayoutDriver, sql: Connection) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    payout_driver.chain.mine(BLOCKS_TO_FINAL + 1)
    for question in QUESTIONS_OF_CONFIRM:
        payout_driver.chain.unreachable = {question}
        assert not payout_driver.confirm(payout), question
        assert payout_driver.state(payout) == "IN_FLIGHT"
    payout_driver.chain.unreachable = set()
    payout_driver.finalize(payout)

    assert_paid_once(payout_driver, payout, sql)


def test_a_receipt_that_no_node_gives_leaves_the_payment_out(payout_driver: PayoutDriver, sql: Connection) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    payout_driver.chain.hidden = set(payout_driver.chain.sent)
    payout_driver.chain.mine(100)
    for _ in range(3):
        assert not payout_driver.confirm(payout)
        payout_driver.send(payout)
    assert payout_driver.state(payout) == "IN_FLIGHT"
    payout_driver.chain.hidden = set()
    payout_driver.finalize(payout)

    assert_paid_once(payout_driver, payout, sql)


def test_a_payment_is_final_when_it_is_finalized_and_ten_deep(payout_driver: PayoutDriver, sql: Connection) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    payout_driver.chain.mine()
    payout_driver.chain.finalized = 0
    payout_driver.chain.mine(200)
    assert not payout_driver.confirm(
        payout
    )  # deep, and not finalized: milestones have stalled for a quarter of an hour
    payout_driver.chain.finalized = 204
    assert payout_driver.confirm(payout)

    assert_paid_once(payout_driver, payout, sql)


def test_finalized_alone_is_not_deep_enough(payout_driver: PayoutDriver) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    payout_driver.chain.mine(BLOCKS_TO_FINAL)
    payout_driver.chain.finalized = 1000

    assert not payout_driver.confirm(payout)
    payout_driver.chain.mine()
    assert payout_driver.confirm(payout)


@pytest.mark.parametrize("depth", [1, 3, 9])
def test_a_payment_that_a_reorganisation_takes_away_is_sent_again(
    payout_driver: PayoutDriver, sql: Connection, depth: int
) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    payout_driver.chain.mine(depth)
    payout_driver.chain.finalized = 1
    assert not payout_driver.confirm(payout)
    assert sql.execute_simple("SELECT state FROM payout_slots").rows == [["MINED"]]

    payout_driver.chain.reorganise(depth)
    assert not payout_driver.confirm(payout)
    assert sql.execute_simple("SELECT state FROM payout_slots").rows == [["LIVE"]]
    payout_driver.chain.finalized = None
    payout_driver.send(payout)
    payout_driver.finalize(payout)

    assert_paid_once(payout_driver, payout, sql)
    assert len(set(payout_driver.chain.sent)) == 1


def test_on_the_wrong_chain_nothing_is_signed(payout_driver: PayoutDriver, sql: Connection) -> None:
    payout = payout_driver.request()
    payout_driver.chain.chain_id = 80_002

    with pytest.raises(WrongChain):
        payout_driver.send(payout)

    assert sql.execute_simple("SELECT count(*) FROM payout_attempts").rows == [[0]]


def test_a_recipient_who_is_blocked_meanwhile_gets_nothing_and_the_money_stays_aside(
    payout_driver: PayoutDriver, sql: Connection
) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    payout_driver.chain.blocked_addresses.add(RECIPIENT.lower())
    payout_driver.finalize(payout)

    assert payout_driver.chain.transfers() == []
    assert (payout_driver.state(payout), payout_driver.row(payout).hold_reason) == ("HELD", "reverted")
    assert (balance(sql, "in_flight"), balance(sql, "paid")) == (AMOUNT, 0)


def test_a_recipient_who_is_blocked_before_anything_is_signed_is_held(
    payout_driver: PayoutDriver, sql: Connection
) -> None:
    payout = payout_driver.request()
    payout_driver.chain.blocked_addresses.add(RECIPIENT.lower())
    payout_driver.send(payout)

    assert (payout_driver.state(payout), payout_driver.row(payout).hold_reason) == ("HELD", "blocked")
    assert sql.execute_simple("SELECT count(*) FROM payout_slots").rows == [[0]]


def test_a_recipient_who_is_blocked_while_a_payout_waits_is_seen_before_it_is_signed(
    payout_driver: PayoutDriver, sql: Connection
) -> None:
    payout = payout_driver.request()
    payout_driver.chain.unreachable = {"token_balance"}  # it stops after the policy
    with suppress(ChainUnreachable):
        payout_driver.send(payout)
    payout_driver.chain.unreachable = set()
    payout_driver.chain.blocked_addresses.add(RECIPIENT.lower())
    payout_driver.send(payout)

    assert sql.execute_simple("SELECT count(*) FROM payout_attempts").rows == [[0]]


def test_a_treasury_that_cannot_pay_holds_the_payout_and_uses_no_nonce(
    payout_driver: PayoutDriver, sql: Connection
) -> None:
    payout = payout_driver.request(101 * AMOUNT)
    payout_driver.send(payout)

    assert (payout_driver.state(payout), payout_driver.row(payout).hold_reason) == ("HELD", "funds")
    assert sql.execute_simple("SELECT sum(next_nonce) FROM signers").rows == [[0]]
    assert balance(sql, "in_flight") == 0


def test_promises_that_are_out_are_not_paid_from_the_same_money(payout_driver: PayoutDriver) -> None:
    first, second = payout_driver.request(60 * AMOUNT), payout_driver.request(60 * AMOUNT)
    payout_driver.send(first)
    with suppress(ComeAgain):
        payout_driver.send(second)

    assert payout_driver.state(first) == "IN_FLIGHT"
    assert payout_driver.state(second) in ("APPROVED", "HELD")


def test_what_has_left_the_treasury_is_not_counted_a_second_time(payout_driver: PayoutDriver) -> None:
    """The first payment is finalized on the chain while its row still waits to be ten blocks deep."""
    first, second = payout_driver.request(50 * AMOUNT), payout_driver.request(50 * AMOUNT)
    payout_driver.send(first)
    payout_driver.chain.mine(5)
    payout_driver.confirm(first)
    with suppress(Exception):
        payout_driver.send(second)
    payout_driver.finalize(first)
    payout_driver.send(second)
    payout_driver.finalize(second)

    assert (payout_driver.state(first), payout_driver.state(second)) == ("PAID", "PAID")


def test_money_that_is_set_aside_already_is_enough_to_send_a_reverted_payout_again(
    payout_driver: PayoutDriver, rows: PayoutRows
) -> None:
    payout = payout_driver.request(100 * AMOUNT)
    payout_driver.send(payout)
    payout_driver.chain.blocked_addresses.add(RECIPIENT.lower())
    payout_driver.finalize(payout)
    payout_driver.chain.blocked_addresses.clear()
    rows.clock = iter(clock.now, None)
    rows.sign_off(payout, factories.member(role=Role.TREASURY).id)
    rows.run("UPDATE payouts SET state = 'APPROVED', hold_reason = NULL, state_at = :now")
    payout_driver.send(payout)
    payout_driver.finalize(payout)

    assert payout_driver.state(payout) == "PAID"


@pytest.mark.parametrize("step", ["REQUESTED", "APPROVED", "RESERVED", "IN_FLIGHT"])
def test_under_a_pause_nothing_is_signed_and_afterwards_it_is_paid_once(
    payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection, step: str
) -> None:
    payout = rows.payout(step)
    rows.pause()
    for _ in range(2):
        with suppress(Exception):
            payout_driver.send(payout)
    assert payout_driver.chain.sent == []
    assert sql.execute_simple("SELECT count(*) FROM payout_attempts").rows == [[0]]

    rows.unpause()
    if step == "REQUESTED":
        assert payout_driver.row(payout).hold_reason == "paused"
    payout_driver.send(payout)
    payout_driver.finalize(payout)
    assert_paid_once(payout_driver, payout, sql)


def test_under_a_pause_no_nonce_is_taken(payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection) -> None:
    """One that is taken and not signed holds up every later one."""
    payout = rows.payout("RESERVED")
    rows.pause()

    with suppress(Exception):
        payout_driver.send(payout)

    assert sql.execute_simple("SELECT count(*) FROM payout_slots").rows == [[0]]


def test_a_nonce_that_somebody_else_has_used_is_not_signed_for(payout_driver: PayoutDriver, sql: Connection) -> None:
    """A database that was restored to an earlier time gives nonces out again: signing would pay somebody twice (R8)."""
    earlier = payout_driver.request()
    payout_driver.send(earlier)
    payout_driver.finalize(earlier)
    restored(sql)
    payout = payout_driver.request()

    with suppress(Exception):
        payout_driver.send(payout)

    assert sql.execute_simple("SELECT count(*) FROM payout_attempts").rows == [[0]]
    assert len(set(payout_driver.chain.sent)) == 1


def restored(sql: Connection) -> None:
    """As it was before anything was paid."""
    tables = "payouts, payout_slots, payout_attempts, payout_events, payout_policy_runs"
    sql.execute_simple(f"SET session_replication_role = replica; TRUNCATE {tables} CASCADE")
    sql.execute_simple("UPDATE signers SET next_nonce = 0; SET session_replication_role = origin")


def test_other_work_on_the_same_payout_finds_it_done(payout_driver: PayoutDriver, sql: Connection) -> None:
    payout = payout_driver.request()
    steps: list[Callable[[], object]] = [
        partial(payout_driver.send, payout),
        partial(payout_driver.confirm, payout),
        payout_driver.chain.mine,
    ]
    for number in range(60):
        steps[number % 3]()

    assert_paid_once(payout_driver, payout, sql)
    assert db.atomically(lambda tx: tx.run("SELECT FROM payout_attempts")) == 1
