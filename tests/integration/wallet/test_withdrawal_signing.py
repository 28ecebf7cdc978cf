"""Handing in a signed withdrawal: only what was prepared, signed by the wallet's own key, is kept; and only once."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from pg8000.dbapi import Connection

from shared import db
from shared.ports.kms import SECP256K1_ORDER
from tests import factories
from tests.client import refusal
from tests.clock import moved_clock
from tests.fakes.wallet_driver import RECIPIENT, WalletDriver, new_wallet, sign
from tests.platform import USDT
from tests.rows import WRITTEN_BY_REFUSALS, rows_of_all_tables

pytest_plugins = ["tests.fakes.wallet_plugin"]

Raw = Callable[[dict[str, Any], LocalAccount], str]
OTHER = f"{int(RECIPIENT, 16) + 1:064x}"


def data(recipient: str = f"{int(RECIPIENT, 16):064x}", micro: int = 25_000_000, selector: str = "a9059cbb") -> str:
    return f"0x{selector}{recipient}{micro:064x}"


CHANGES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "another nonce": ({"nonce": 1}, ["nonce"]),
    "another contract": ({"to": RECIPIENT}, ["to"]),
    "some value": ({"value": 1}, ["value_wei"]),
    "another recipient": ({"data": data(OTHER)}, ["data"]),
    "another amount": ({"data": data(micro=25_000_001)}, ["data"]),
    "another call": ({"data": data(selector="095ea7b3")}, ["data"]),
    "something after the call": ({"data": data() + "00"}, ["data"]),
    "no call": ({"data": "0x"}, ["data"]),
    "more gas": ({"gas": 120_001}, ["gas_limit"]),
    "a lower fee": ({"maxFeePerGas": 89 * 10**9}, ["fee_per_gas_wei_max"]),
    "a lower tip": ({"maxPriorityFeePerGas": 29 * 10**9}, ["priority_fee_per_gas_wei_max"]),
    "an access list": ({"accessList": [{"address": USDT, "storageKeys": []}]}, ["access_list"]),
    "two things": ({"nonce": 7, "value": 5}, ["nonce", "value_wei"]),
    "a transaction without a type": (
        {"type": None, "accessList": None, "maxFeePerGas": None, "maxPriorityFeePerGas": None, "gasPrice": 10**11},
        ["type"],
    ),
    "type 1": ({"type": 1, "maxFeePerGas": None, "maxPriorityFeePerGas": None, "gasPrice": 10**11}, ["type"]),
}


def test_what_differs_from_what_was_prepared_is_named_and_nothing_is_kept(
    wallet_driver: WalletDriver, sql: Connection
) -> None:
    made = wallet_driver.prepared()
    before = rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS)
    for name, (changes, fields) in CHANGES.items():
        answer = wallet_driver.hand_in(made, sign(made["transaction"], wallet_driver.wallet, **changes))
        assert refusal(answer) == (422, "signed-transaction-differs"), name
        assert answer.body["fields"] == fields, name
    assert rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS) == before


def test_another_chain_has_a_problem_of_its_own(wallet_driver: WalletDriver, sql: Connection) -> None:
    made = wallet_driver.prepared()
    before = rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS)

    assert refusal(wallet_driver.hand_in(made, sign(made["transaction"], wallet_driver.wallet, chainId=1))) == (
        422, "signed-for-another-chain",
    )  # fmt: skip
    assert rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS) == before


def test_another_key_cannot_sign_for_the_wallet(wallet_driver: WalletDriver, sql: Connection) -> None:
    made = wallet_driver.prepared()
    before = rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS)

    answer = wallet_driver.hand_in(made, sign(made["transaction"], new_wallet()))

    assert refusal(answer) == (422, "signed-by-another-key")
    assert rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS) == before


def flipped(raw: str) -> str:
    """The other signature of the same key, which nodes refuse: s in the upper half, y the other way round."""
    import rlp

    fields = rlp.decode(bytes.fromhex(raw[4:]))
    y, s = int.from_bytes(fields[9], "big"), int.from_bytes(fields[11], "big")
    fields[9], fields[11] = (b"" if y else b"\x01"), (SECP256K1_ORDER - s).to_bytes(32, "big")
    return f"0x02{rlp.encode(fields).hex()}"


def padded(raw: str) -> str:
    """The nonce with a zero in front: another encoding of the same number."""
    import rlp

    fields = rlp.decode(bytes.fromhex(raw[4:]))
    fields[1] = b"\x00"
    return f"0x02{rlp.encode(fields).hex()}"


def test_bytes_that_no_node_takes_are_no_signed_transaction(wallet_driver: WalletDriver, sql: Connection) -> None:
    made = wallet_driver.prepared()
    good = sign(made["transaction"], wallet_driver.wallet)
    before = rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS)
    cases = {
        "the unsigned one": made["transaction"]["serialised"],
        "cut off": good[:-2],
        "something after it": good + "00",
        "no list": "0x02" + "80",
        "nothing but a type": "0x02",
        "deep lists": "0x02" + "c1" * 1000 + "c0",
        "s in the upper half": flipped(good),
        "a number with a zero in front": padded(good),
    }
    for name, raw in cases.items():
        assert refusal(wallet_driver.hand_in(made, raw)) == (422, "signed-transaction-not-readable"), name
    assert rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS) == before


def test_what_was_signed_is_kept_before_anybody_sends_it(wallet_driver: WalletDriver, sql: Connection) -> None:
    made = wallet_driver.prepared()
    raw = sign(made["transaction"], wallet_driver.wallet)
    answer = wallet_driver.hand_in(made, raw)

    assert (answer.status, answer.body["status"], answer.body["transaction"]) == (202, "signed", None)
    assert answer.body["explorer_url"] == f"https://polygonscan.com/tx/{answer.body['transaction_hash']}"
    assert wallet_driver.chain.sent == []
    assert sql.execute_simple("SELECT encode(raw, 'hex') FROM withdrawals").rows == [[raw[2:]]]
    assert sql.execute_simple("SELECT destination, body ->> 'withdrawal_id' FROM outbox").rows == [
        ["withdrawal-confirm", made["id"]]
    ]
    assert sql.execute_simple("SELECT type, status, amount FROM wallet_transactions").rows == [
        ["withdrawal", "pending", 25_000_000]
    ]


def test_handed_in_twice_it_is_kept_once(wallet_driver: WalletDriver, sql: Connection) -> None:
    made = wallet_driver.prepared()
    raw = sign(made["transaction"], wallet_driver.wallet)
    first = wallet_driver.hand_in(made, raw)
    before = rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS)

    assert wallet_driver.hand_in(made, raw).body == first.body
    assert refusal(wallet_driver.hand_in(made, sign(made["transaction"], wallet_driver.wallet, nonce=9))) == (
        409,
        "withdrawal-signed",
    )
    assert rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS) == before


def test_handed_in_many_times_at_once_it_is_kept_once(wallet_driver: WalletDriver, sql: Connection) -> None:
    made = wallet_driver.prepared()
    raw = sign(made["transaction"], wallet_driver.wallet)
    together = Barrier(12)

    def click(number: int) -> int:
        together.wait()
        return wallet_driver.hand_in(made, raw, key=f"click-{number % 8}").status

    with ThreadPoolExecutor(12) as threads:
        assert Counter(threads.map(click, range(12))) == {202: 12}
    assert sql.execute_simple("SELECT count(*) FROM outbox").rows == [[1]]
    assert sql.execute_simple("SELECT count(*) FROM wallet_transactions").rows == [[1]]


def test_signed_and_cancelled_at_once_it_is_one_of_both(wallet_driver: WalletDriver) -> None:
    made = wallet_driver.prepared()
    raw = sign(made["transaction"], wallet_driver.wallet)
    path = f"/v1/wallet/withdrawals/{made['id']}"
    together = Barrier(2)

    def act(which: str) -> str:
        together.wait()
        return (
            wallet_driver.client.post(f"{path}/cancel") if which == "cancel" else wallet_driver.hand_in(made, raw)
        ).problem

    with ThreadPoolExecutor(2) as threads:
        outcomes = list(threads.map(act, ["cancel", "sign"]))
    status = wallet_driver.client.get(path).body["status"]
    assert (outcomes, status) in ((["", "withdrawal-closed"], "cancelled"), (["withdrawal-signed", ""], "signed"))


def test_what_is_signed_cannot_be_taken_back(wallet_driver: WalletDriver) -> None:
    path = f"/v1/wallet/withdrawals/{wallet_driver.signed()}/cancel"

    assert refusal(wallet_driver.client.post(path)) == (409, "withdrawal-signed")


def test_what_was_cancelled_or_has_expired_cannot_be_signed(wallet_driver: WalletDriver, tmp_path: Path) -> None:
    cancelled = wallet_driver.prepared()
    path = f"/v1/wallet/withdrawals/{cancelled['id']}/cancel"
    assert [wallet_driver.client.post(path).body["status"] for _ in range(2)] == ["cancelled", "cancelled"]
    raw = sign(cancelled["transaction"], wallet_driver.wallet)
    assert refusal(wallet_driver.hand_in(cancelled, raw)) == (409, "withdrawal-closed")

    late = wallet_driver.prepared()
    with moved_clock(tmp_path, timedelta(minutes=11)):
        assert refusal(wallet_driver.hand_in(late, sign(late["transaction"], wallet_driver.wallet))) == (
            409,
            "withdrawal-closed",
        )
    assert wallet_driver.client.get(f"/v1/wallet/withdrawals/{late['id']}").body["status"] == "expired"


def test_a_withdrawal_is_its_members_own(wallet_driver: WalletDriver, sql: Connection) -> None:
    made = wallet_driver.prepared()
    raw = sign(made["transaction"], wallet_driver.wallet)
    wallet_driver.client.token = factories.member(wallet=new_wallet().address).token
    before = rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS)
    path = f"/v1/wallet/withdrawals/{made['id']}"

    assert wallet_driver.client.get(path).status == 404
    assert wallet_driver.client.post(f"{path}/cancel").status == 404
    assert wallet_driver.hand_in(made, raw).status == 404
    assert wallet_driver.client.get("/v1/wallet/withdrawals").body["items"] == []
    assert rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS) == before


def test_after_another_wallet_was_linked_the_old_ones_withdrawal_is_refused(
    wallet_driver: WalletDriver, sql: Connection
) -> None:
    made = wallet_driver.prepared()
    sql.execute_unnamed(
        "UPDATE members SET wallet_address = $1 WHERE id = $2", (new_wallet().address, wallet_driver.member.id)
    )

    answer = wallet_driver.hand_in(made, sign(made["transaction"], wallet_driver.wallet))

    assert refusal(answer) == (409, "wallet-changed")


FORBIDDEN = {
    "withdrawal_terms": "UPDATE withdrawals SET amount = amount + 1",
    "withdrawal_signature": "UPDATE withdrawals SET raw = '\\x02'",
    "withdrawal_transition": "UPDATE withdrawals SET state = 'replaced', state_at = now(); "
    "UPDATE withdrawals SET state = 'signed'",
    "never_deleted": "DELETE FROM wallet_transactions; DELETE FROM withdrawals",
}


@pytest.mark.parametrize("rule", FORBIDDEN)
def test_the_schema_refuses_what_no_code_may_do(wallet_driver: WalletDriver, sql: Connection, rule: str) -> None:
    wallet_driver.signed()

    with pytest.raises(Exception, match=rule):
        sql.execute_simple(FORBIDDEN[rule])


def test_the_schema_lets_one_withdrawal_be_open_for_a_wallet(wallet_driver: WalletDriver, sql: Connection) -> None:
    wallet_driver.signed()
    columns = (
        "member_id, lower(from_address), to_address, amount, chain_id, token_address, nonce + 1, gas_limit, "
        "fee_per_gas_wei_max, priority_fee_per_gas_wei_max, prepared_at, expires_at, state_at"
    )

    with pytest.raises(Exception, match="withdrawals_one_open"):
        sql.execute_simple(
            "INSERT INTO withdrawals (id, member_id, from_address, to_address, amount, chain_id, token_address, nonce, "
            "gas_limit, fee_per_gas_wei_max, priority_fee_per_gas_wei_max, prepared_at, expires_at, state_at) "
            f"SELECT gen_random_uuid(), {columns} FROM withdrawals"
        )
    assert db.atomically(lambda tx: tx.run("SELECT FROM withdrawals")) == 1
