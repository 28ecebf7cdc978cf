"""Wallets that sign only by sending: what they have sent is believed when every node has it as it was prepared."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from tests import factories
from tests.client import refusal
from tests.clock import moved_clock
from tests.fakes.wallet_driver import RECIPIENT, WalletDriver, new_wallet, send, sign
from tests.fakes.withdrawal_results import assert_confirmed_once, assert_member_notified
from tests.rows import WRITTEN_BY_REFUSALS, rows_of_all_tables

pytest_plugins = ["tests.fakes.wallet_plugin"]

UNKNOWN = "0x" + "77" * 32
MICRO = 25_000_000


def data(recipient: str = RECIPIENT, micro: int = MICRO) -> str:
    return f"0xa9059cbb{int(recipient, 16):064x}{micro:064x}"


def sent(wallet_driver: WalletDriver, made: dict[str, Any], **changed: object) -> str:
    """The wallet signs and sends by itself, at fees of its own."""
    fees = {"maxFeePerGas": 2 * 10**11, "maxPriorityFeePerGas": 4 * 10**10, "gas": 90_000}
    return send(wallet_driver.chain, sign(made["transaction"], wallet_driver.wallet, **(fees | changed)))


def test_what_the_wallet_has_sent_is_followed_until_it_is_final(wallet_driver: WalletDriver, sql: Connection) -> None:
    made = wallet_driver.prepared()
    transaction = sent(wallet_driver, made)

    answer = wallet_driver.report(made, transaction)

    assert (answer.status, answer.body["status"], answer.body["transaction"]) == (202, "signed", None)
    assert answer.body["transaction_hash"] == transaction
    assert sql.execute_simple("SELECT raw, transaction_hash FROM withdrawals").rows == [[None, transaction]]
    assert sql.execute_simple("SELECT type, status, amount FROM wallet_transactions").rows == [
        ["withdrawal", "pending", MICRO]
    ]
    withdrawal = UUID(made["id"])
    assert not wallet_driver.confirm(withdrawal)
    wallet_driver.finalize(withdrawal)
    assert_confirmed_once(wallet_driver, withdrawal, sql)


def test_what_differs_in_more_than_its_fees_is_named_and_nothing_is_kept(
    wallet_driver: WalletDriver, sql: Connection
) -> None:
    made = wallet_driver.prepared()
    cases: dict[str, tuple[dict[str, Any], list[str]]] = {
        "another nonce": ({"nonce": 3}, ["nonce"]),
        "another recipient": ({"data": data(f"0x{5:040x}")}, ["data"]),
        "another amount": ({"data": data(micro=MICRO + 1)}, ["data"]),
        "another contract": ({"to": RECIPIENT}, ["to"]),
        "two things": ({"nonce": 4, "data": data(micro=1)}, ["nonce", "data"]),
    }
    before = rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS)
    for name, (changes, fields) in cases.items():
        answer = wallet_driver.report(made, sent(wallet_driver, made, **changes))
        wallet_driver.chain.forget_pending()
        assert refusal(answer) == (422, "signed-transaction-differs"), name
        assert answer.body["fields"] == fields, name
    assert rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS) == before


def test_some_value_is_another_transaction(wallet_driver: WalletDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    made = wallet_driver.prepared()
    transaction = sent(wallet_driver, made)
    found = wallet_driver.nodes.sent(transaction)
    assert found
    monkeypatch.setattr(wallet_driver.nodes, "sent", lambda _: replace(found, value_wei=1))
    answer = wallet_driver.report(made, transaction)
    assert (refusal(answer), answer.body["fields"]) == ((422, "signed-transaction-differs"), ["value_wei"])
    monkeypatch.setattr(wallet_driver.nodes, "sent", lambda _: replace(found, chain_id=1))
    assert refusal(wallet_driver.report(made, transaction)) == (422, "signed-for-another-chain")


def test_another_wallets_transaction_is_not_taken(wallet_driver: WalletDriver, sql: Connection) -> None:
    made = wallet_driver.prepared()
    transaction = send(wallet_driver.chain, sign(made["transaction"], new_wallet()))
    before = rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS)

    assert refusal(wallet_driver.report(made, transaction)) == (422, "signed-by-another-key")
    assert rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS) == before


def test_what_a_node_has_not_heard_of_is_asked_for_again_under_the_same_key(
    wallet_driver: WalletDriver, sql: Connection
) -> None:
    made = wallet_driver.prepared()
    transaction = sent(wallet_driver, made)
    wallet_driver.chain.hidden = {transaction}
    before = rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS)
    answer = wallet_driver.report(made, transaction, key="told")
    assert (refusal(answer), answer.headers["Retry-After"]) == ((409, "transaction-not-seen"), "5")
    wallet_driver.nodes.silent = True
    assert refusal(wallet_driver.report(made, transaction, key="told")) == (409, "chain-unavailable")
    assert rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS) == before

    wallet_driver.chain.hidden, wallet_driver.nodes.silent = set(), False
    assert wallet_driver.report(made, transaction, key="told").status == 202


@pytest.mark.parametrize("given", ["", "0x", UNKNOWN[:-1], UNKNOWN + "7", "0x" + "zz" * 32, 7, None])
def test_what_is_no_hash_is_refused(wallet_driver: WalletDriver, sql: Connection, given: object) -> None:
    made = wallet_driver.prepared()
    before = rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS)
    path = f"/v1/wallet/withdrawals/{made['id']}/sent"

    assert refusal(wallet_driver.client.post(path, {"transaction_hash": given}, **{"Idempotency-Key": "x"})) == (
        422,
        "not-valid",
    )
    assert rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS) == before


def test_told_twice_it_is_kept_once_and_another_hash_is_refused(wallet_driver: WalletDriver, sql: Connection) -> None:
    made = wallet_driver.prepared()
    transaction = sent(wallet_driver, made)
    first = wallet_driver.report(made, transaction)
    faster = sent(wallet_driver, made, maxFeePerGas=4 * 10**11, maxPriorityFeePerGas=8 * 10**10)
    before = rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS)

    assert wallet_driver.report(made, faster).problem == "withdrawal-signed"
    wallet_driver.chain.mine()
    wallet_driver.chain.hidden = set()
    signed = sign(made["transaction"], wallet_driver.wallet)
    assert refusal(wallet_driver.hand_in(made, signed)) == (409, "withdrawal-signed")
    assert refusal(wallet_driver.client.post(f"/v1/wallet/withdrawals/{made['id']}/cancel")) == (
        409,
        "withdrawal-signed",
    )
    assert rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS) == before
    assert first.body["transaction_hash"] == transaction


def test_told_many_times_at_once_it_is_kept_once(wallet_driver: WalletDriver, sql: Connection) -> None:
    made = wallet_driver.prepared()
    transaction = sent(wallet_driver, made)
    together = Barrier(8)

    def tell(number: int) -> int:
        together.wait()
        return wallet_driver.report(made, transaction, key=f"tell-{number}").status

    with ThreadPoolExecutor(8) as threads:
        assert Counter(threads.map(tell, range(8))) == {202: 8}
    assert sql.execute_simple("SELECT count(*) FROM wallet_transactions").rows == [[1]]
    assert sql.execute_simple("SELECT count(*) FROM outbox").rows == [[1]]


def test_sped_up_by_the_wallet_it_is_confirmed_with_the_hash_that_is_on_the_chain(
    wallet_driver: WalletDriver, sql: Connection
) -> None:
    made = wallet_driver.prepared()
    assert wallet_driver.report(made, sent(wallet_driver, made)).status == 202
    faster = sent(wallet_driver, made, maxFeePerGas=4 * 10**11, maxPriorityFeePerGas=8 * 10**10)
    wallet_driver.finalize(UUID(made["id"]))

    shown = wallet_driver.get(UUID(made["id"]))
    assert (shown["status"], shown["transaction_hash"]) == ("confirmed", faster)
    assert sql.execute_simple("SELECT status, transaction_hash FROM wallet_transactions").rows == [
        ["confirmed", faster]
    ]


@pytest.mark.parametrize("end", ["cancelled", "expired"])
def test_what_the_wallet_sent_although_it_was_given_up_here_is_followed(
    wallet_driver: WalletDriver, sql: Connection, tmp_path: Path, end: str
) -> None:
    made = wallet_driver.prepared()
    if end == "cancelled":
        wallet_driver.client.post(f"/v1/wallet/withdrawals/{made['id']}/cancel")
    else:
        with moved_clock(tmp_path, timedelta(minutes=11)):
            wallet_driver.sweep()
    assert wallet_driver.status(UUID(made["id"])) == end
    transaction = sent(wallet_driver, made)

    assert wallet_driver.report(made, transaction).body["status"] == "signed"
    wallet_driver.finalize(UUID(made["id"]))
    assert_confirmed_once(wallet_driver, UUID(made["id"]), sql)
    with pytest.raises(Exception, match="withdrawal_transition"):
        sql.execute_simple("UPDATE withdrawals SET state = 'prepared'")


def test_beside_an_open_one_a_given_up_one_is_not_opened_again(wallet_driver: WalletDriver, sql: Connection) -> None:
    given_up = wallet_driver.prepared()
    wallet_driver.client.post(f"/v1/wallet/withdrawals/{given_up['id']}/cancel")
    open_one = wallet_driver.prepared()
    transaction = sent(wallet_driver, given_up)
    before = rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS)

    answer = wallet_driver.report(given_up, transaction)
    assert (refusal(answer), answer.body["withdrawal_id"]) == ((409, "withdrawal-under-way"), open_one["id"])
    assert rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS) == before
    assert wallet_driver.report(open_one, transaction).status == 202  # it has the same terms and nonce


def test_one_transaction_is_not_two_withdrawals(wallet_driver: WalletDriver) -> None:
    first = wallet_driver.prepared()
    wallet_driver.client.post(f"/v1/wallet/withdrawals/{first['id']}/cancel")
    second = wallet_driver.prepared()
    wallet_driver.client.post(f"/v1/wallet/withdrawals/{second['id']}/cancel")
    transaction = sent(wallet_driver, first)
    assert wallet_driver.report(first, transaction).status == 202
    wallet_driver.finalize(UUID(first["id"]))

    assert refusal(wallet_driver.report(second, transaction)) == (409, "withdrawal-signed")


def test_it_is_its_members_own(wallet_driver: WalletDriver) -> None:
    made = wallet_driver.prepared()
    transaction = sent(wallet_driver, made)
    wallet_driver.client.token = factories.member(wallet=new_wallet().address).token

    assert wallet_driver.report(made, transaction).status == 404


def test_what_no_block_takes_lapses_and_nobody_sends_it(
    wallet_driver: WalletDriver, sql: Connection, tmp_path: Path
) -> None:
    made = wallet_driver.prepared()
    transaction = sent(wallet_driver, made)
    assert wallet_driver.report(made, transaction).status == 202
    wallet_driver.chain.forget_pending()
    tried = len(wallet_driver.chain.sent)
    with moved_clock(tmp_path, timedelta(hours=25)):
        wallet_driver.confirm(UUID(made["id"]))
    assert wallet_driver.status(UUID(made["id"])) == "lapsed"
    assert len(wallet_driver.chain.sent) == tried
    assert_member_notified(sql, ["Your withdrawal of $25 USDT has not gone through yet"])


def test_the_schema_takes_no_bytes_for_what_is_closed_and_no_second_hash(
    wallet_driver: WalletDriver, sql: Connection
) -> None:
    made = wallet_driver.prepared()
    wallet_driver.client.post(f"/v1/wallet/withdrawals/{made['id']}/cancel")
    with pytest.raises(Exception, match="withdrawal_transition"):
        sql.execute_simple(
            f"UPDATE withdrawals SET state = 'signed', raw = '\\x02', transaction_hash = '{UNKNOWN}', signed_at = now()"
        )
    assert wallet_driver.report(made, sent(wallet_driver, made)).status == 202
    with pytest.raises(Exception, match="withdrawal_signature"):
        sql.execute_simple(f"UPDATE withdrawals SET transaction_hash = '{UNKNOWN}'")
