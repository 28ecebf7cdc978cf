"""Whatever the chain does or fails to say, a withdrawal ends as what the chain holds, and its member is told once."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from functions.withdrawal_confirm import telling
from shared import clock, withdrawals
from shared.ports.polygon.chain import STATES_KEPT
from shared.ports.polygon.failures import WrongChain
from tests.clock import moved_clock
from tests.fakes.chain import LostAnswer
from tests.fakes.crashes import crash, killed_after
from tests.fakes.wallet_driver import BLOCKS_TO_FINAL, RECIPIENT, WalletDriver
from tests.fakes.withdrawal_results import assert_confirmed_once, assert_member_notified

pytest_plugins = ["tests.fakes.wallet_plugin"]

QUESTIONS = ("require", "heads", "used_nonces_at", "observe")
TRANSACTIONS_MAX = 8  # of one way from the signature to the end


def test_it_is_sent_followed_and_told(wallet_driver: WalletDriver, sql: Connection) -> None:
    withdrawal = wallet_driver.signed()
    assert not wallet_driver.confirm(withdrawal)
    wallet_driver.finalize(withdrawal)

    assert_confirmed_once(wallet_driver, withdrawal, sql)
    states = sql.execute_simple("SELECT state FROM withdrawal_events ORDER BY id").rows
    assert states == [["prepared"], ["signed"], ["mined"], ["confirmed"]]


def test_whoever_has_left_is_told_nothing(wallet_driver: WalletDriver, sql: Connection) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.confirm(withdrawal)
    sql.execute_unnamed("UPDATE members SET status = 'deleted' WHERE id = $1", (wallet_driver.member.id,))
    wallet_driver.finalize(withdrawal)
    assert sql.execute_simple("SELECT state FROM withdrawals").rows == [["confirmed"]]
    assert_member_notified(sql, [])


def test_tasks_that_come_again_change_nothing(wallet_driver: WalletDriver, sql: Connection) -> None:
    withdrawal = wallet_driver.signed()
    for _ in range(3):
        wallet_driver.confirm(withdrawal)
    wallet_driver.finalize(withdrawal)
    for _ in range(3):
        assert wallet_driver.confirm(withdrawal)

    assert_confirmed_once(wallet_driver, withdrawal, sql)


@pytest.mark.parametrize("loss", [LostAnswer(taken=True), LostAnswer(taken=False)], ids=["taken", "not taken"])
def test_an_answer_that_was_lost_proves_nothing(wallet_driver: WalletDriver, sql: Connection, loss: LostAnswer) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.chain.losses.extend([loss, loss])
    for _ in range(3):
        assert not wallet_driver.confirm(withdrawal)
    wallet_driver.finalize(withdrawal)

    assert_confirmed_once(wallet_driver, withdrawal, sql)


def test_what_a_pool_forgets_it_is_sent_again(wallet_driver: WalletDriver, sql: Connection) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.confirm(withdrawal)
    wallet_driver.chain.forget_pending()
    wallet_driver.chain.mine(3)
    wallet_driver.confirm(withdrawal)
    wallet_driver.finalize(withdrawal)

    assert_confirmed_once(wallet_driver, withdrawal, sql)


def test_it_is_sent_again_while_a_node_has_forgotten_the_finalized_accounts(
    wallet_driver: WalletDriver, sql: Connection
) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.confirm(withdrawal)
    wallet_driver.chain.forget_pending()
    wallet_driver.chain.finalized = len(wallet_driver.chain.blocks) - 1
    wallet_driver.chain.mine(STATES_KEPT + 1)
    assert not wallet_driver.confirm(withdrawal)
    assert wallet_driver.chain.pool
    wallet_driver.chain.finalized = None
    wallet_driver.finalize(withdrawal)

    assert_confirmed_once(wallet_driver, withdrawal, sql)


def test_whatever_is_not_answered_proves_nothing(wallet_driver: WalletDriver, sql: Connection) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.confirm(withdrawal)
    wallet_driver.chain.mine(BLOCKS_TO_FINAL + 1)
    for question in QUESTIONS:
        wallet_driver.chain.unreachable = {question}
        assert not wallet_driver.confirm(withdrawal), question
        assert wallet_driver.status(withdrawal) == "signed", question
    wallet_driver.chain.unreachable = set()
    wallet_driver.finalize(withdrawal)

    assert_confirmed_once(wallet_driver, withdrawal, sql)


def test_it_is_final_when_it_is_finalized_and_ten_deep(wallet_driver: WalletDriver, sql: Connection) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.confirm(withdrawal)
    wallet_driver.chain.finalized = 0
    wallet_driver.chain.mine(200)
    assert not wallet_driver.confirm(withdrawal)
    assert wallet_driver.status(withdrawal) == "mined"
    wallet_driver.chain.finalized = 10_000
    assert wallet_driver.confirm(withdrawal)

    assert_confirmed_once(wallet_driver, withdrawal, sql)


def test_finalized_alone_is_not_deep_enough(wallet_driver: WalletDriver) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.confirm(withdrawal)
    wallet_driver.chain.mine(BLOCKS_TO_FINAL)
    wallet_driver.chain.finalized = 10_000
    assert not wallet_driver.confirm(withdrawal)
    wallet_driver.chain.mine()
    assert wallet_driver.confirm(withdrawal)


def test_a_reorganisation_takes_it_back_and_it_is_sent_again(wallet_driver: WalletDriver, sql: Connection) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.confirm(withdrawal)
    wallet_driver.chain.mine(3)
    wallet_driver.chain.finalized = 1
    assert not wallet_driver.confirm(withdrawal)
    assert wallet_driver.status(withdrawal) == "mined"

    wallet_driver.chain.reorganise(3)
    assert not wallet_driver.confirm(withdrawal)
    assert wallet_driver.status(withdrawal) == "signed"
    wallet_driver.chain.finalized = None
    wallet_driver.confirm(withdrawal)
    wallet_driver.finalize(withdrawal)

    assert_confirmed_once(wallet_driver, withdrawal, sql)


def test_one_that_reappears_elsewhere_is_final_where_it_is_now(wallet_driver: WalletDriver, sql: Connection) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.confirm(withdrawal)
    wallet_driver.chain.mine(2)
    wallet_driver.chain.finalized = 1
    wallet_driver.confirm(withdrawal)
    wallet_driver.chain.reorganise(2)
    wallet_driver.chain.send([wallet_driver.row(withdrawal).raw or b""])
    wallet_driver.chain.finalized = None
    wallet_driver.finalize(withdrawal)

    assert_confirmed_once(wallet_driver, withdrawal, sql)


def test_another_transaction_of_its_nonce_replaces_it_for_good_when_that_is_final(
    wallet_driver: WalletDriver, sql: Connection
) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.confirm(withdrawal)
    wallet_driver.spend_elsewhere(0)
    wallet_driver.chain.mine(BLOCKS_TO_FINAL)
    assert not wallet_driver.confirm(withdrawal)
    assert wallet_driver.status(withdrawal) == "signed"  # a reorganisation could still bring it back
    wallet_driver.finalize(withdrawal)

    other = wallet_driver.chain.transfers()[-1].hash
    shown = wallet_driver.get(withdrawal)
    assert (shown["status"], shown["transaction_hash"]) == ("replaced", other)
    assert sql.execute_simple("SELECT status, transaction_hash FROM wallet_transactions").rows == [["failed", other]]
    assert_member_notified(sql, ["Your withdrawal of $25 USDT was replaced"])
    assert wallet_driver.ask().body["nonce"] == 1


def test_a_receipt_that_only_one_node_has_is_no_replacement(wallet_driver: WalletDriver, sql: Connection) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.confirm(withdrawal)
    wallet_driver.chain.mine(BLOCKS_TO_FINAL + 1)
    wallet_driver.chain.hidden = set(wallet_driver.chain.sent)
    assert not wallet_driver.confirm(withdrawal)
    assert wallet_driver.status(withdrawal) == "signed"
    wallet_driver.chain.hidden = set()
    wallet_driver.finalize(withdrawal)

    assert_confirmed_once(wallet_driver, withdrawal, sql)


def test_of_which_the_nodes_tell_different_stories_nothing_is_concluded(
    wallet_driver: WalletDriver, sql: Connection
) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.confirm(withdrawal)
    wallet_driver.chain.mine(BLOCKS_TO_FINAL + 1)
    wallet_driver.chain.disputed = set(wallet_driver.chain.sent)
    assert not wallet_driver.confirm(withdrawal)
    assert wallet_driver.status(withdrawal) == "signed"
    wallet_driver.chain.disputed = set()
    wallet_driver.finalize(withdrawal)

    assert_confirmed_once(wallet_driver, withdrawal, sql)


def test_while_milestones_have_stalled_nothing_is_called_final(wallet_driver: WalletDriver, sql: Connection) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.confirm(withdrawal)
    wallet_driver.chain.lag_seconds = 61
    wallet_driver.chain.mine(BLOCKS_TO_FINAL + 1)
    assert not wallet_driver.confirm(withdrawal)
    assert wallet_driver.status(withdrawal) == "mined"
    wallet_driver.chain.lag_seconds = 60
    assert wallet_driver.confirm(withdrawal)

    assert_confirmed_once(wallet_driver, withdrawal, sql)


def test_a_transfer_that_usdt_refuses_moves_nothing_and_says_so(wallet_driver: WalletDriver, sql: Connection) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.confirm(withdrawal)
    wallet_driver.chain.blocked_addresses.add(RECIPIENT.lower())
    wallet_driver.finalize(withdrawal)

    assert wallet_driver.status(withdrawal) == "reverted"
    assert sql.execute_simple("SELECT status FROM wallet_transactions").rows == [["failed"]]
    assert_member_notified(sql, ["Your withdrawal of $25 USDT did not go through"])


def test_what_ran_to_its_end_and_moved_something_else_is_not_called_refused(
    wallet_driver: WalletDriver, sql: Connection
) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.confirm(withdrawal)
    wallet_driver.chain.token_keeps_micro = 1
    wallet_driver.finalize(withdrawal)

    (moved,) = wallet_driver.chain.transfers()
    assert (wallet_driver.status(withdrawal), wallet_driver.get(withdrawal)["transaction_hash"]) == (
        "replaced",
        moved.hash,
    )
    assert sql.execute_simple("SELECT status FROM wallet_transactions").rows == [["failed"]]
    assert_member_notified(sql, ["Your withdrawal of $25 USDT was replaced"])


def test_on_another_chain_nothing_is_concluded_or_sent(wallet_driver: WalletDriver) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.chain.chain_id = 1
    with pytest.raises(WrongChain):
        wallet_driver.chain.require(137)

    assert not wallet_driver.confirm(withdrawal)
    assert wallet_driver.chain.sent == []
    assert wallet_driver.status(withdrawal) == "signed"


def test_what_no_block_takes_for_a_day_lapses_and_makes_room(
    wallet_driver: WalletDriver, sql: Connection, tmp_path: Path
) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.chain.unreachable = {"send"}
    with moved_clock(tmp_path, timedelta(hours=23)):
        assert not wallet_driver.confirm(withdrawal)
    with moved_clock(tmp_path, timedelta(hours=24, minutes=1)):
        wallet_driver.confirm(withdrawal)
        tried = len(wallet_driver.chain.sent)
        assert wallet_driver.confirm(withdrawal)
    assert wallet_driver.status(withdrawal) == "lapsed"
    assert len(wallet_driver.chain.sent) == tried
    assert_member_notified(sql, ["Your withdrawal of $25 USDT has not gone through yet"])
    assert wallet_driver.ask().body["nonce"] == 0  # whichever of the two is mined, the other one never is


def test_a_lapsed_one_that_is_mined_after_all_is_confirmed(wallet_driver: WalletDriver, tmp_path: Path) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.confirm(withdrawal)
    with moved_clock(tmp_path, timedelta(hours=25)):
        wallet_driver.confirm(withdrawal)
    wallet_driver.chain.forget_pending()  # so that the next one takes the same nonce
    second = UUID(wallet_driver.prepared()["id"])
    wallet_driver.chain.send([wallet_driver.row(withdrawal).raw or b""])  # a node had kept it
    wallet_driver.chain.mine(BLOCKS_TO_FINAL + 1)
    assert wallet_driver.confirm(withdrawal)

    assert wallet_driver.status(withdrawal) == "confirmed"
    assert wallet_driver.status(second) == "prepared"


def test_a_lapsed_one_whose_nonce_another_one_took_is_replaced(wallet_driver: WalletDriver, tmp_path: Path) -> None:
    withdrawal = wallet_driver.signed()
    with moved_clock(tmp_path, timedelta(hours=25)):
        wallet_driver.confirm(withdrawal)
    second = wallet_driver.signed(30)
    wallet_driver.chain.forget_pending()
    wallet_driver.confirm(second)
    wallet_driver.finalize(second)
    assert wallet_driver.confirm(withdrawal)

    assert (wallet_driver.status(withdrawal), wallet_driver.status(second)) == ("replaced", "confirmed")


def test_the_sweep_finds_what_nobody_looks_at_and_ends_what_nobody_signs(
    wallet_driver: WalletDriver, sql: Connection, tmp_path: Path
) -> None:
    withdrawal = wallet_driver.signed()
    sql.execute_simple("UPDATE outbox SET published_at = now()")  # the task is gone
    with moved_clock(tmp_path, timedelta(minutes=1)):
        wallet_driver.sweep()
    assert sql.execute_simple("SELECT count(*) FROM outbox WHERE published_at IS NULL").rows == [[0]]
    with moved_clock(tmp_path, timedelta(minutes=3)):
        wallet_driver.sweep()
    waiting = "SELECT body ->> 'withdrawal_id' FROM outbox WHERE published_at IS NULL"
    assert sql.execute_simple(waiting).rows == [[str(withdrawal)]]

    wallet_driver.confirm(withdrawal)
    wallet_driver.finalize(withdrawal)
    unsigned = UUID(wallet_driver.prepared()["id"])
    with moved_clock(tmp_path, timedelta(minutes=11)):
        wallet_driver.sweep()
        assert wallet_driver.status(unsigned) == "expired"


def test_a_lapsed_one_is_swept_each_hour(wallet_driver: WalletDriver, sql: Connection, tmp_path: Path) -> None:
    withdrawal = wallet_driver.signed()
    with moved_clock(tmp_path, timedelta(hours=25)):
        wallet_driver.confirm(withdrawal)
        sql.execute_simple("UPDATE outbox SET published_at = now()")
        wallet_driver.sweep()
    waiting = "SELECT count(*) FROM outbox WHERE published_at IS NULL"
    assert sql.execute_simple(waiting).rows == [[0]]
    with moved_clock(tmp_path, timedelta(hours=26, minutes=1)):
        wallet_driver.sweep()
    assert sql.execute_simple(waiting).rows == [[1]]


def test_killed_between_any_two_transactions_it_ends_the_same(wallet_driver: WalletDriver, sql: Connection) -> None:
    withdrawal = wallet_driver.signed()
    for count in range(TRANSACTIONS_MAX):
        with killed_after(count):
            wallet_driver.confirm(withdrawal)
    wallet_driver.chain.mine(BLOCKS_TO_FINAL + 1)
    for count in range(TRANSACTIONS_MAX):
        with killed_after(count):
            wallet_driver.confirm(withdrawal)
    wallet_driver.finalize(withdrawal)

    assert_confirmed_once(wallet_driver, withdrawal, sql)


@pytest.mark.parametrize("step", ["mark_mined", "finish", "tell"])
def test_killed_in_the_middle_of_a_transaction_nothing_of_it_stays(
    wallet_driver: WalletDriver, sql: Connection, step: str
) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.confirm(withdrawal)
    wallet_driver.chain.mine(BLOCKS_TO_FINAL + 1)
    owner = telling if step == "tell" else withdrawals
    with crash(owner, step, at=1, after=True) as has_died, suppress(BaseException):
        wallet_driver.confirm(withdrawal)
    assert has_died()
    assert wallet_driver.status(withdrawal) == "signed"
    assert sql.execute_simple("SELECT count(*) FROM mails").rows == [[0]]
    wallet_driver.finalize(withdrawal)

    assert_confirmed_once(wallet_driver, withdrawal, sql)


def test_any_order_of_looking_sweeping_and_mining_ends_confirmed(wallet_driver: WalletDriver, sql: Connection) -> None:
    withdrawal = wallet_driver.signed()
    steps: list[Callable[[], object]] = [
        partial(wallet_driver.confirm, withdrawal),
        wallet_driver.sweep,
        partial(wallet_driver.chain.mine, 1),
        partial(wallet_driver.confirm, withdrawal),
    ]
    for number in range(60):
        steps[number % 4]()

    assert_confirmed_once(wallet_driver, withdrawal, sql)
    assert clock.now() > wallet_driver.row(withdrawal).prepared_at
