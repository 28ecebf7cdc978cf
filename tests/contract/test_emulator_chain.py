"""Does the local chain do what its controls say, and its test USDT what payouts must be ready for?"""

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from emulators.bench import processes
from emulators.chain.node import STATES_KEPT, ChainNode, RpcError, Transfer, _call_data, _word
from emulators.process import wait_until

BLOCK_BYTES_MAX = 40 * 1024  # twice what a block needs; with the rules of Prague it needs more than this
GWEI = 10**9
ETHER = 10**18
ZERO = "0x0000000000000000000000000000000000000000"
MEMBER = "0x1111111111111111111111111111111111111111"
OTHER = "0x2222222222222222222222222222222222222222"


@pytest.fixture
def chain() -> Iterator[ChainNode]:
    """A node that mines when told to, with the test USDT on it."""
    node = ChainNode(block_time_seconds=None)
    node.start()
    node.deploy_usdt()
    yield node
    node.stop()


@dataclass
class Wallet:
    """An account of our own that signs here and sends raw transactions, as the payout machine does."""

    chain: ChainNode
    account: LocalAccount = field(default_factory=Account.create)

    @property
    def address(self) -> str:
        return str(self.account.address)

    def raw(self, nonce: int, to: str = MEMBER, data: str = "0x", *, cap: int = 100 * GWEI, tip: int = GWEI) -> str:
        return self.signed({"nonce": nonce, "to": to, "data": data, "maxFeePerGas": cap, "maxPriorityFeePerGas": tip})

    def signed(self, fields: dict[str, Any]) -> str:
        fixed = {"type": 2, "chainId": 137, "value": 0, "gas": 200_000}
        return f"0x{self.account.sign_transaction(fixed | fields).raw_transaction.hex()}"

    def call(self, nonce: int, signature: str, *words: str) -> str:
        return self.raw(nonce, self.chain.usdt, _call_data(signature, *words))

    def pay(self, nonce: int, to: str, micro: int) -> str:
        return self.call(nonce, "transfer(address,uint256)", _word(to), _word(micro))

    def send(self, raw: str) -> str:
        transaction_hash: str = self.chain.rpc("eth_sendRawTransaction", [raw])
        return transaction_hash

    def send_and_mine(self, raw: str) -> bool:
        """Whether it succeeded on chain."""
        sent = self.send(raw)
        self.chain.mine()
        return bool(receipt(self.chain, sent)["status"] == "0x1")


@pytest.fixture
def wallet(chain: ChainNode) -> Wallet:
    made = Wallet(chain)
    chain.fund_gas(made.address, ETHER)
    chain.mint(made.address, 10_000_000)
    return made


def receipt(chain: ChainNode, transaction_hash: str) -> Any:
    return chain.rpc("eth_getTransactionReceipt", [transaction_hash])


def pending(chain: ChainNode) -> int:
    return int(chain.rpc("txpool_status")["pending"], 16)


def view(chain: ChainNode, signature: str, *words: str) -> str:
    answer: str = chain.rpc("eth_call", [{"to": chain.usdt, "data": _call_data(signature, *words)}, "latest"])
    return answer


# The test USDT


def test_it_says_it_is_polygon(chain: ChainNode) -> None:
    assert chain.rpc("eth_chainId") == "0x89"


def test_the_usdt_has_the_same_address_after_every_fresh_start(chain: ChainNode) -> None:
    assert chain.usdt == "0x5FbDB2315678afecb367f032d93F642f64180aa3"


def test_the_usdt_counts_in_millionths(chain: ChainNode) -> None:
    assert int(view(chain, "decimals()"), 16) == 6


def test_a_payment_moves_the_balance_and_leaves_its_log(chain: ChainNode, wallet: Wallet) -> None:
    paid = wallet.send(wallet.pay(0, MEMBER, 2_500_000))
    chain.mine()
    assert chain.balance_of(MEMBER) == 2_500_000
    minted, found = chain.transfers()
    assert (minted.sender, minted.recipient, minted.amount_micro) == (ZERO, wallet.address, 10_000_000)
    assert found == Transfer(paid, chain.head(), 0, wallet.address, MEMBER, 2_500_000)


def test_a_payment_beyond_the_balance_reverts(chain: ChainNode, wallet: Wallet) -> None:
    assert not wallet.send_and_mine(wallet.pay(0, MEMBER, 10_000_001))
    assert chain.balance_of(wallet.address) == 10_000_000


def test_a_blocked_recipient_makes_the_payment_revert_until_released(chain: ChainNode, wallet: Wallet) -> None:
    chain.block(MEMBER)
    assert int(view(chain, "isBlocked(address)", _word(MEMBER)), 16) == 1
    assert not wallet.send_and_mine(wallet.pay(0, MEMBER, 1))
    chain.unblock(MEMBER)
    assert wallet.send_and_mine(wallet.pay(1, MEMBER, 1))


def test_a_blocked_sender_cannot_pay(chain: ChainNode, wallet: Wallet) -> None:
    chain.block(wallet.address)
    assert not wallet.send_and_mine(wallet.pay(0, MEMBER, 1))


def test_blocked_funds_can_be_destroyed(chain: ChainNode, wallet: Wallet) -> None:
    chain.block(wallet.address)
    chain.destroy_blocked_funds(wallet.address)
    assert chain.balance_of(wallet.address) == 0
    assert int(view(chain, "totalSupply()"), 16) == 0


def test_funds_that_are_not_blocked_cannot_be_destroyed(chain: ChainNode, wallet: Wallet) -> None:
    with pytest.raises(RpcError, match="revert"):
        chain.destroy_blocked_funds(wallet.address)
    assert chain.balance_of(wallet.address) == 10_000_000


def test_nothing_moves_while_paused(chain: ChainNode, wallet: Wallet) -> None:
    chain.pause()
    assert not wallet.send_and_mine(wallet.pay(0, MEMBER, 1))
    chain.unpause()
    assert wallet.send_and_mine(wallet.pay(1, MEMBER, 1))


@pytest.mark.parametrize("signature", ["mint(address,uint256)", "addToBlockedList(address)", "pause()"])
def test_only_the_owner_governs(wallet: Wallet, signature: str) -> None:
    words = {"mint(address,uint256)": [_word(MEMBER), _word(1)], "addToBlockedList(address)": [_word(MEMBER)]}
    assert not wallet.send_and_mine(wallet.call(0, signature, *words.get(signature, [])))


def test_a_permit_lets_another_account_spend(chain: ChainNode, wallet: Wallet) -> None:
    owner = Account.create()
    deadline = 2**63
    signed = owner.sign_typed_data(
        {"name": "USDT0", "version": "1", "chainId": 137, "verifyingContract": chain.usdt},
        {
            "Permit": [
                *({"name": "owner", "type": "address"}, {"name": "spender", "type": "address"}),
                *({"name": "value", "type": "uint256"}, {"name": "nonce", "type": "uint256"}),
                {"name": "deadline", "type": "uint256"},
            ]
        },
        {"owner": owner.address, "spender": wallet.address, "value": 7, "nonce": 0, "deadline": deadline},
    )
    words = [_word(owner.address), _word(wallet.address), *map(_word, (7, deadline, signed.v, signed.r, signed.s))]
    permit = "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)"
    assert wallet.send_and_mine(wallet.call(0, permit, *words))
    allowed = view(chain, "allowance(address,address)", _word(owner.address), _word(wallet.address))
    assert int(allowed, 16) == 7


# Mining


def test_a_transaction_waits_until_a_block_is_mined(chain: ChainNode, wallet: Wallet) -> None:
    sent = wallet.send(wallet.pay(0, MEMBER, 1))
    assert receipt(chain, sent) is None
    chain.mine()
    assert receipt(chain, sent)["status"] == "0x1"


def test_blocks_come_by_themselves_at_a_fraction_of_a_second() -> None:
    node = ChainNode(block_time_seconds=0.05)
    node.start()
    try:
        wait_until(lambda: node.head() >= 3, "the third block", 10.0)
    finally:
        node.stop()


def test_interval_mining_can_be_switched_on_and_off(chain: ChainNode) -> None:
    before = chain.head()
    chain.mine_every(0.05)
    wait_until(lambda: chain.head() > before, "a block", 10.0)
    chain.mine_every(None)
    after = chain.head()
    time.sleep(0.3)

    assert chain.head() == after


@pytest.mark.parametrize("pace", [0.05, 1.0, 2.0])
def test_however_fast_blocks_come_it_has_the_accounts_of_no_more_than_128(pace: float) -> None:
    node = ChainNode(block_time_seconds=pace)
    node.start()
    try:
        node.mine(STATES_KEPT + 40)
        head = node.head()
        known = node.rpc("eth_getBalance", [MEMBER, hex(head - STATES_KEPT + 20)])
        with pytest.raises(RpcError, match="BlockOutOfRangeError"):
            node.rpc("eth_getBalance", [MEMBER, hex(head - STATES_KEPT - 2)])
    finally:
        node.stop()

    assert known == "0x0"


def test_each_transaction_can_be_given_its_block(chain: ChainNode, wallet: Wallet) -> None:
    chain.mine_each_transaction(enabled=True)
    sent = wallet.send(wallet.pay(0, MEMBER, 1))
    wait_until(lambda: receipt(chain, sent) is not None, "its block", 10.0)


def test_finalized_is_two_behind_the_head_and_safe_one(chain: ChainNode) -> None:
    chain.mine(5)
    head = chain.head()
    assert (chain.head("safe"), chain.head("finalized")) == (head - 1, head - 2)


# Reorganisations


def test_a_reorganised_transaction_is_gone_and_not_back_in_the_pool(chain: ChainNode, wallet: Wallet) -> None:
    sent = wallet.send(wallet.pay(0, MEMBER, 5))
    chain.mine(3)
    head, old_hash = chain.head(), chain.rpc("eth_getBlockByNumber", ["latest", False])["hash"]
    chain.reorg(3)
    assert chain.head() == head
    assert chain.rpc("eth_getBlockByNumber", ["latest", False])["hash"] != old_hash
    assert receipt(chain, sent) is None
    assert chain.rpc("eth_getTransactionByHash", [sent]) is None
    assert pending(chain) == 0
    assert chain.balance_of(MEMBER) == 0


def test_a_reorganised_transaction_is_taken_when_it_is_sent_again(chain: ChainNode, wallet: Wallet) -> None:
    raw = wallet.pay(0, MEMBER, 5)
    assert wallet.send_and_mine(raw)
    chain.reorg(1)
    assert wallet.send_and_mine(raw)
    assert chain.balance_of(MEMBER) == 5


def test_a_reorganisation_can_put_a_transaction_into_another_block(chain: ChainNode, wallet: Wallet) -> None:
    raw = wallet.pay(0, MEMBER, 5)
    sent = wallet.send(raw)
    chain.mine(3)
    before = int(receipt(chain, sent)["blockNumber"], 16)
    chain.reorg(3, including=[(raw, 2)])
    assert int(receipt(chain, sent)["blockNumber"], 16) == before + 2


def test_a_reorganisation_can_be_won_by_another_transaction_of_the_same_nonce(chain: ChainNode, wallet: Wallet) -> None:
    first = wallet.send(wallet.pay(0, MEMBER, 5))
    chain.mine()
    rival = wallet.pay(0, OTHER, 5)
    chain.reorg(1, including=[(rival, 0)])
    assert receipt(chain, first) is None
    assert (chain.balance_of(MEMBER), chain.balance_of(OTHER)) == (0, 5)


def test_a_reorganisation_can_be_deeper_than_finality(chain: ChainNode, wallet: Wallet) -> None:
    sent = wallet.send(wallet.pay(0, MEMBER, 5))
    chain.mine(4)
    assert int(receipt(chain, sent)["blockNumber"], 16) <= chain.head("finalized")
    chain.reorg(4)
    assert receipt(chain, sent) is None


# Fees and the pool


def test_a_dropped_transaction_is_forgotten_and_can_be_sent_again(chain: ChainNode, wallet: Wallet) -> None:
    raw = wallet.pay(0, MEMBER, 5)
    sent = wallet.send(raw)
    chain.drop_transaction(sent)
    assert chain.rpc("eth_getTransactionByHash", [sent]) is None
    assert wallet.send_and_mine(raw)


def test_the_next_base_fee_can_be_set(chain: ChainNode) -> None:
    chain.set_next_base_fee(70 * GWEI)
    chain.mine()
    assert int(chain.rpc("eth_getBlockByNumber", ["latest", False])["baseFeePerGas"], 16) == 70 * GWEI


def test_a_fee_cap_below_the_base_fee_is_refused(chain: ChainNode, wallet: Wallet) -> None:
    chain.set_next_base_fee(70 * GWEI)
    with pytest.raises(RpcError, match="max fee per gas less than block base fee"):
        wallet.send(wallet.raw(0, cap=69 * GWEI))


def test_a_pending_transaction_below_the_base_fee_is_dropped_by_the_next_block(
    chain: ChainNode, wallet: Wallet
) -> None:
    sent = wallet.send(wallet.raw(0, cap=30 * GWEI))
    chain.set_next_base_fee(70 * GWEI)
    chain.mine()
    assert receipt(chain, sent) is None
    assert chain.rpc("eth_getTransactionByHash", [sent]) is None


def test_a_tip_of_one_wei_is_accepted(wallet: Wallet) -> None:
    assert wallet.send_and_mine(wallet.raw(0, tip=1))


@pytest.mark.parametrize("cap", [29 * GWEI, 30 * GWEI])
def test_a_replacement_that_does_not_raise_the_cap_is_underpriced(wallet: Wallet, cap: int) -> None:
    wallet.send(wallet.raw(0, cap=30 * GWEI, tip=GWEI))
    with pytest.raises(RpcError, match="replacement transaction underpriced"):
        wallet.send(wallet.raw(0, OTHER, cap=cap, tip=3 * GWEI))


def test_a_replacement_by_one_wei_is_accepted(chain: ChainNode, wallet: Wallet) -> None:
    first = wallet.send(wallet.raw(0, cap=30 * GWEI, tip=GWEI))
    assert wallet.send_and_mine(wallet.raw(0, OTHER, cap=30 * GWEI + 1, tip=1))
    assert receipt(chain, first) is None


def test_the_same_raw_transaction_again_is_already_imported(wallet: Wallet) -> None:
    raw = wallet.raw(0)
    wallet.send(raw)
    with pytest.raises(RpcError, match="already imported"):
        wallet.send(raw)


def test_a_used_nonce_is_too_low_even_for_the_bytes_that_used_it(wallet: Wallet) -> None:
    raw = wallet.raw(0)
    assert wallet.send_and_mine(raw)
    with pytest.raises(RpcError, match="nonce too low"):
        wallet.send(raw)


def test_a_nonce_beyond_the_next_waits_for_the_gap_to_close(chain: ChainNode, wallet: Wallet) -> None:
    later = wallet.send(wallet.raw(1))
    chain.mine()
    assert receipt(chain, later) is None
    wallet.send(wallet.raw(0))
    chain.mine()
    assert receipt(chain, later)["status"] == "0x1"


def test_another_chains_signature_is_refused(wallet: Wallet) -> None:
    fees = {"maxFeePerGas": 100 * GWEI, "maxPriorityFeePerGas": GWEI}
    with pytest.raises(RpcError, match="chain id"):
        wallet.send(wallet.signed({"chainId": 1, "nonce": 0, "to": MEMBER, **fees}))


# The node


def test_a_snapshot_is_gone_back_to_once(chain: ChainNode, wallet: Wallet) -> None:
    snapshot = chain.snapshot()
    assert wallet.send_and_mine(wallet.pay(0, MEMBER, 5))
    chain.revert(snapshot)
    assert chain.balance_of(MEMBER) == 0
    with pytest.raises(ValueError, match="no snapshot"):
        chain.revert(snapshot)


def test_balances_of_old_blocks_are_known(chain: ChainNode, wallet: Wallet) -> None:
    before = hex(chain.head())
    assert wallet.send_and_mine(wallet.pay(0, MEMBER, 5))
    assert chain.balance_of(MEMBER, before) == 0


def test_gas_money_is_set_not_added(chain: ChainNode) -> None:
    chain.fund_gas(MEMBER, ETHER)
    chain.fund_gas(MEMBER, 7)
    assert int(chain.rpc("eth_getBalance", [MEMBER, "latest"]), 16) == 7


def test_old_states_are_kept_neither_on_disk_nor_in_memory(chain: ChainNode) -> None:
    """Left up for hours it would fill the disk and the memory: anvil keeps 3,600 states on disk if it may."""
    history, child = chain._history, chain._child
    assert history is not None
    assert child is not None
    chain.mine(500)
    before = processes.anonymous_bytes(child.process.pid)
    for _ in range(20):
        chain.mine(100)

    assert list(Path(history.name).rglob("*")) == []
    assert processes.anonymous_bytes(child.process.pid) - before < 2_000 * BLOCK_BYTES_MAX


def test_nothing_is_left_after_stop(chain: ChainNode) -> None:
    history = chain._history
    assert history is not None
    chain.stop()
    assert not Path(history.name).exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", chain.port), timeout=1.0)
