"""The simulated node and the real one say the same to the port, in whatever the payout machine asks."""

import random
from collections.abc import Iterator
from typing import cast

import coincurve
import pytest
from eth_keys.datatypes import PrivateKey

from emulators.chain.node import CHAIN_ID, STATES_KEPT, ChainNode
from shared.ports.polygon.by_web3 import KeptOpen
from shared.ports.polygon.chain import Chain, Moved, NonceUse, SendOutcome
from shared.ports.polygon.failures import StateGone
from shared.ports.polygon.rpc import CALLS_MAX, Node
from shared.ports.polygon.transactions import Signed, Unsigned
from shared.values.gas import Price
from tests.fault.simulation.database import Database
from tests.fault.simulation.plan import Plan
from tests.fault.simulation.transactions import Signed as Seen
from tests.fault.simulation.world import World

GWEI = 10**9
GAS_WEI = 10**19
USDT = 1_000 * 10**6
SECRET = b"\x07" * 32
RECIPIENT = "0x" + "ab" * 20
BLOCKED = "0x" + "cd" * 20
DEEP = 12


class Quiet(World):
    """Without a database behind it: nothing is checked, only answered."""

    def sees_broadcast(self, tx: Seen) -> None:
        """Do not look for the stored signature: there is no database."""


class Pair:
    """A real node and a simulated one with the same token, balances and transactions."""

    def __init__(self, node: ChainNode) -> None:
        self.node = node
        self.address = PrivateKey(SECRET).public_key.to_checksum_address()
        self.world = Quiet(1, Plan(), cast("Database", None), random.Random(1))  # noqa: S311 - repeatable on purpose
        self.world.network.token.address = node.usdt.lower()
        self.world.network.include = 1.0
        self.world.network.fund(self.address.lower(), USDT, GAS_WEI)
        node.fund_gas(self.address, GAS_WEI)
        node.mint(self.address, USDT)
        self.chains = (Chain([Node(node.url, KeptOpen())]), Chain([self.world.nodes[0]]))

    def mine(self, blocks: int = 1) -> None:
        self.node.mine(blocks)
        for _ in range(blocks):
            self.world.network.mine()
        self.world.network.finalized = self.world.network.head.number - 2

    def pay(self, nonce: int, amount: int, recipient: str = RECIPIENT, gwei: int = 100) -> Signed:
        price = Price(gwei * GWEI, 30 * GWEI * gwei // 100)
        unsigned = Unsigned.transfer(CHAIN_ID, nonce, self.node.usdt, recipient, amount, price)
        made = coincurve.PrivateKey(SECRET).sign_recoverable(unsigned.signing_hash, hasher=None)
        return unsigned.signed(int.from_bytes(made[:32], "big"), int.from_bytes(made[32:64], "big"), made[64])

    def send(self, signed: Signed) -> set[SendOutcome]:
        return {chain.send([signed.raw])[0].outcome for chain in self.chains}


@pytest.fixture
def pair(node: ChainNode) -> Iterator[Pair]:
    snapshot = node.snapshot()
    yield Pair(node)
    node.rpc("anvil_dropAllTransactions")
    node.revert(snapshot)


def test_they_take_and_refuse_the_same_transactions(pair: Pair) -> None:
    first = pair.pay(0, 5)
    assert pair.send(first) == {SendOutcome.ACCEPTED}
    assert pair.send(first) == {SendOutcome.ALREADY_KNOWN}
    assert pair.send(pair.pay(0, 5, gwei=99)) == {SendOutcome.UNDERPRICED}
    assert pair.send(pair.pay(0, 5, gwei=120)) == {SendOutcome.ACCEPTED}
    pair.mine()

    assert pair.send(pair.pay(0, 6, gwei=300)) == {SendOutcome.NONCE_TOO_LOW}


def test_they_tell_of_balances_nonces_and_the_blocked(pair: Pair) -> None:
    pair.send(pair.pay(0, 5))
    pair.node.block(BLOCKED)
    pair.world.network.token.blocked.add(BLOCKED)
    pair.mine(DEEP)

    def told(chain: Chain) -> list[object]:
        chain.require(CHAIN_ID)
        return [
            chain.token_balance(pair.node.usdt, pair.address),
            chain.used_nonces(pair.address),
            chain.final_nonces(pair.address),
            chain.blocked(pair.node.usdt, [BLOCKED, RECIPIENT]),
        ]

    real, simulated = map(told, pair.chains)
    assert real == simulated == [USDT - 5, 1, 1, frozenset({BLOCKED})]


def test_they_tell_of_what_a_transaction_has_done(pair: Pair) -> None:
    paid, refused = pair.pay(0, 5), pair.pay(1, 10 * USDT)
    pair.send(paid)
    pair.send(refused)
    pair.mine(DEEP)

    looks = [chain.observe([paid.hash, refused.hash, "0x" + "1" * 64]).receipts for chain in pair.chains]

    for receipts in looks:
        assert set(receipts) == {paid.hash, refused.hash}
        assert receipts[paid.hash].moved == (Moved(pair.node.usdt.lower(), pair.address.lower(), RECIPIENT, 5),)
        assert (receipts[paid.hash].succeeded, receipts[refused.hash].succeeded) == (True, False)
        assert receipts[refused.hash].moved == ()


def test_they_find_who_used_a_nonce_in_logs_and_in_blocks(pair: Pair) -> None:
    sent = [pair.pay(nonce, 5 + nonce) for nonce in range(3)]
    firsts = [chain.heads().latest + 1 for chain in pair.chains]
    for signed in sent:
        pair.send(signed)
        pair.mine()
    pair.mine(DEEP)

    for chain, first in zip(pair.chains, firsts, strict=True):
        met = {NonceUse(nonce, signed.hash, first + nonce) for nonce, signed in enumerate(sent)}
        assert chain.sent_in(pair.address, first, first + 4) == met
        assert chain.sent_by_logs(pair.node.usdt, pair.address, first, first + 4) == met
        found = chain.transaction_of(pair.address, 1, first + 1)
        assert found
        assert (found.hash, found.nonce, found.to) == (sent[1].hash, 1, pair.node.usdt.lower())
        assert chain.transaction_of(pair.address, 1, first) is None


def test_neither_has_the_accounts_of_old_blocks(pair: Pair) -> None:
    pair.mine(STATES_KEPT + DEEP)

    for chain in pair.chains:
        assert chain.used_nonces_at(pair.address, chain.heads().latest - DEEP) == 0
        with pytest.raises(StateGone):
            chain.used_nonces_at(pair.address, chain.heads().latest - STATES_KEPT - 2)


def test_neither_answers_more_calls_at_once_than_bor_does(pair: Pair) -> None:
    many = [("0x" + "1" * 64)] * (CALLS_MAX + 1)

    for chain in pair.chains:
        assert chain.observe(many).receipts == {}


def test_they_say_alike_whether_the_token_moves(pair: Pair) -> None:
    token = pair.world.network.token
    told = [{chain.halted(pair.node.usdt, pair.address) for chain in pair.chains}]
    pair.node.pause()
    token.paused = True
    told.append({chain.halted(pair.node.usdt, pair.address) for chain in pair.chains})
    pair.node.block(pair.address)
    token.blocked.add(pair.address.lower())
    told.append({chain.halted(pair.node.usdt, pair.address) for chain in pair.chains})

    assert [len(reasons) for reasons in told] == [1, 1, 1]
    assert told[0] == {""}
    assert ["paused" in told[1].pop(), "blocked" in told[2].pop()] == [True, True]
