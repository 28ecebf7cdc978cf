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
from tests.fakes.wallet_desk import RECIPIENT, WalletDesk, new_wallet, send, sign
from tests.fakes.withdrawal_results import assert_confirmed_once, assert_told
from tests.rows import WRITTEN_BY_REFUSALS, rows_of_all_tables

pytest_plugins = ["tests.fakes.wallet_plugin"]

UNKNOWN = "0x" + "77" * 32
MICRO = 25_000_000


def data(recipient: str = RECIPIENT, micro: int = MICRO) -> str:
    return f"0xa9059cbb{int(recipient, 16):064x}{micro:064x}"


def sent(purse: WalletDesk, made: dict[str, Any], **changed: object) -> str:
    """The wallet signs and sends by itself, at fees of its own."""
    fees = {"maxFeePerGas": 2 * 10**11, "maxPriorityFeePerGas": 4 * 10**10, "gas": 90_000}
    return send(purse.chain, sign(made["transaction"], purse.wallet, **(fees | changed)))


def test_what_the_wallet_has_sent_is_followed_until_it_is_final(purse: WalletDesk, sql: Connection) -> None:
    made = purse.prepared()
    transaction = sent(purse, made)

    answer = purse.report(made, transaction)

    assert (answer.status, answer.body["status"], answer.body["transaction"]) == (202, "signed", None)
    assert answer.body["transaction_hash"] == transaction
    assert sql.execute_simple("SELECT raw, transaction_hash FROM withdrawals").rows == [[None, transaction]]
    assert sql.execute_simple("SELECT type, status, amount FROM wallet_transactions").rows == [
        ["withdrawal", "pending", MICRO]
    ]
    withdrawal = UUID(made["id"])
    assert not purse.look(withdrawal)
    purse.bury(withdrawal)
    assert_confirmed_once(purse, withdrawal, sql)


def test_what_differs_in_more_than_its_fees_is_named_and_nothing_is_kept(purse: WalletDesk, sql: Connection) -> None:
    made = purse.prepared()
    cases: dict[str, tuple[dict[str, Any], list[str]]] = {
        "another nonce": ({"nonce": 3}, ["nonce"]),
        "another recipient": ({"data": data(f"0x{5:040x}")}, ["data"]),
        "another amount": ({"data": data(micro=MICRO + 1)}, ["data"]),
        "another contract": ({"to": RECIPIENT}, ["to"]),
        "two things": ({"nonce": 4, "data": data(micro=1)}, ["nonce", "data"]),
    }
    before = rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS)
    for name, (changes, fields) in cases.items():
        answer = purse.report(made, sent(purse, made, **changes))
        purse.chain.forget_pending()
        assert refusal(answer) == (422, "signed-transaction-differs"), name
        assert answer.body["fields"] == fields, name
    assert rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS) == before


def test_some_value_is_another_transaction(purse: WalletDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    made = purse.prepared()
    transaction = sent(purse, made)
    found = purse.nodes.sent(transaction)
    assert found
    monkeypatch.setattr(purse.nodes, "sent", lambda _: replace(found, value_wei=1))
    answer = purse.report(made, transaction)
    assert (refusal(answer), answer.body["fields"]) == ((422, "signed-transaction-differs"), ["value_wei"])
    monkeypatch.setattr(purse.nodes, "sent", lambda _: replace(found, chain_id=1))
    assert refusal(purse.report(made, transaction)) == (422, "signed-for-another-chain")


def test_another_wallets_transaction_is_not_taken(purse: WalletDesk, sql: Connection) -> None:
    made = purse.prepared()
    transaction = send(purse.chain, sign(made["transaction"], new_wallet()))
    before = rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS)

    assert refusal(purse.report(made, transaction)) == (422, "signed-by-another-key")
    assert rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS) == before


def test_what_a_node_has_not_heard_of_is_asked_for_again_under_the_same_key(purse: WalletDesk, sql: Connection) -> None:
    made = purse.prepared()
    transaction = sent(purse, made)
    purse.chain.hidden = {transaction}
    before = rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS)
    answer = purse.report(made, transaction, key="told")
    assert (refusal(answer), answer.headers["Retry-After"]) == ((409, "transaction-not-seen"), "5")
    purse.nodes.silent = True
    assert refusal(purse.report(made, transaction, key="told")) == (409, "chain-unavailable")
    assert rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS) == before

    purse.chain.hidden, purse.nodes.silent = set(), False
    assert purse.report(made, transaction, key="told").status == 202


@pytest.mark.parametrize("given", ["", "0x", UNKNOWN[:-1], UNKNOWN + "7", "0x" + "zz" * 32, 7, None])
def test_what_is_no_hash_is_refused(purse: WalletDesk, sql: Connection, given: object) -> None:
    made = purse.prepared()
    before = rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS)
    path = f"/v1/wallet/withdrawals/{made['id']}/sent"

    assert refusal(purse.client.post(path, {"transaction_hash": given}, **{"Idempotency-Key": "x"})) == (
        422,
        "not-valid",
    )
    assert rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS) == before


def test_told_twice_it_is_kept_once_and_another_hash_is_refused(purse: WalletDesk, sql: Connection) -> None:
    made = purse.prepared()
    transaction = sent(purse, made)
    first = purse.report(made, transaction)
    faster = sent(purse, made, maxFeePerGas=4 * 10**11, maxPriorityFeePerGas=8 * 10**10)
    before = rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS)

    assert purse.report(made, faster).problem == "withdrawal-signed"
    purse.chain.mine()
    purse.chain.hidden = set()
    signed = sign(made["transaction"], purse.wallet)
    assert refusal(purse.hand_in(made, signed)) == (409, "withdrawal-signed")
    assert refusal(purse.client.post(f"/v1/wallet/withdrawals/{made['id']}/cancel")) == (409, "withdrawal-signed")
    assert rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS) == before
    assert first.body["transaction_hash"] == transaction


def test_told_many_times_at_once_it_is_kept_once(purse: WalletDesk, sql: Connection) -> None:
    made = purse.prepared()
    transaction = sent(purse, made)
    together = Barrier(8)

    def tell(number: int) -> int:
        together.wait()
        return purse.report(made, transaction, key=f"tell-{number}").status

    with ThreadPoolExecutor(8) as threads:
        assert Counter(threads.map(tell, range(8))) == {202: 8}
    assert sql.execute_simple("SELECT count(*) FROM wallet_transactions").rows == [[1]]
    assert sql.execute_simple("SELECT count(*) FROM outbox").rows == [[1]]


def test_sped_up_by_the_wallet_it_is_confirmed_with_the_hash_that_is_on_the_chain(
    purse: WalletDesk, sql: Connection
) -> None:
    made = purse.prepared()
    assert purse.report(made, sent(purse, made)).status == 202
    faster = sent(purse, made, maxFeePerGas=4 * 10**11, maxPriorityFeePerGas=8 * 10**10)
    purse.bury(UUID(made["id"]))

    shown = purse.get(UUID(made["id"]))
    assert (shown["status"], shown["transaction_hash"]) == ("confirmed", faster)
    assert sql.execute_simple("SELECT status, transaction_hash FROM wallet_transactions").rows == [
        ["confirmed", faster]
    ]


@pytest.mark.parametrize("end", ["cancelled", "expired"])
def test_what_the_wallet_sent_although_it_was_given_up_here_is_followed(
    purse: WalletDesk, sql: Connection, tmp_path: Path, end: str
) -> None:
    made = purse.prepared()
    if end == "cancelled":
        purse.client.post(f"/v1/wallet/withdrawals/{made['id']}/cancel")
    else:
        with moved_clock(tmp_path, timedelta(minutes=11)):
            purse.sweep()
    assert purse.status(UUID(made["id"])) == end
    transaction = sent(purse, made)

    assert purse.report(made, transaction).body["status"] == "signed"
    purse.bury(UUID(made["id"]))
    assert_confirmed_once(purse, UUID(made["id"]), sql)
    with pytest.raises(Exception, match="withdrawal_transition"):
        sql.execute_simple("UPDATE withdrawals SET state = 'prepared'")


def test_beside_an_open_one_a_given_up_one_is_not_opened_again(purse: WalletDesk, sql: Connection) -> None:
    given_up = purse.prepared()
    purse.client.post(f"/v1/wallet/withdrawals/{given_up['id']}/cancel")
    open_one = purse.prepared()
    transaction = sent(purse, given_up)
    before = rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS)

    answer = purse.report(given_up, transaction)
    assert (refusal(answer), answer.body["withdrawal_id"]) == ((409, "withdrawal-under-way"), open_one["id"])
    assert rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS) == before
    assert purse.report(open_one, transaction).status == 202  # it has the same terms and nonce


def test_one_transaction_is_not_two_withdrawals(purse: WalletDesk) -> None:
    first = purse.prepared()
    purse.client.post(f"/v1/wallet/withdrawals/{first['id']}/cancel")
    second = purse.prepared()
    purse.client.post(f"/v1/wallet/withdrawals/{second['id']}/cancel")
    transaction = sent(purse, first)
    assert purse.report(first, transaction).status == 202
    purse.bury(UUID(first["id"]))

    assert refusal(purse.report(second, transaction)) == (409, "withdrawal-signed")


def test_it_is_its_members_own(purse: WalletDesk) -> None:
    made = purse.prepared()
    transaction = sent(purse, made)
    purse.client.token = factories.member(wallet=new_wallet().address).token

    assert purse.report(made, transaction).status == 404


def test_what_no_block_takes_lapses_and_nobody_sends_it(purse: WalletDesk, sql: Connection, tmp_path: Path) -> None:
    made = purse.prepared()
    transaction = sent(purse, made)
    assert purse.report(made, transaction).status == 202
    purse.chain.forget_pending()
    tried = len(purse.chain.sent)
    with moved_clock(tmp_path, timedelta(hours=25)):
        purse.look(UUID(made["id"]))
    assert purse.status(UUID(made["id"])) == "lapsed"
    assert len(purse.chain.sent) == tried
    assert_told(sql, ["Your withdrawal of $25 USDT has not gone through yet"])


def test_the_schema_takes_no_bytes_for_what_is_closed_and_no_second_hash(purse: WalletDesk, sql: Connection) -> None:
    made = purse.prepared()
    purse.client.post(f"/v1/wallet/withdrawals/{made['id']}/cancel")
    with pytest.raises(Exception, match="withdrawal_transition"):
        sql.execute_simple(
            f"UPDATE withdrawals SET state = 'signed', raw = '\\x02', transaction_hash = '{UNKNOWN}', signed_at = now()"
        )
    assert purse.report(made, sent(purse, made)).status == 202
    with pytest.raises(Exception, match="withdrawal_signature"):
        sql.execute_simple(f"UPDATE withdrawals SET transaction_hash = '{UNKNOWN}'")
