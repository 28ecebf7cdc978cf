"""Killed at any point, with nodes that disagree or are reorganised: a withdrawal leaves the wallet once, as signed."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from shared import config
from shared.ports.polygon import wallets
from tests import factories
from tests.client import FunctionClient
from tests.fakes.wallet_driver import RECIPIENT, new_wallet, sign
from tests.fault.conftest import ForkedWorkers, World
from tests.fault.rpc_proxy import RpcProxy

FUNDS = 1_000_000_000
AMOUNT = 25_000_000
GAS_WEI = 10**19
DEEP = 12
SENDING = ("withdrawal kept, before it is sent", "withdrawal sent, before anybody knows")
ENDING = (
    "withdrawal seen, before it is noted",
    "withdrawal noted, before the commit",
    "withdrawal ended, before its member is told",
    "withdrawal committed, before the answer",
)


@dataclass
class SignedWithdrawal:
    """A signed withdrawal that nobody has sent, on a real node."""

    world: World
    wallet: LocalAccount
    client: FunctionClient
    id: str

    def task(self, forked_workers: ForkedWorkers, point: str) -> int:
        body = {"withdrawal_id": self.id}
        return forked_workers.deliver(point, "withdrawal_confirm", "withdrawal-confirm", body)["ended"]

    def follow(self) -> None:
        """One task, as the queue brings it."""
        body = {"withdrawal_id": self.id}
        assert self.world.invoker.task("withdrawal_confirm", "withdrawal-confirm", body) == 204

    @property
    def state(self) -> str:
        return str(self.world.rows("SELECT state FROM withdrawals")[0][0])

    def ended(self) -> bool:
        return self.state not in ("prepared", "signed", "mined")

    def moved(self) -> list[tuple[str, int]]:
        return [
            (it.recipient, it.amount_micro) for it in self.world.chain.transfers() if it.sender == self.wallet.address
        ]


@pytest.fixture
def withdrawal(world: World, client: Any) -> SignedWithdrawal:
    wallets.connect.cache_clear()  # the world's node is the one to ask
    wallet = new_wallet()
    world.chain.fund_gas(wallet.address, GAS_WEI)
    world.chain.mint(wallet.address, FUNDS)
    member = client(factories.member(wallet=wallet.address).token)
    order = {"to_address": RECIPIENT, "amount": 25}
    made = member.post("/v1/wallet/withdraw", order, **{"Idempotency-Key": "ask"})
    assert made.status == 201, made.body
    body = {"signed_transaction": sign(made.body["transaction"], wallet)}
    path = f"/v1/wallet/withdrawals/{made.body['id']}/broadcast"
    assert member.post(path, body, **{"Idempotency-Key": "hand-in"}).status == 202
    return SignedWithdrawal(world, wallet, member, made.body["id"])


def assert_left_once(withdrawal: SignedWithdrawal) -> None:
    """On the chain, in the rows, and in what the member hears."""
    world = withdrawal.world
    assert withdrawal.state == "confirmed"
    assert withdrawal.moved() == [(RECIPIENT, AMOUNT)]
    assert world.chain.balance_of(withdrawal.wallet.address) == FUNDS - AMOUNT
    assert world.rows("SELECT type, status, amount FROM wallet_transactions") == [["withdrawal", "confirmed", AMOUNT]]
    assert world.rows("SELECT title FROM notifications") == [["Your withdrawal of $25 USDT is complete"]]
    assert world.rows("SELECT template, status FROM mails") == [["withdrawal_confirmed", "sent"]]
    assert world.rows("SELECT unread FROM inboxes") == [[1]]


def test_killed_at_every_point_in_turn_it_leaves_once(
    withdrawal: SignedWithdrawal, forked_workers: ForkedWorkers
) -> None:
    for point in SENDING:
        assert withdrawal.task(forked_workers, point) == -signal.SIGKILL, point
        assert withdrawal.state == "signed"
    withdrawal.world.chain.mine(DEEP)
    for point in ENDING[:-1]:
        assert withdrawal.task(forked_workers, point) == -signal.SIGKILL, point
        assert withdrawal.state == "signed", point
        assert withdrawal.world.rows("SELECT count(*) FROM mails") == [[0]], point
    assert withdrawal.task(forked_workers, ENDING[-1]) == -signal.SIGKILL
    withdrawal.world.outbox.deliver_until(withdrawal.ended)

    assert_left_once(withdrawal)


def test_its_task_brought_often_and_by_many_at_once_it_leaves_once(withdrawal: SignedWithdrawal) -> None:
    withdrawal.world.outbox.deliver_until(withdrawal.ended, copies=3, threads=4)

    assert_left_once(withdrawal)


def test_a_reorganisation_takes_it_away_and_it_is_sent_again(withdrawal: SignedWithdrawal) -> None:
    withdrawal.follow()
    withdrawal.world.chain.mine(3)
    withdrawal.follow()
    assert withdrawal.state == "mined"

    withdrawal.world.chain.reorg(3)
    withdrawal.follow()
    assert withdrawal.state == "signed"
    assert withdrawal.moved() == []
    withdrawal.world.outbox.deliver_until(withdrawal.ended)

    assert_left_once(withdrawal)


def test_what_the_pool_drops_is_sent_again(withdrawal: SignedWithdrawal) -> None:
    withdrawal.follow()
    ((transaction_hash,),) = withdrawal.world.rows("SELECT transaction_hash FROM withdrawals")
    withdrawal.world.chain.drop_transaction(transaction_hash)
    withdrawal.world.chain.mine(DEEP)
    assert withdrawal.moved() == []
    withdrawal.world.outbox.deliver_until(withdrawal.ended)

    assert_left_once(withdrawal)


def test_sped_up_by_the_wallet_it_is_confirmed_with_the_hash_that_the_node_has(withdrawal: SignedWithdrawal) -> None:
    withdrawal.follow()
    fields: dict[str, Any] = {
        "type": 2, "chainId": 137, "nonce": 0, "to": withdrawal.world.chain.usdt, "value": 0, "gas": 120_000,
        "data": f"0xa9059cbb{int(RECIPIENT, 16):064x}{AMOUNT:064x}",
        "maxFeePerGas": 10**12, "maxPriorityFeePerGas": 10**11,
    }  # fmt: skip
    signed = withdrawal.wallet.sign_transaction(fields)
    withdrawal.world.chain.rpc("eth_sendRawTransaction", [signed.raw_transaction.to_0x_hex()])
    withdrawal.world.chain.mine()
    withdrawal.world.outbox.deliver_until(withdrawal.ended)

    assert_left_once(withdrawal)
    faster = signed.hash.to_0x_hex()
    assert withdrawal.world.rows("SELECT outcome_hash, transaction_hash = outcome_hash FROM withdrawals") == [
        [faster, False]
    ]
    assert withdrawal.world.rows("SELECT transaction_hash FROM wallet_transactions") == [[faster]]


def test_another_transaction_of_the_wallet_replaces_it(withdrawal: SignedWithdrawal) -> None:
    fields: dict[str, Any] = {
        "type": 2, "chainId": 137, "nonce": 0, "to": RECIPIENT, "value": 1, "gas": 21_000,
        "maxFeePerGas": 10**12, "maxPriorityFeePerGas": 10**11,
    }  # fmt: skip
    raw = withdrawal.wallet.sign_transaction(fields).raw_transaction.to_0x_hex()
    withdrawal.world.chain.rpc("eth_sendRawTransaction", [raw])
    withdrawal.world.chain.mine()
    withdrawal.world.outbox.deliver_until(withdrawal.ended)

    assert withdrawal.state == "replaced"
    assert withdrawal.moved() == []
    assert withdrawal.world.rows("SELECT status FROM wallet_transactions") == [["failed"]]


@pytest.fixture
def proxies(world: World, withdrawal: SignedWithdrawal, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[RpcProxy]]:
    """Two nodes in front of the one there is, each with a mind of its own."""
    assert withdrawal
    made = [RpcProxy(world.chain.url) for _ in range(2)]
    with ExitStack() as stop:
        for proxy in made:
            proxy.start()
            stop.callback(proxy.stop)
        monkeypatch.setenv("RPC_URLS", ",".join(proxy.url for proxy in made))
        config.read.cache_clear()  # the withdrawal was prepared with the one node
        yield made


def test_while_two_nodes_disagree_nothing_is_final(withdrawal: SignedWithdrawal, proxies: list[RpcProxy]) -> None:
    withdrawal.follow()
    withdrawal.world.chain.mine(DEEP)
    lies = {
        "another block": ("eth_getTransactionReceipt", lambda it: it and it | {"blockHash": "0x" + "11" * 32}),
        "no receipt": ("eth_getTransactionReceipt", lambda _: None),
        "another history": ("eth_getBlockByNumber", lambda it: it | {"hash": "0x" + "22" * 32}),
        "other logs": ("eth_getTransactionReceipt", lambda it: it and it | {"logs": []}),
    }
    for name, (method, lie) in lies.items():
        proxies[1].altered = {method: lie}
        withdrawal.follow()
        assert withdrawal.state == "signed", name
    proxies[1].altered = {"eth_blockNumber": lambda _: hex(withdrawal.world.chain.head() - DEEP + 2)}
    withdrawal.follow()
    assert withdrawal.state == "mined"  # the one that is behind does not deceive, it delays
    proxies[1].altered = {}
    withdrawal.world.outbox.deliver_until(withdrawal.ended)

    assert_left_once(withdrawal)
