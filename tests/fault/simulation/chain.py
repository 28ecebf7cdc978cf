"""The network behind the nodes: one true chain of blocks, the contents of every pool, and reorganisations.

What is finalized here never changes; everything above it may. What a node *says* of all this is a different matter:
`node.py`.
"""

import hashlib
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.fault.simulation.transactions import TRANSFER_TOPIC, Signed, padded

CHAIN_ID = 137
GWEI = 10**9
BLOCK_SECONDS = 2.0
BLOCKS_AT_ONCE_MAX = 450
BASE_FEE_WEI = 30 * GWEI
TIP_WEI_MIN = 25 * GWEI
GAS_OF_TRANSFER = 60_000
GAS_OF_PLAIN = 21_000
REPLACEMENT_PERCENT = 110
COIN = "0x0000000000000000000000000000000000001010"
FEE_TOPIC = "0x4dfe1bbbcf077ddc3e01291eea2d5c70c2b422b415d95645b9adcfd678cb1d63"
PRODUCER = "0x" + "bb" * 20
FINAL_BEHIND = 3  # blocks between the head and the finalized block while finality works


@dataclass(slots=True)
class State:
    """Accounts after a block; shared by blocks that change nothing."""

    nonces: dict[str, int]
    usdt: dict[str, int]
    wei: dict[str, int]

    def copy(self) -> "State":
        return State(dict(self.nonces), dict(self.usdt), dict(self.wei))


@dataclass(slots=True)
class Included:
    """A transaction in a block and its effect there: logs are (token, sender, recipient, amount)."""

    tx: Signed
    succeeded: bool
    logs: list[tuple[str, str, str, int]]


@dataclass(slots=True)
class Block:
    """A block that is, or once was, on the true chain."""

    number: int
    hash: str
    time: float
    base_fee: int
    state: State
    included: list[Included] = field(default_factory=list)


@dataclass
class Token:
    """The USDT contract; its faults affect every transfer."""

    address: str
    blocked: set[str] = field(default_factory=set)
    paused: bool = False
    answers_false: bool = False
    reverts_all: bool = False  # for a reason that no call of the token reveals


@dataclass
class Network:
    """The network. `chance` decides when transactions are included; `include` is the probability for one in a block."""

    chance: random.Random
    token: Token
    include: float = 0.9
    gossip: float = 1.0
    older: float = 0.0  # the probability that a block takes an earlier signature of a nonce than the pool has
    base_fee: int = BASE_FEE_WEI
    mining: bool = True
    final_behind: int = FINAL_BEHIND
    finality: bool = True
    blocks: list[Block] = field(default_factory=list)
    pools: dict[str, dict[tuple[str, int], Signed]] = field(default_factory=lambda: {"producer": {}})
    known: defaultdict[tuple[str, int], list[Signed]] = field(default_factory=lambda: defaultdict(list))
    where: defaultdict[str, list[Block]] = field(default_factory=lambda: defaultdict(list))
    busy: list[Block] = field(default_factory=list)  # every block that ever had a transaction
    finalized: int = 0
    on_include: Callable[[Signed, Block], None] | None = None
    _hashes: Iterator[int] = field(default_factory=lambda: iter(range(1, 10**9)))

    def __post_init__(self) -> None:
        self.blocks.append(Block(0, self._hash(), 0.0, self.base_fee, State({}, {}, {})))

    @property
    def head(self) -> Block:
        return self.blocks[-1]

    def contains(self, block: Block, upto: int) -> bool:
        return block.number <= upto and block.number < len(self.blocks) and self.blocks[block.number] is block

    # Money from nowhere:

    def fund(self, address: str, usdt: int = 0, wei: int = 0) -> None:
        """Add to the balances of an address, in a block of its own."""
        state = self.head.state.copy()
        state.usdt[address] = state.usdt.get(address, 0) + usdt
        state.wei[address] = state.wei.get(address, 0) + wei
        self._append(state, [])

    # Pools:

    def offer(self, pool: str, tx: Signed) -> str:
        """Offer a transaction to a pool; returns "" when it is taken, else the refusal in the words of geth."""
        held = self.pools[pool]
        earlier = held.get(tx.key)
        refusal = _misfit(tx, self.head.state) or (_not_better(tx, earlier) if earlier else "")
        if refusal:
            return refusal
        held[tx.key] = tx
        if all(other.hash != tx.hash for other in self.known[tx.key]):
            self.known[tx.key].append(tx)
        return ""

    def broadcast(self, tx: Signed) -> None:
        """Offer a transaction to every pool, as chance decides for each; `propagate` offers it again later."""
        for pool in self.pools:
            if self.chance.random() < self.gossip:
                self.offer(pool, tx)

    def propagate(self) -> None:
        """Offer to the producer's pool what only other pools have; chance decides when, but in the end it has all."""
        for pool in list(self.pools.values()):
            for tx in list(pool.values()):
                if tx.key not in self.pools["producer"] and self.chance.random() < self.gossip / 2:
                    self.offer("producer", tx)

    def evict(self) -> None:
        """Empty every pool, as full ones do."""
        for pool in self.pools.values():
            pool.clear()

    # Blocks:

    def tick(self, seconds: float) -> None:
        """Mine blocks up to a moment."""
        due = int((seconds - self.head.time) / BLOCK_SECONDS)
        if due > BLOCKS_AT_ONCE_MAX:
            self.head.time = seconds - BLOCKS_AT_ONCE_MAX * BLOCK_SECONDS
            due = BLOCKS_AT_ONCE_MAX
        for _ in range(due if self.mining else 0):
            self.mine()
        if due and not self.mining:
            self.head.time = seconds
        if self.finality:
            self.finalized = max(self.finalized, self.head.number - self.final_behind)

    def mine(self) -> None:
        """Mine one block with those transactions of the producer's pool that chance selects."""
        pool = self.pools["producer"]
        state, included = self.head.state, []
        if pool:
            for key in sorted(pool):
                tx = self._one_of(pool[key])
                used = state.nonces.get(tx.sender, 0)
                if tx.nonce < used:
                    del pool[key]
                elif tx.nonce == used and self._pays(tx, state) and self.chance.random() < self.include:
                    state = state.copy() if state is self.head.state else state
                    included.append(self._run(tx, state))
                    del pool[key]
        self._append(state, included)

    def _one_of(self, tx: Signed) -> Signed:
        """The transaction itself, or by chance an earlier one of its nonce that a node has kept."""
        known = self.known[tx.key]
        return self.chance.choice(known) if len(known) > 1 and self.chance.random() < self.older else tx

    def force(self, tx: Signed) -> None:
        """Mine a block with the transaction, whatever the pools hold, as for a sender who pays the producer."""
        self.known[tx.key].append(tx)
        state = self.head.state.copy()
        assert tx.nonce == state.nonces.get(tx.sender, 0), "a chain takes nonces one after the other"
        self.pools["producer"].pop(tx.key, None)
        self._append(state, [self._run(tx, state)])

    def reorganise(self, depth: int, mode: str) -> int:
        """Replace the last blocks, but no finalized one; returns how many were replaced.

        Their transactions are `dropped`, go back to the `pool`, or give way to the `older` signature of their nonce.
        """
        depth = min(depth, self.head.number - self.finalized)
        if depth <= 0:
            return 0
        orphans = self.blocks[-depth:]
        del self.blocks[-depth:]
        for block in orphans:
            for it in block.included:
                self._give_back(it.tx, mode)
        for _ in orphans:
            if mode == "dropped":
                self._append(self.head.state, [])
            else:
                self.mine()
        self.mine()
        return depth

    def transfers(self) -> list[tuple[Block, Signed, str, str, int]]:
        """Every movement of the token on the true chain, in order: block, transaction, sender, recipient, amount."""
        found = [block for block in self.busy if self.contains(block, self.head.number)]
        return [
            (block, it.tx, sender, recipient, amount)
            for block in sorted(found, key=lambda block: block.number)
            for it in block.included
            for _, sender, recipient, amount in it.logs
        ]

    def _give_back(self, tx: Signed, mode: str) -> None:
        for pool in self.pools.values():
            pool.pop(tx.key, None)
        if mode == "older":
            tx = next((other for other in self.known[tx.key] if other.hash != tx.hash), tx)
        if mode != "dropped":
            self.pools["producer"][tx.key] = tx

    def _append(self, state: State, included: list[Included]) -> None:
        before = self.head
        block = Block(before.number + 1, self._hash(), before.time + BLOCK_SECONDS, self.base_fee, state, included)
        self.blocks.append(block)
        if self.finality:
            self.finalized = max(self.finalized, block.number - self.final_behind)
        if included:
            self.busy.append(block)
            for it in included:
                self.where[it.tx.hash].append(block)
                if self.on_include:
                    self.on_include(it.tx, block)

    def _pays(self, tx: Signed, state: State) -> bool:
        return tx.fee >= self.base_fee + 1 and state.wei.get(tx.sender, 0) >= tx.gas * tx.fee + tx.value

    def _run(self, tx: Signed, state: State) -> Included:
        state.nonces[tx.sender] = tx.nonce + 1
        gas = GAS_OF_TRANSFER if tx.data else GAS_OF_PLAIN
        state.wei[tx.sender] = state.wei.get(tx.sender, 0) - gas * min(tx.fee, self.base_fee + tx.tip) - tx.value
        state.wei[tx.to] = state.wei.get(tx.to, 0) + tx.value
        if not tx.data:
            return Included(tx, succeeded=True, logs=[])
        if tx.to != self.token.address or tx.transfer is None:
            return Included(tx, succeeded=True, logs=[])  # an address without code accepts everything and does nothing
        recipient, amount = tx.transfer
        has = state.usdt.get(tx.sender, 0)
        refused = (
            self.token.paused or self.token.reverts_all or {tx.sender, recipient} & self.token.blocked or has < amount
        )
        if self.token.answers_false:
            return Included(tx, succeeded=True, logs=[])
        if refused:
            return Included(tx, succeeded=False, logs=[])
        state.usdt[tx.sender] = has - amount
        state.usdt[recipient] = state.usdt.get(recipient, 0) + amount
        return Included(tx, succeeded=True, logs=[(self.token.address, tx.sender, recipient, amount)])

    def _hash(self) -> str:
        return "0x" + hashlib.sha256(b"block" + next(self._hashes).to_bytes(8, "big")).hexdigest()


def _misfit(tx: Signed, state: State) -> str:
    used = state.nonces.get(tx.sender, 0)
    if tx.chain_id != CHAIN_ID:
        return "invalid sender: invalid chain id for signer"
    if tx.nonce < used:
        return f"nonce too low: next nonce {used}, tx nonce {tx.nonce}"
    if tx.tip < TIP_WEI_MIN:
        return f"transaction underpriced: gas tip cap {tx.tip}, minimum needed {TIP_WEI_MIN}"
    if state.wei.get(tx.sender, 0) < tx.gas * tx.fee + tx.value:
        return "insufficient funds for gas * price + value"
    return ""


def _not_better(tx: Signed, earlier: Signed) -> str:
    if earlier.hash == tx.hash:
        return "already known"
    fits = tx.fee * 100 >= earlier.fee * REPLACEMENT_PERCENT and tx.tip * 100 >= earlier.tip * REPLACEMENT_PERCENT
    return "" if fits else "replacement transaction underpriced"


def receipt(block: Block, wanted: str, *, fees: bool) -> dict[str, Any]:
    """A receipt as JSON-RPC gives it."""
    position, it = next((place, it) for place, it in enumerate(block.included) if it.tx.hash == wanted)
    return {
        "transactionHash": wanted,
        "transactionIndex": hex(position),
        "blockNumber": hex(block.number),
        "blockHash": block.hash,
        "status": hex(it.succeeded),
        "from": it.tx.sender,
        "to": it.tx.to,
        "logs": logs(block, it, fees=fees),
    }


def logs(block: Block, it: Included, *, fees: bool) -> list[dict[str, Any]]:
    """The logs of an included transaction: the token's, then the one that Bor writes about the fee."""
    told = [
        (token, [TRANSFER_TOPIC, padded(sender), padded(recipient)], amount)
        for token, sender, recipient, amount in it.logs
    ]
    if fees:
        told.append((COIN, [FEE_TOPIC, padded(COIN), padded(it.tx.sender), padded(PRODUCER)], GAS_OF_PLAIN * it.tx.tip))
    return [
        {
            "address": address,
            "topics": topics,
            "data": f"0x{amount:064x}",
            "blockNumber": hex(block.number),
            "blockHash": block.hash,
            "transactionHash": it.tx.hash,
            "transactionIndex": hex(block.included.index(it)),
            "logIndex": hex(place),
            "removed": False,
        }
        for place, (address, topics, amount) in enumerate(told)
    ]
