"""The history has what a wallet gets from elsewhere and what its card spends, once, and nothing else."""

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from functions.wallet_watch import main as wallet_watch
from functions.wallet_watch.main import WalletWatchConfig
from shared import clock
from shared.config import read
from tests import factories
from tests.client import FunctionClient
from tests.factories import Somebody
from tests.fakes.crashes import killed_after
from tests.fakes.invoker import FunctionInvoker
from tests.fakes.nodes import STRANGER, FakeNodes
from tests.fakes.payout_driver import PayoutDriver
from tests.platform import Platform

pytest_plugins = ["tests.fakes.treasury_plugin"]

WALLET = "0x8617E340B3D01FA5F11F306F4090FD50E238070D"
CARD = "0x" + "0B" * 20
MICRO = 1_000_000
WATCHERS = 4
TRANSACTIONS_MAX = 8
LONG_BLOCKS = 2_300  # more than one run reads


@pytest.fixture
def owner_of_wallet(
    platform: Platform, two_nodes: FakeNodes, advance_clock: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> Somebody:
    """A member whose wallet was linked a minute ago; the watcher has begun, and knows the card's address."""
    assert platform
    monkeypatch.setenv("OOBIT_ADDRESSES", f"{CARD}, {'0x' + '0c' * 20}")
    read.cache_clear()
    member = factories.member(wallet=WALLET)
    advance_clock(60)
    watch(two_nodes)
    return member


def watch(two_nodes: FakeNodes) -> None:
    """Make everything on the chain final, and look."""
    two_nodes.finish()
    wallet_watch.sweep(clock.now())


def history(client: Callable[..., FunctionClient], member: Somebody) -> list[dict[str, Any]]:
    return list(client(member.token).get("/v1/transactions").body["items"])


def told(sql: Connection, member: Somebody) -> list[str]:
    query = "SELECT title FROM notifications WHERE member_id = $1 AND code = 'external_deposit' ORDER BY created_at"
    return [str(title) for (title,) in sql.execute_unnamed(query, (member.id,)).rows]


def test_money_from_elsewhere_is_in_the_history_and_told_once(
    owner_of_wallet: Somebody, two_nodes: FakeNodes, client: Callable[..., FunctionClient], sql: Connection
) -> None:
    sent = two_nodes.pay_in(WALLET, 25 * MICRO)
    watch(two_nodes)
    watch(two_nodes)

    (shown,) = history(client, owner_of_wallet)
    assert (shown["type"], shown["direction"], shown["amount"], shown["status"]) == (
        "external_deposit", "in", 25, "confirmed",
    )  # fmt: skip
    assert (shown["transaction_hash"], shown["from_address"], shown["to_address"]) == (sent, STRANGER, WALLET.lower())
    assert shown["explorer_url"] == f"https://polygonscan.com/tx/{sent}"
    assert told(sql, owner_of_wallet) == ["$25 USDT came into your wallet"]


def test_the_schedule_calls_it(
    owner_of_wallet: Somebody, two_nodes: FakeNodes, platform: Platform, client: Any
) -> None:
    two_nodes.pay_in(WALLET, MICRO)
    two_nodes.finish()
    assert FunctionInvoker(platform.invoker_token).schedule("wallet_watch", "sweep") == 204
    assert [shown["amount"] for shown in history(client, owner_of_wallet)] == [1]


def test_what_is_not_final_is_not_shown(
    owner_of_wallet: Somebody, two_nodes: FakeNodes, client: Callable[..., FunctionClient]
) -> None:
    two_nodes.pay_in(WALLET, MICRO)
    wallet_watch.sweep(clock.now())
    assert history(client, owner_of_wallet) == []


def test_what_the_card_spends_is_shown_and_not_told(
    owner_of_wallet: Somebody, two_nodes: FakeNodes, client: Callable[..., FunctionClient], sql: Connection
) -> None:
    two_nodes.pay_in(CARD, 7 * MICRO, WALLET)
    two_nodes.pay_in(STRANGER, 9 * MICRO, WALLET)
    watch(two_nodes)

    (shown,) = history(client, owner_of_wallet)
    assert (shown["type"], shown["direction"], shown["amount"]) == ("oobit_spend", "out", 7)
    assert told(sql, owner_of_wallet) == []


@pytest.mark.parametrize("state", ["signed", "confirmed"])
def test_a_withdrawal_to_the_card_is_no_spending_beside_it(
    owner_of_wallet: Somebody,
    two_nodes: FakeNodes,
    client: Callable[..., FunctionClient],
    sql: Connection,
    state: str,
) -> None:
    """Neither while its wallet may have sent it anew at a higher fee, nor when that is known."""
    sent = two_nodes.pay_in(CARD, 7 * MICRO, WALLET)
    identity = uuid4()
    sql.execute_simple("SET session_replication_role = replica")
    sql.execute_unnamed(
        """
        INSERT INTO withdrawals (id, member_id, from_address, to_address, amount, chain_id, token_address, nonce,
            gas_limit, fee_per_gas_wei_max, priority_fee_per_gas_wei_max, prepared_at, expires_at, state, state_at,
            transaction_hash, signed_at, outcome_hash, block_number, block_hash,
            succeeded)
        VALUES ($1, $2, $3, $4, $5, 137, $3, 1, 60000, 1, 1, now(), now() + interval '10 minutes',
            CAST($6 AS withdrawal_state), now(), '0x' || repeat('ab', 32), now(), $7, $8, $9, $10)
        """,
        (identity, owner_of_wallet.id, WALLET, CARD, 7 * MICRO, state,
         *((sent, 9, "0x" + "cd" * 32, True) if state == "confirmed" else (None,) * 4)),
    )  # fmt: skip
    sql.execute_simple("SET session_replication_role = origin")
    watch(two_nodes)
    assert history(client, owner_of_wallet) == []


def test_what_we_pay_ourselves_is_not_shown_a_second_time(
    owner_of_wallet: Somebody,
    two_nodes: FakeNodes,
    payout_driver: PayoutDriver,
    client: Callable[..., FunctionClient],
) -> None:
    payout = payout_driver.request(5 * MICRO, WALLET)
    payout_driver.send(payout)
    payout_driver.finalize(payout)
    watch(two_nodes)
    assert any(it.recipient == WALLET.lower() for it in two_nodes.movements())
    assert history(client, owner_of_wallet) == []


@pytest.mark.parametrize("micro", [0, 1, 9_999])
def test_dust_that_brings_a_look_alike_address_is_not_shown(
    owner_of_wallet: Somebody, two_nodes: FakeNodes, client: Callable[..., FunctionClient], micro: int
) -> None:
    two_nodes.pay_in(WALLET, micro, "0x8617e340b3d01fa5f11f306f4090fd50e238070e")
    two_nodes.pay_in(WALLET, micro, WALLET)
    watch(two_nodes)
    assert history(client, owner_of_wallet) == []


def test_another_token_of_the_same_name_is_no_money(
    owner_of_wallet: Somebody, two_nodes: FakeNodes, client: Callable[..., FunctionClient], logged: io.StringIO
) -> None:
    """A node that tells logs of another token than it was asked for is not believed at all."""
    two_nodes.pay_in(WALLET, 500 * MICRO)
    two_nodes.one.strays = two_nodes.other.strays = True
    watch(two_nodes)
    assert history(client, owner_of_wallet) == []
    assert "the chain cannot be read for wallets" in logged.getvalue()

    two_nodes.one.strays = two_nodes.other.strays = False
    watch(two_nodes)
    assert [shown["amount"] for shown in history(client, owner_of_wallet)] == [500]


def test_nodes_that_differ_are_asked_again(
    owner_of_wallet: Somebody, two_nodes: FakeNodes, client: Callable[..., FunctionClient]
) -> None:
    hidden = two_nodes.pay_in(WALLET, MICRO)
    two_nodes.other.hides.add(hidden)
    watch(two_nodes)
    assert history(client, owner_of_wallet) == []

    two_nodes.other.hides.clear()
    watch(two_nodes)
    assert len(history(client, owner_of_wallet)) == 1


def test_a_block_that_was_final_and_is_another_one_stops_it(
    owner_of_wallet: Somebody,
    two_nodes: FakeNodes,
    client: Callable[..., FunctionClient],
    sql: Connection,
    logged: io.StringIO,
) -> None:
    assert owner_of_wallet
    sql.execute_simple("UPDATE wallet_scans SET block_hash = '0x' || repeat('ee', 32)")
    two_nodes.pay_in(WALLET, MICRO)
    watch(two_nodes)
    assert history(client, owner_of_wallet) == []
    assert "the last block that was read for wallets is another one now" in logged.getvalue()


def test_killed_after_each_transaction_it_ends_the_same(
    owner_of_wallet: Somebody, two_nodes: FakeNodes, client: Callable[..., FunctionClient], sql: Connection
) -> None:
    for amount in range(1, TRANSACTIONS_MAX):
        two_nodes.pay_in(WALLET, amount * MICRO)
    two_nodes.finish()
    for transactions in range(TRANSACTIONS_MAX):
        with killed_after(transactions):
            wallet_watch.sweep(clock.now())

    watch(two_nodes)
    amounts = [shown["amount"] for shown in history(client, owner_of_wallet)]
    assert sorted(amounts) == list(range(1, TRANSACTIONS_MAX))
    assert len(told(sql, owner_of_wallet)) == len(amounts)


def test_watchers_that_meet_show_it_once(
    owner_of_wallet: Somebody, two_nodes: FakeNodes, client: Callable[..., FunctionClient], sql: Connection
) -> None:
    two_nodes.pay_in(WALLET, MICRO)
    two_nodes.finish()
    with ThreadPoolExecutor(WATCHERS) as threads:
        list(threads.map(lambda _: wallet_watch.sweep(clock.now()), range(WATCHERS)))
    assert len(history(client, owner_of_wallet)) == len(told(sql, owner_of_wallet)) == 1


def test_after_a_long_silence_it_goes_on_from_where_it_was(
    owner_of_wallet: Somebody, two_nodes: FakeNodes, client: Callable[..., FunctionClient], logged: io.StringIO
) -> None:
    two_nodes.pay_in(WALLET, MICRO)
    two_nodes.chain.mine(2 * LONG_BLOCKS)
    two_nodes.pay_in(WALLET, 2 * MICRO)
    two_nodes.blocks_per_answer_max = 20  # less than it asks for
    watch(two_nodes)
    assert [shown["amount"] for shown in history(client, owner_of_wallet)] == [1]
    assert "the wallets' transfers are read too late" in logged.getvalue()

    two_nodes.blocks_per_answer_max = 10_000
    for _ in range(3):
        watch(two_nodes)
    assert sorted(shown["amount"] for shown in history(client, owner_of_wallet)) == [1, 2]


def test_only_what_comes_after_the_link_is_the_members(
    owner_of_wallet: Somebody,
    two_nodes: FakeNodes,
    client: Callable[..., FunctionClient],
    advance_clock: Callable[[float], None],
    sql: Connection,
) -> None:
    assert owner_of_wallet
    other = "0x" + "12" * 20
    two_nodes.pay_in(other, MICRO)
    two_nodes.finish()
    advance_clock(60)
    second = factories.member()
    sql.execute_unnamed(
        "UPDATE members SET wallet_address = $1, updated_at = $2 WHERE id = $3", (other, clock.now(), second.id)
    )
    watch(two_nodes)
    assert history(client, second) == []

    advance_clock(60)
    two_nodes.pay_in(other, 2 * MICRO)
    watch(two_nodes)
    assert [shown["amount"] for shown in history(client, second)] == [2]


def test_one_transaction_may_pay_two_members(
    owner_of_wallet: Somebody,
    two_nodes: FakeNodes,
    client: Callable[..., FunctionClient],
    advance_clock: Callable[[float], None],
) -> None:
    other = "0x" + "34" * 20
    second = factories.member(wallet=other)
    advance_clock(60)
    two_nodes.pay_in(WALLET, MICRO)
    first = two_nodes.deposits[-1]
    two_nodes.deposits.append(replace(first, log_index=first.log_index + 1, recipient=other, amount_micro=2 * MICRO))
    watch(two_nodes)
    assert [shown["amount"] for shown in history(client, owner_of_wallet)] == [1]
    assert [shown["amount"] for shown in history(client, second)] == [2]


def test_money_between_two_members_is_what_one_gets(
    owner_of_wallet: Somebody,
    two_nodes: FakeNodes,
    client: Callable[..., FunctionClient],
    advance_clock: Callable[[float], None],
) -> None:
    other = "0x" + "56" * 20
    second = factories.member(wallet=other)
    advance_clock(60)
    two_nodes.pay_in(WALLET, MICRO, other)
    watch(two_nodes)
    assert [shown["type"] for shown in history(client, owner_of_wallet)] == ["external_deposit"]
    assert history(client, second) == []


def test_the_first_look_begins_with_the_newest_block(
    platform: Platform,
    two_nodes: FakeNodes,
    client: Callable[..., FunctionClient],
    advance_clock: Callable[[float], None],
    sql: Connection,
) -> None:
    assert platform
    member = factories.member(wallet=WALLET)
    advance_clock(60)
    two_nodes.pay_in(WALLET, MICRO)
    watch(two_nodes)
    assert history(client, member) == []
    ((scanned_to,),) = sql.execute_simple("SELECT scanned_to FROM wallet_scans").rows
    assert scanned_to == two_nodes.port.final().number


def test_addresses_of_the_card_may_be_written_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OOBIT_ADDRESSES", f" {CARD} ,,{CARD.lower()}")
    read.cache_clear()
    assert read(WalletWatchConfig).cards == {CARD.lower()}
