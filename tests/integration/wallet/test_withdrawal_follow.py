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
from tests.fakes.chain import Loss
from tests.fakes.crashes import crash, killed_after
from tests.fakes.wallet_desk import BLOCKS_TO_FINAL, RECIPIENT, WalletDesk
from tests.fakes.withdrawal_results import assert_confirmed_once, assert_told

pytest_plugins = ["tests.fakes.wallet_plugin"]

QUESTIONS = ("require", "heads", "used_nonces_at", "observe")
TRANSACTIONS_MAX = 8  # of one way from the signature to the end


def test_it_is_sent_followed_and_told(purse: WalletDesk, sql: Connection) -> None:
    withdrawal = purse.signed()
    assert not purse.look(withdrawal)
    purse.bury(withdrawal)

    assert_confirmed_once(purse, withdrawal, sql)
    states = sql.execute_simple("SELECT state FROM withdrawal_events ORDER BY id").rows
    assert states == [["prepared"], ["signed"], ["mined"], ["confirmed"]]


def test_whoever_has_left_is_told_nothing(purse: WalletDesk, sql: Connection) -> None:
    withdrawal = purse.signed()
    purse.look(withdrawal)
    sql.execute_unnamed("UPDATE members SET status = 'deleted' WHERE id = $1", (purse.member.id,))
    purse.bury(withdrawal)
    assert sql.execute_simple("SELECT state FROM withdrawals").rows == [["confirmed"]]
    assert_told(sql, [])


def test_tasks_that_come_again_change_nothing(purse: WalletDesk, sql: Connection) -> None:
    withdrawal = purse.signed()
    for _ in range(3):
        purse.look(withdrawal)
    purse.bury(withdrawal)
    for _ in range(3):
        assert purse.look(withdrawal)

    assert_confirmed_once(purse, withdrawal, sql)


@pytest.mark.parametrize("loss", [Loss(taken=True), Loss(taken=False)], ids=["taken", "not taken"])
def test_an_answer_that_was_lost_proves_nothing(purse: WalletDesk, sql: Connection, loss: Loss) -> None:
    withdrawal = purse.signed()
    purse.chain.losses.extend([loss, loss])
    for _ in range(3):
        assert not purse.look(withdrawal)
    purse.bury(withdrawal)

    assert_confirmed_once(purse, withdrawal, sql)


def test_what_a_pool_forgets_it_is_sent_again(purse: WalletDesk, sql: Connection) -> None:
    withdrawal = purse.signed()
    purse.look(withdrawal)
    purse.chain.forget_pending()
    purse.chain.mine(3)
    purse.look(withdrawal)
    purse.bury(withdrawal)

    assert_confirmed_once(purse, withdrawal, sql)


def test_it_is_sent_again_while_a_node_has_forgotten_the_finalized_accounts(purse: WalletDesk, sql: Connection) -> None:
    withdrawal = purse.signed()
    purse.look(withdrawal)
    purse.chain.forget_pending()
    purse.chain.finalized = len(purse.chain.blocks) - 1
    purse.chain.mine(STATES_KEPT + 1)
    assert not purse.look(withdrawal)
    assert purse.chain.pool
    purse.chain.finalized = None
    purse.bury(withdrawal)

    assert_confirmed_once(purse, withdrawal, sql)


def test_whatever_is_not_answered_proves_nothing(purse: WalletDesk, sql: Connection) -> None:
    withdrawal = purse.signed()
    purse.look(withdrawal)
    purse.chain.mine(BLOCKS_TO_FINAL + 1)
    for question in QUESTIONS:
        purse.chain.unreachable = {question}
        assert not purse.look(withdrawal), question
        assert purse.status(withdrawal) == "signed", question
    purse.chain.unreachable = set()
    purse.bury(withdrawal)

    assert_confirmed_once(purse, withdrawal, sql)


def test_it_is_final_when_it_is_finalized_and_ten_deep(purse: WalletDesk, sql: Connection) -> None:
    withdrawal = purse.signed()
    purse.look(withdrawal)
    purse.chain.finalized = 0
    purse.chain.mine(200)
    assert not purse.look(withdrawal)
    assert purse.status(withdrawal) == "mined"
    purse.chain.finalized = 10_000
    assert purse.look(withdrawal)

    assert_confirmed_once(purse, withdrawal, sql)


def test_finalized_alone_is_not_deep_enough(purse: WalletDesk) -> None:
    withdrawal = purse.signed()
    purse.look(withdrawal)
    purse.chain.mine(BLOCKS_TO_FINAL)
    purse.chain.finalized = 10_000
    assert not purse.look(withdrawal)
    purse.chain.mine()
    assert purse.look(withdrawal)


def test_a_reorganisation_takes_it_back_and_it_is_sent_again(purse: WalletDesk, sql: Connection) -> None:
    withdrawal = purse.signed()
    purse.look(withdrawal)
    purse.chain.mine(3)
    purse.chain.finalized = 1
    assert not purse.look(withdrawal)
    assert purse.status(withdrawal) == "mined"

    purse.chain.reorganise(3)
    assert not purse.look(withdrawal)
    assert purse.status(withdrawal) == "signed"
    purse.chain.finalized = None
    purse.look(withdrawal)
    purse.bury(withdrawal)

    assert_confirmed_once(purse, withdrawal, sql)


def test_one_that_reappears_elsewhere_is_final_where_it_is_now(purse: WalletDesk, sql: Connection) -> None:
    withdrawal = purse.signed()
    purse.look(withdrawal)
    purse.chain.mine(2)
    purse.chain.finalized = 1
    purse.look(withdrawal)
    purse.chain.reorganise(2)
    purse.chain.send([purse.row(withdrawal).raw or b""])
    purse.chain.finalized = None
    purse.bury(withdrawal)

    assert_confirmed_once(purse, withdrawal, sql)


def test_another_transaction_of_its_nonce_replaces_it_for_good_when_that_is_final(
    purse: WalletDesk, sql: Connection
) -> None:
    withdrawal = purse.signed()
    purse.look(withdrawal)
    purse.spend_elsewhere(0)
    purse.chain.mine(BLOCKS_TO_FINAL)
    assert not purse.look(withdrawal)
    assert purse.status(withdrawal) == "signed"  # a reorganisation could still bring it back
    purse.bury(withdrawal)

    other = purse.chain.transfers()[-1].hash
    shown = purse.get(withdrawal)
    assert (shown["status"], shown["transaction_hash"]) == ("replaced", other)
    assert sql.execute_simple("SELECT status, transaction_hash FROM wallet_transactions").rows == [["failed", other]]
    assert_told(sql, ["Your withdrawal of $25 USDT was replaced"])
    assert purse.ask().body["nonce"] == 1


def test_a_receipt_that_only_one_node_has_is_no_replacement(purse: WalletDesk, sql: Connection) -> None:
    withdrawal = purse.signed()
    purse.look(withdrawal)
    purse.chain.mine(BLOCKS_TO_FINAL + 1)
    purse.chain.hidden = set(purse.chain.sent)
    assert not purse.look(withdrawal)
    assert purse.status(withdrawal) == "signed"
    purse.chain.hidden = set()
    purse.bury(withdrawal)

    assert_confirmed_once(purse, withdrawal, sql)


def test_of_which_the_nodes_tell_different_stories_nothing_is_concluded(purse: WalletDesk, sql: Connection) -> None:
    withdrawal = purse.signed()
    purse.look(withdrawal)
    purse.chain.mine(BLOCKS_TO_FINAL + 1)
    purse.chain.disputed = set(purse.chain.sent)
    assert not purse.look(withdrawal)
    assert purse.status(withdrawal) == "signed"
    purse.chain.disputed = set()
    purse.bury(withdrawal)

    assert_confirmed_once(purse, withdrawal, sql)


def test_while_milestones_have_stalled_nothing_is_called_final(purse: WalletDesk, sql: Connection) -> None:
    withdrawal = purse.signed()
    purse.look(withdrawal)
    purse.chain.lag_seconds = 61
    purse.chain.mine(BLOCKS_TO_FINAL + 1)
    assert not purse.look(withdrawal)
    assert purse.status(withdrawal) == "mined"
    purse.chain.lag_seconds = 60
    assert purse.look(withdrawal)

    assert_confirmed_once(purse, withdrawal, sql)


def test_a_transfer_that_usdt_refuses_moves_nothing_and_says_so(purse: WalletDesk, sql: Connection) -> None:
    withdrawal = purse.signed()
    purse.look(withdrawal)
    purse.chain.blocked_addresses.add(RECIPIENT.lower())
    purse.bury(withdrawal)

    assert purse.status(withdrawal) == "reverted"
    assert sql.execute_simple("SELECT status FROM wallet_transactions").rows == [["failed"]]
    assert_told(sql, ["Your withdrawal of $25 USDT did not go through"])


def test_what_ran_to_its_end_and_moved_something_else_is_not_called_refused(purse: WalletDesk, sql: Connection) -> None:
    withdrawal = purse.signed()
    purse.look(withdrawal)
    purse.chain.token_keeps_micro = 1
    purse.bury(withdrawal)

    (moved,) = purse.chain.transfers()
    assert (purse.status(withdrawal), purse.get(withdrawal)["transaction_hash"]) == ("replaced", moved.hash)
    assert sql.execute_simple("SELECT status FROM wallet_transactions").rows == [["failed"]]
    assert_told(sql, ["Your withdrawal of $25 USDT was replaced"])


def test_on_another_chain_nothing_is_concluded_or_sent(purse: WalletDesk) -> None:
    withdrawal = purse.signed()
    purse.chain.chain_id = 1
    with pytest.raises(WrongChain):
        purse.chain.require(137)

    assert not purse.look(withdrawal)
    assert purse.chain.sent == []
    assert purse.status(withdrawal) == "signed"


def test_what_no_block_takes_for_a_day_lapses_and_makes_room(
    purse: WalletDesk, sql: Connection, tmp_path: Path
) -> None:
    withdrawal = purse.signed()
    purse.chain.unreachable = {"send"}
    with moved_clock(tmp_path, timedelta(hours=23)):
        assert not purse.look(withdrawal)
    with moved_clock(tmp_path, timedelta(hours=24, minutes=1)):
        purse.look(withdrawal)
        tried = len(purse.chain.sent)
        assert purse.look(withdrawal)
    assert purse.status(withdrawal) == "lapsed"
    assert len(purse.chain.sent) == tried
    assert_told(sql, ["Your withdrawal of $25 USDT has not gone through yet"])
    assert purse.ask().body["nonce"] == 0  # whichever of the two is mined, the other one never is


def test_a_lapsed_one_that_is_mined_after_all_is_confirmed(purse: WalletDesk, tmp_path: Path) -> None:
    withdrawal = purse.signed()
    purse.look(withdrawal)
    with moved_clock(tmp_path, timedelta(hours=25)):
        purse.look(withdrawal)
    purse.chain.forget_pending()  # so that the next one takes the same nonce
    second = UUID(purse.prepared()["id"])
    purse.chain.send([purse.row(withdrawal).raw or b""])  # a node had kept it
    purse.chain.mine(BLOCKS_TO_FINAL + 1)
    assert purse.look(withdrawal)

    assert purse.status(withdrawal) == "confirmed"
    assert purse.status(second) == "prepared"


def test_a_lapsed_one_whose_nonce_another_one_took_is_replaced(purse: WalletDesk, tmp_path: Path) -> None:
    withdrawal = purse.signed()
    with moved_clock(tmp_path, timedelta(hours=25)):
        purse.look(withdrawal)
    second = purse.signed(30)
    purse.chain.forget_pending()
    purse.look(second)
    purse.bury(second)
    assert purse.look(withdrawal)

    assert (purse.status(withdrawal), purse.status(second)) == ("replaced", "confirmed")


def test_the_sweep_finds_what_nobody_looks_at_and_ends_what_nobody_signs(
    purse: WalletDesk, sql: Connection, tmp_path: Path
) -> None:
    withdrawal = purse.signed()
    sql.execute_simple("UPDATE outbox SET published_at = now()")  # the task is gone
    with moved_clock(tmp_path, timedelta(minutes=1)):
        purse.sweep()
    assert sql.execute_simple("SELECT count(*) FROM outbox WHERE published_at IS NULL").rows == [[0]]
    with moved_clock(tmp_path, timedelta(minutes=3)):
        purse.sweep()
    waiting = "SELECT body ->> 'withdrawal_id' FROM outbox WHERE published_at IS NULL"
    assert sql.execute_simple(waiting).rows == [[str(withdrawal)]]

    purse.look(withdrawal)
    purse.bury(withdrawal)
    unsigned = UUID(purse.prepared()["id"])
    with moved_clock(tmp_path, timedelta(minutes=11)):
        purse.sweep()
        assert purse.status(unsigned) == "expired"


def test_a_lapsed_one_is_swept_each_hour(purse: WalletDesk, sql: Connection, tmp_path: Path) -> None:
    withdrawal = purse.signed()
    with moved_clock(tmp_path, timedelta(hours=25)):
        purse.look(withdrawal)
        sql.execute_simple("UPDATE outbox SET published_at = now()")
        purse.sweep()
    waiting = "SELECT count(*) FROM outbox WHERE published_at IS NULL"
    assert sql.execute_simple(waiting).rows == [[0]]
    with moved_clock(tmp_path, timedelta(hours=26, minutes=1)):
        purse.sweep()
    assert sql.execute_simple(waiting).rows == [[1]]


def test_killed_between_any_two_transactions_it_ends_the_same(purse: WalletDesk, sql: Connection) -> None:
    withdrawal = purse.signed()
    for count in range(TRANSACTIONS_MAX):
        with killed_after(count):
            purse.look(withdrawal)
    purse.chain.mine(BLOCKS_TO_FINAL + 1)
    for count in range(TRANSACTIONS_MAX):
        with killed_after(count):
            purse.look(withdrawal)
    purse.bury(withdrawal)

    assert_confirmed_once(purse, withdrawal, sql)


@pytest.mark.parametrize("step", ["mark_mined", "finish", "tell"])
def test_killed_in_the_middle_of_a_transaction_nothing_of_it_stays(
    purse: WalletDesk, sql: Connection, step: str
) -> None:
    withdrawal = purse.signed()
    purse.look(withdrawal)
    purse.chain.mine(BLOCKS_TO_FINAL + 1)
    owner = telling if step == "tell" else withdrawals
    with crash(owner, step, at=1, after=True) as has_died, suppress(BaseException):
        purse.look(withdrawal)
    assert has_died()
    assert purse.status(withdrawal) == "signed"
    assert sql.execute_simple("SELECT count(*) FROM mails").rows == [[0]]
    purse.bury(withdrawal)

    assert_confirmed_once(purse, withdrawal, sql)


def test_any_order_of_looking_sweeping_and_mining_ends_confirmed(purse: WalletDesk, sql: Connection) -> None:
    withdrawal = purse.signed()
    steps: list[Callable[[], object]] = [
        partial(purse.look, withdrawal), purse.sweep, partial(purse.chain.mine, 1), partial(purse.look, withdrawal),
    ]  # fmt: skip
    for number in range(60):
        steps[number % 4]()

    assert_confirmed_once(purse, withdrawal, sql)
    assert clock.now() > purse.row(withdrawal).prepared_at
