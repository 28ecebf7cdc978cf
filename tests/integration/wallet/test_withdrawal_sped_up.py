"""A wallet raises the fee of a withdrawal, or cancels it: the transaction that used the nonce decides what is told."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from functions.withdrawal_confirm import nonce
from shared.ports.polygon.chain import NonceUse
from shared.withdrawals import State
from tests.clock import moved_clock
from tests.fakes.wallet_driver import BLOCKS_TO_FINAL, RECIPIENT, WalletDriver, checksummed
from tests.fakes.withdrawal_results import assert_member_notified

pytest_plugins = ["tests.fakes.wallet_plugin"]

MICRO = 25_000_000
DONE, REPLACED = "Your withdrawal of $25 USDT is complete", "Your withdrawal of $25 USDT was replaced"


def send_from_wallet(wallet_driver: WalletDriver, used_nonce: int, data: str, to: str = "") -> str:
    """The wallet's own app sends a transaction at a high fee; its hash."""
    fields: dict[str, Any] = {
        "type": 2, "chainId": wallet_driver.chain.chain_id, "nonce": used_nonce,
        "to": to or checksummed(wallet_driver.chain.token), "value": 0, "data": data, "gas": 120_000,
        "maxFeePerGas": 2 * 10**11, "maxPriorityFeePerGas": 10**11,
    }  # fmt: skip
    signed = wallet_driver.wallet.sign_transaction(fields)
    wallet_driver.chain.send([bytes(signed.raw_transaction)])
    return str(signed.hash.to_0x_hex())


def transfer(micro: int = MICRO, recipient: str = RECIPIENT) -> str:
    return f"0xa9059cbb{int(recipient, 16):064x}{micro:064x}"


def shown(wallet_driver: WalletDriver, withdrawal: UUID) -> tuple[str, str | None, str | None]:
    found = wallet_driver.get(withdrawal)
    return found["status"], found["transaction_hash"], found["explorer_url"]


def history(sql: Connection) -> list[list[Any]]:
    rows: list[list[Any]] = sql.execute_simple("SELECT status, transaction_hash FROM wallet_transactions").rows
    return rows


def test_the_same_transfer_at_a_higher_fee_is_the_withdrawal(wallet_driver: WalletDriver, sql: Connection) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.confirm(withdrawal)
    faster = send_from_wallet(wallet_driver, 0, transfer())
    wallet_driver.finalize(withdrawal)

    assert shown(wallet_driver, withdrawal) == ("confirmed", faster, f"https://polygonscan.com/tx/{faster}")
    assert history(sql) == [["confirmed", faster]]
    assert_member_notified(sql, [DONE])
    assert sql.execute_simple("SELECT parameters ->> 'link' FROM mails").rows == [
        [f"https://polygonscan.com/tx/{faster}"]
    ]
    assert sql.execute_simple("SELECT state FROM withdrawal_events ORDER BY id").rows == [
        ["prepared"], ["signed"], ["mined"], ["confirmed"],
    ]  # fmt: skip


def test_it_is_told_only_when_it_is_final(wallet_driver: WalletDriver, sql: Connection) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.confirm(withdrawal)
    send_from_wallet(wallet_driver, 0, transfer())
    wallet_driver.chain.mine(BLOCKS_TO_FINAL)

    assert not wallet_driver.confirm(withdrawal)
    assert wallet_driver.status(withdrawal) == "signed"
    assert_member_notified(sql, [])


@pytest.mark.parametrize(
    "data", [transfer(MICRO - 1), transfer(recipient=f"0x{7:040x}")], ids=["another amount", "another recipient"]
)
def test_another_transfer_is_no_payment_of_the_withdrawal(
    wallet_driver: WalletDriver, sql: Connection, data: str
) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.confirm(withdrawal)
    other = send_from_wallet(wallet_driver, 0, data)
    wallet_driver.finalize(withdrawal)

    assert shown(wallet_driver, withdrawal) == ("replaced", other, f"https://polygonscan.com/tx/{other}")
    assert history(sql) == [["failed", other]]
    assert_member_notified(sql, [REPLACED])


def test_a_cancelled_one_is_shown_without_a_hash_that_is_on_no_chain(
    wallet_driver: WalletDriver, sql: Connection
) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.confirm(withdrawal)
    send_from_wallet(wallet_driver, 0, "0x", to=wallet_driver.wallet.address)
    wallet_driver.finalize(withdrawal)

    assert shown(wallet_driver, withdrawal) == ("replaced", None, None)
    assert history(sql) == [["failed", None]]
    assert_member_notified(sql, [REPLACED])
    ((template, parameters),) = sql.execute_simple("SELECT template, parameters FROM mails").rows
    wallet = f"https://polygonscan.com/address/{wallet_driver.wallet.address}"
    assert (template, parameters["link"]) == ("withdrawal_replaced", wallet)


def test_a_later_transfer_of_the_wallet_is_not_taken_for_it(wallet_driver: WalletDriver) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.confirm(withdrawal)
    send_from_wallet(wallet_driver, 0, "0x", to=wallet_driver.wallet.address)
    send_from_wallet(wallet_driver, 1, transfer())
    wallet_driver.finalize(withdrawal)

    assert shown(wallet_driver, withdrawal) == ("replaced", None, None)


def test_a_lapsed_one_that_was_sped_up_is_confirmed(
    wallet_driver: WalletDriver, sql: Connection, tmp_path: Path
) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.chain.unreachable = {"send"}
    with moved_clock(tmp_path, timedelta(hours=25)):
        wallet_driver.confirm(withdrawal)
    wallet_driver.chain.unreachable = set()
    assert wallet_driver.status(withdrawal) == "lapsed"
    faster = send_from_wallet(wallet_driver, 0, transfer())
    wallet_driver.finalize(withdrawal)

    assert shown(wallet_driver, withdrawal)[:2] == ("confirmed", faster)
    assert history(sql) == [["confirmed", faster]]


@pytest.mark.parametrize("question", ["sent_by_logs", "observe"])
def test_while_the_search_is_not_answered_nothing_is_concluded(wallet_driver: WalletDriver, question: str) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.confirm(withdrawal)
    faster = send_from_wallet(wallet_driver, 0, transfer())
    wallet_driver.chain.mine(BLOCKS_TO_FINAL + 1)
    wallet_driver.chain.unreachable = {question}
    assert not wallet_driver.confirm(withdrawal)
    assert wallet_driver.status(withdrawal) == "signed"
    wallet_driver.chain.unreachable = set()
    wallet_driver.chain.disputed = {faster}  # the nodes tell different stories of it
    assert not wallet_driver.confirm(withdrawal)
    assert wallet_driver.status(withdrawal) == "signed"
    wallet_driver.chain.disputed = set()
    wallet_driver.finalize(withdrawal)

    assert shown(wallet_driver, withdrawal)[:2] == ("confirmed", faster)


def test_it_is_searched_from_the_newest_block_back_to_the_preparation(
    wallet_driver: WalletDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nonce, "BLOCKS_AT_ONCE", 4)
    withdrawal = wallet_driver.signed()
    asked: list[tuple[int, int]] = []
    told = wallet_driver.chain.sent_by_logs

    def watched(token: str, sender: str, first: int, last: int) -> set[NonceUse]:
        asked.append((first, last))
        return told(token, sender, first, last)

    monkeypatch.setattr(wallet_driver.chain, "sent_by_logs", watched)
    wallet_driver.confirm(withdrawal)
    faster = send_from_wallet(wallet_driver, 0, transfer())
    wallet_driver.finalize(withdrawal)

    assert shown(wallet_driver, withdrawal)[:2] == ("confirmed", faster)
    mined_in = wallet_driver.get(withdrawal)["block_number"]
    assert asked == sorted(asked, reverse=True)
    assert asked[-1][0] <= mined_in <= asked[-1][1]
    assert asked[-1][0] >= (wallet_driver.row(withdrawal).prepared_block or 0) == mined_in - 1


@pytest.mark.parametrize(
    ("start", "last", "ranges"),
    [
        (None, 100, [(91, 100), (81, 90), (75, 80)]),
        (None, 12, [(3, 12), (0, 2)]),
        (88, 100, [(91, 100), (88, 90)]),
        (91, 100, [(91, 100)]),
        (100, 100, [(100, 100)]),
        (101, 100, []),
    ],
)
def test_each_block_since_the_preparation_is_searched_once(
    wallet_driver: WalletDriver, monkeypatch: pytest.MonkeyPatch, start: int | None, last: int, ranges: object
) -> None:
    """If it is not known where the preparation was, the newest blocks only."""
    monkeypatch.setattr(nonce, "BLOCKS_AT_ONCE", 10)
    monkeypatch.setattr(nonce, "BLOCKS_WITHOUT_A_START", 25)
    withdrawal = replace(wallet_driver.row(wallet_driver.signed()), prepared_block=start)
    assert list(nonce._windows(withdrawal, last)) == ranges


def test_a_node_that_refuses_so_many_blocks_is_asked_for_fewer(wallet_driver: WalletDriver) -> None:
    withdrawal = wallet_driver.signed()
    wallet_driver.confirm(withdrawal)
    faster = send_from_wallet(wallet_driver, 0, transfer())
    wallet_driver.chain.blocks_per_answer_max = 3
    wallet_driver.finalize(withdrawal)

    assert shown(wallet_driver, withdrawal)[:2] == ("confirmed", faster)


def test_the_schema_keeps_an_outcome_for_what_is_final(wallet_driver: WalletDriver, sql: Connection) -> None:
    withdrawal = wallet_driver.signed()
    with pytest.raises(Exception, match="withdrawals_outcome_is_final"):
        sql.execute_simple("UPDATE withdrawals SET outcome_hash = '0x' || repeat('1', 64)")
    wallet_driver.confirm(withdrawal)
    wallet_driver.finalize(withdrawal)
    assert wallet_driver.row(withdrawal).state is State.CONFIRMED
    with pytest.raises(Exception, match="withdrawal_final"):
        sql.execute_simple("UPDATE withdrawals SET outcome_hash = NULL")
