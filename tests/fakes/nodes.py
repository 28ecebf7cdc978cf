"""Nodes that answer JSON-RPC about a simulated chain: `nodes.Nodes` is real, but its nodes are not on the network."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from shared.ports.polygon.failures import ChainUnreachable, NodeRefused
from shared.ports.polygon.nodes import Movement, Nodes
from shared.ports.polygon.questions import TRANSFER_TOPIC
from shared.ports.polygon.rpc import Call, Node, RpcError
from shared.values.stargate import ITS_TOKEN
from tests.fakes.chain import FakeChain, Included, SignedTransfer

GAS_PRICE_WEI = 60 * 10**9
STATES_KEPT = 128
OTHER_TOKEN = "0x" + "99" * 20
STRANGER = "0x" + "cc" * 20
_hashes = itertools.count(1)


class FakeNode(Node):
    """One full node. `silent` answers nothing, `behind` lags by so many blocks, `richer` adds to every balance.

    `refuses` are methods that its provider does not serve, `hangs` is how old its blocks are, `stalls` how long ago its
    finalized one was made, `boasts` how far above its head it says that one is; `forked` gives its blocks other hashes.
    """

    def __init__(self, world: "FakeNodes") -> None:
        super().__init__("http://127.0.0.1:9")
        self.world = world
        self.silent = False
        self.behind = 0
        self.richer = 0
        self.refuses: set[str] = set()
        self.peers = 25
        self.is_syncing = False
        self.hangs = self.stalls = timedelta(0)
        self.boasts = 0
        self.forked = False
        self.strays = False  # its logs are of another token than was asked for
        self.hides: set[str] = set()  # hashes of transactions whose logs it leaves out
        self.told: list[tuple[str, range]] = []  # whose logs of which blocks it has told, senders as ">0x…"

    def ask(self, calls: Sequence[Call]) -> list[Any]:
        if self.silent:
            raise ChainUnreachable("it is switched off")
        self.world.questions.extend(method for method, _ in calls)
        return [self._answer(method, parameters) for method, parameters in calls]

    def _answer(self, method: str, parameters: list[Any]) -> Any:
        if method in self.refuses:
            return RpcError(f"the method {method} does not exist/is not available")
        try:
            return getattr(self, f"_{method}")(*parameters)
        except NodeRefused as refusal:
            return RpcError(str(refusal))

    def _eth_chainId(self) -> str:  # noqa: N802 - as the method is called
        return hex(self.world.chain.chain_id)

    def _eth_gasPrice(self) -> str:  # noqa: N802 - as the JSON-RPC method is called
        return hex(GAS_PRICE_WEI)

    def _eth_getBlockByNumber(self, tag: str, _full: bool) -> dict[str, str]:  # noqa: N802 - as the JSON-RPC method is called
        heads = self.world.chain.heads()
        tags = {
            tag: max(0, number - self.behind)
            for tag, number in (("latest", heads.latest), ("finalized", heads.finalized))
        }
        number = tags[tag] if tag in tags else int(tag, 16)
        block = self.world.chain.blocks[number]
        is_final = tag == "finalized"
        told = number + self.boasts * is_final
        made_at = block.made_at - self.hangs - self.stalls * is_final
        hash_ = f"0x{'f' * 64}" if self.forked else block.hash
        return {"number": hex(told), "hash": hash_, "timestamp": hex(int(made_at.timestamp()))}

    def _eth_blockNumber(self) -> str:  # noqa: N802 - as the JSON-RPC method is called
        return hex(self.world.chain.heads().latest - self.behind)

    def _eth_syncing(self) -> dict[str, str] | bool:
        return {"currentBlock": "0x1", "highestBlock": "0xffff"} if self.is_syncing else False

    def _net_peerCount(self) -> str:  # noqa: N802 - as the JSON-RPC method is called
        return hex(self.peers)

    def _eth_call(self, call: dict[str, str], block: str) -> str:
        if call["data"] == ITS_TOKEN:
            return f"0x{self.world.chain.token[2:].lower():0>64}"
        self._require_accounts(int(block, 16))
        address = "0x" + call["data"][-40:]
        return hex(self.world.balance(address, int(block, 16)) + self.richer)

    def _eth_getBalance(self, address: str, block: str) -> str:  # noqa: N802 - as the JSON-RPC method is called
        self._require_accounts(int(block, 16))
        return hex(self.world.chain.gas[address.lower()])

    def _require_accounts(self, block_number: int) -> None:
        """Refuse old blocks: like a full node, it keeps the accounts of its newest blocks only."""
        if block_number <= self.world.chain.heads().latest - self.behind - STATES_KEPT:
            raise NodeRefused(f"missing trie node: state of block {block_number} is not available")

    def _eth_getLogs(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:  # noqa: N802 - as the JSON-RPC method is called
        first, last = int(wanted["fromBlock"], 16), int(wanted["toBlock"], 16)
        if last - first + 1 > self.world.blocks_per_answer_max:
            raise NodeRefused("too many blocks at once")
        if wanted["topics"][0] != TRANSFER_TOPIC:
            return [
                it
                for it in self.world.events
                if it["topics"][: len(wanted["topics"])] == wanted["topics"]
                and it["address"] == wanted["address"]
                and first <= int(it["blockNumber"], 16) <= last
            ]
        _, sender, recipient = wanted["topics"]
        whose = f">0x{sender[-40:]}" if sender else f"0x{recipient[-40:]}" if recipient else "anybody"
        self.told.append((whose, range(first, last + 1)))
        return [
            _log(it, OTHER_TOKEN if self.strays else wanted["address"])
            for it in self.world.movements()
            if first <= it.block_number <= last
            and it.transaction_hash not in self.hides
            and (sender is None or sender.endswith(it.sender[2:]))
            and (recipient is None or recipient.endswith(it.recipient[2:]))
        ]


@dataclass
class FakeNodes:
    """Two nodes of one chain, and the money that the treasuries received on it."""

    chain: FakeChain
    deposits: list[Movement] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)  # logs of other contracts
    questions: list[str] = field(default_factory=list)
    blocks_per_answer_max: int = 10_000
    one: FakeNode = field(init=False)
    other: FakeNode = field(init=False)
    all: list[FakeNode] = field(init=False)
    port: Nodes = field(init=False)

    def __post_init__(self) -> None:
        self.one, self.other = FakeNode(self), FakeNode(self)
        self.all = [self.one, self.other]
        self.port = Nodes(self.all)
        for address, micro in list(self.chain.minted.items()):
            self._deposit(address, micro, block_number=1)

    def pay_in(self, address: str, micro: int, sender: str = STRANGER) -> str:
        """Somebody sends an amount to a treasury, in a block of its own; returns the hash."""
        self.chain.mine()
        self.chain.mint(address, micro)
        return self._deposit(address, micro, len(self.chain.blocks) - 1, sender)

    def steal(self, address: str, micro: int, recipient: str = "0x" + "ee" * 20) -> str:
        """A transfer from a treasury's key that was not signed here; returns its hash."""
        self.chain.mine()
        transfer = SignedTransfer(
            hash=f"0x{next(_hashes) + 10**9:064x}",
            chain_id=self.chain.chain_id,
            sender=address.lower(),
            nonce=10_000 + next(_hashes),
            token=self.chain.token,
            recipient=recipient.lower(),
            amount_micro=micro,
            fee_wei=1,
            tip_wei=1,
            gas_limit=1,
        )
        self.chain.blocks[-1].included.append(Included(transfer, succeeded=True))
        return transfer.hash

    def finish(self) -> None:
        """Make everything in the chain final."""
        self.chain.mine(10)

    def balance(self, address: str, block_number: int) -> int:
        later = sum(
            it.amount_micro for it in self.deposits if it.recipient == address and it.block_number > block_number
        )
        return self.chain.balance(address, block_number) - later

    def movements(self) -> list[Movement]:
        """All of the token's Transfer logs."""
        sent = [
            Movement(it.transfer.hash, index, block.number, it.transfer.sender, it.transfer.recipient,
                     it.transfer.amount_micro)
            for block in self.chain.blocks
            for index, it in enumerate(block.included)
            if it.succeeded
        ]  # fmt: skip
        return sent + self.deposits

    def _deposit(self, address: str, micro: int, block_number: int, sender: str = STRANGER) -> str:
        hash_ = f"0x{next(_hashes) + 10**12:064x}"
        self.deposits.append(
            Movement(hash_, 1_000 + len(self.deposits), block_number, sender.lower(), address.lower(), micro)
        )
        return hash_


def _log(it: Movement, token: str) -> dict[str, Any]:
    topics = [TRANSFER_TOPIC, *(f"0x{address[2:]:0>64}" for address in (it.sender, it.recipient))]
    return {
        "address": token,
        "transactionHash": it.transaction_hash,
        "logIndex": hex(it.log_index),
        "blockNumber": hex(it.block_number),
        "topics": topics,
        "data": f"0x{it.amount_micro:064x}",
    }
