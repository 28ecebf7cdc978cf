"""Asking for a withdrawal: what is prepared can be signed as it stands, and what cannot be paid is refused by name."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

from eth_account.typed_transactions.typed_transaction import TypedTransaction
from pg8000.dbapi import Connection

from functions.wallet import rules
from shared.values.money import Usdt
from tests import factories
from tests.client import refusal
from tests.clock import moved_clock
from tests.fakes.chain import BASE_FEE_WEI
from tests.fakes.wallet_driver import FUNDS, RECIPIENT, WalletDriver, fields_of
from tests.platform import USDT
from tests.rows import WRITTEN_BY_REFUSALS, rows_of_all_tables

pytest_plugins = ["tests.fakes.wallet_plugin"]

TIP = 30 * 10**9
GAS_NEEDED = 120_000 * (2 * BASE_FEE_WEI + TIP)


def test_what_is_prepared_is_a_transfer_that_the_wallet_signs_as_it_stands(wallet_driver: WalletDriver) -> None:
    made = wallet_driver.prepared(25.5)
    transaction = made["transaction"]

    assert (made["status"], made["amount"], made["from_address"], made["to_address"]) == (
        "prepared", 25.5, wallet_driver.wallet.address, RECIPIENT,
    )  # fmt: skip
    assert (transaction["chain_id"], transaction["nonce"], transaction["to"], transaction["value"]) == (
        137, 0, USDT, 0,
    )  # fmt: skip
    assert transaction["data"] == f"0xa9059cbb{int(RECIPIENT, 16):064x}{25_500_000:064x}"
    assert transaction["max_fee_per_gas"] == 2 * BASE_FEE_WEI + TIP
    typed = TypedTransaction.from_dict(fields_of(transaction))
    assert transaction["signing_hash"] == "0x" + bytes(typed.hash()).hex()


def test_the_serialised_bytes_are_what_the_signing_hash_is_of(wallet_driver: WalletDriver) -> None:
    from eth_utils.crypto import keccak

    transaction = wallet_driver.prepared()["transaction"]

    assert transaction["signing_hash"] == "0x" + keccak(bytes.fromhex(transaction["serialised"][2:])).hex()


def test_nothing_is_sent_or_told_yet(wallet_driver: WalletDriver, sql: Connection) -> None:
    wallet_driver.prepared()

    assert wallet_driver.chain.sent == []
    assert sql.execute_simple("SELECT count(*) FROM outbox").rows == [[0]]
    assert sql.execute_simple("SELECT count(*) FROM wallet_transactions").rows == [[0]]


def test_the_nonce_follows_what_the_wallet_has_sent_and_what_waits_in_the_pool(wallet_driver: WalletDriver) -> None:
    wallet_driver.spend_elsewhere(0)
    wallet_driver.chain.mine()
    wallet_driver.spend_elsewhere(1)

    assert wallet_driver.prepared()["nonce"] == 2


def test_all_of_it_can_be_withdrawn_to_the_last_millionth(wallet_driver: WalletDriver) -> None:
    assert wallet_driver.ask(1000.000001).problem == "balance-too-low"
    assert wallet_driver.ask(1000).status == 201


BAD_AMOUNTS: dict[str, tuple[Any, str]] = {
    "zero": (0, "amount-not-positive"),
    "negative": (-1, "amount-not-positive"),
    "a negative millionth": (-0.000001, "amount-not-positive"),
    "seven decimals": (1.0000001, "amount-too-precise"),
    "ten decimals": (1e-10, "amount-too-precise"),
    "one more than 64 bits hold": (2**63 / 10**6 + 1, "amount-too-large"),
    "far more": (2**63, "amount-too-large"),
    "as large as a float": (1.7e308, "amount-too-large"),
    "more than the wallet holds": (1000.5, "balance-too-low"),
}


def test_a_wrong_amount_is_refused_by_name_and_changes_nothing(wallet_driver: WalletDriver, sql: Connection) -> None:
    before = rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS)
    for name, (amount, problem) in BAD_AMOUNTS.items():
        assert wallet_driver.ask(amount).problem == problem, name
    assert rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS) == before


def bad_recipients(wallet_driver: WalletDriver, treasury: str) -> dict[str, tuple[str, str]]:
    swapped = RECIPIENT.replace("E340", "e340")
    return {
        "a wrong checksum": (swapped, "recipient-checksum-wrong"),
        "the zero address": ("0x" + "0" * 40, "recipient-is-nobody"),
        "the token": (USDT, "recipient-is-token"),
        "the token in small letters": (USDT.lower(), "recipient-is-token"),
        "the wallet itself": (wallet_driver.wallet.address, "recipient-is-yourself"),
        "the wallet itself in small letters": (wallet_driver.wallet.address.lower(), "recipient-is-yourself"),
        "a treasury": (treasury, "recipient-is-platform"),
        "a treasury in small letters": (treasury.lower(), "recipient-is-platform"),
    }


def test_a_wrong_recipient_is_refused_by_name_and_changes_nothing(wallet_driver: WalletDriver, sql: Connection) -> None:
    treasury = str(sql.execute_simple("SELECT address FROM signers WHERE treasury = 'wholesale'").rows[0][0])
    before = rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS)
    for name, (address, problem) in bad_recipients(wallet_driver, treasury).items():
        assert refusal(wallet_driver.ask(25, address)) == (422, problem), name
    assert rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS) == before


def test_an_address_in_small_letters_is_taken_and_shown_with_its_checksum(wallet_driver: WalletDriver) -> None:
    assert wallet_driver.ask(25, RECIPIENT.lower()).body["to_address"] == RECIPIENT


def test_a_blocked_recipient_would_cost_a_fee_for_nothing(wallet_driver: WalletDriver) -> None:
    wallet_driver.chain.blocked_addresses.add(RECIPIENT.lower())

    assert refusal(wallet_driver.ask()) == (422, "recipient-blocked")


def test_a_blocked_wallet_cannot_send(wallet_driver: WalletDriver) -> None:
    wallet_driver.chain.blocked_addresses.add(wallet_driver.wallet.address.lower())

    assert refusal(wallet_driver.ask()) == (409, "wallet-blocked")


def test_the_fee_must_be_in_the_wallet_as_well(wallet_driver: WalletDriver) -> None:
    wallet_driver.chain.gas[wallet_driver.wallet.address.lower()] = GAS_NEEDED - 1
    answer = wallet_driver.ask()
    assert refusal(answer) == (409, "gas-too-low")
    assert answer.body["needed"] == GAS_NEEDED / 10**18

    wallet_driver.chain.gas[wallet_driver.wallet.address.lower()] = GAS_NEEDED
    assert wallet_driver.ask().status == 201


def test_a_member_without_a_wallet_hears_so(wallet_driver: WalletDriver) -> None:
    wallet_driver.client.token = factories.member().token

    assert refusal(wallet_driver.ask()) == (409, "wallet-not-linked")


def test_without_a_key_nothing_is_prepared(wallet_driver: WalletDriver, sql: Connection) -> None:
    before = rows_of_all_tables(sql)
    answer = wallet_driver.client.post("/v1/wallet/withdraw", {"to_address": RECIPIENT, "amount": 25})

    assert refusal(answer) == (422, "not-valid")
    assert answer.body["errors"][0]["field"] == "Idempotency-Key"
    assert rows_of_all_tables(sql) == before


def test_while_the_chain_is_silent_the_same_request_may_come_again(
    wallet_driver: WalletDriver, sql: Connection
) -> None:
    wallet_driver.nodes.silent = True
    before = rows_of_all_tables(sql, without=("attempt_counters",))
    answer = wallet_driver.ask(key="patient")
    assert refusal(answer) == (409, "chain-unavailable")
    assert answer.headers["Retry-After"] == "5"
    assert rows_of_all_tables(sql, without=("attempt_counters",)) == before

    wallet_driver.nodes.silent = False
    assert wallet_driver.ask(key="patient").status == 201


def test_what_was_answered_is_repeated_also_while_the_chain_is_silent(wallet_driver: WalletDriver) -> None:
    first = wallet_driver.ask(key="once")
    wallet_driver.nodes.silent = True

    assert wallet_driver.ask(key="once").body == first.body


def test_nodes_on_another_chain_are_not_believed(wallet_driver: WalletDriver) -> None:
    wallet_driver.chain.chain_id = 80_002

    assert refusal(wallet_driver.ask()) == (409, "chain-unavailable")


def test_one_withdrawal_at_a_time_leaves_a_wallet(wallet_driver: WalletDriver) -> None:
    first = wallet_driver.prepared()
    answer = wallet_driver.ask()
    assert refusal(answer) == (409, "withdrawal-under-way")
    assert answer.body["withdrawal_id"] == first["id"]

    assert wallet_driver.client.post(f"/v1/wallet/withdrawals/{first['id']}/cancel").body["status"] == "cancelled"
    assert wallet_driver.ask().body["nonce"] == first["nonce"]


def test_what_is_not_signed_in_time_makes_room(wallet_driver: WalletDriver, tmp_path: Path) -> None:
    first = wallet_driver.prepared()
    with moved_clock(tmp_path, timedelta(minutes=9)):
        assert wallet_driver.ask().problem == "withdrawal-under-way"
    with moved_clock(tmp_path, timedelta(minutes=11)):
        assert wallet_driver.ask().status == 201
        assert wallet_driver.client.get(f"/v1/wallet/withdrawals/{first['id']}").body["status"] == "expired"


def test_of_many_at_once_one_is_prepared(wallet_driver: WalletDriver, sql: Connection) -> None:
    together = Barrier(16)

    def ask(number: int) -> str:
        together.wait()
        return wallet_driver.ask(key=f"click-{number % 12}").problem

    with ThreadPoolExecutor(16) as threads:
        outcomes = Counter(threads.map(ask, range(16)))

    assert outcomes[""] >= 1
    assert set(outcomes) == {"", "withdrawal-under-way"}
    assert sql.execute_simple("SELECT count(*) FROM withdrawals").rows == [[1]]


def test_what_the_wallet_holds_is_compared_exactly(wallet_driver: WalletDriver) -> None:
    assert wallet_driver.ask(float(Usdt(FUNDS).decimal) + 0.000001).body["balance"] == 1000


def test_who_prepares_without_end_waits_an_hour(wallet_driver: WalletDriver, sql: Connection) -> None:
    for _ in range(rules.WITHDRAWALS_PER_HOUR):
        made = wallet_driver.prepared()
        assert wallet_driver.client.post(f"/v1/wallet/withdrawals/{made['id']}/cancel", {}).status == 200
    before = rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS)

    answer = wallet_driver.ask()

    assert refusal(answer) == (429, "too-many-withdrawals")
    assert 1 <= int(answer.headers["Retry-After"]) <= 3_601
    assert rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS) == before
