"""A node's JSON-RPC interface: one view of the network, with the faults of public gateways.

It carries the calls of the port's own `rpc.Node`, in the place of `by_web3`, so that all else of `shared/ports/polygon`
is used. It is a full node without an archive: it has the accounts of its newest blocks, and limits what it answers at
once.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from requests import ConnectionError as HangUp
from requests import HTTPError, ReadTimeout

from shared.ports.polygon import rpc
from tests.fault.simulation import chain
from tests.fault.simulation.chain import CHAIN_ID, GWEI, Block, Network, State
from tests.fault.simulation.transactions import Signed, read

if TYPE_CHECKING:
    from tests.fault.simulation.world import World

BALANCE_OF = "0x70a08231"
IS_BLOCKED = "0xfbac3951"
IS_PAUSED = "0x5c975abb"
TIMEOUT_SECONDS = 10.0
CALL_SECONDS = 0.05
SUGGESTED_TIP_WEI = 30 * GWEI
STATES_KEPT = 128  # newest blocks whose accounts it has (geth's and Bor's cache.triesinmemory)
CALLS_MAX = 100  # calls in one request (Bor's rpc.batchlimit)
GARBAGE: tuple[Any, ...] = (
    None,
    {"error": {"code": -32000, "message": "batch limit exceeded"}},
    "",
    [],
    [{"jsonrpc": "2.0"}],
)


class Refused(Exception):
    """Raised to answer with an error instead of a result."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class View:
    """The state as a node knows it. `lag` is in blocks; a fork holds the blocks that only this node has, by number."""

    lag: int = 0
    final_lag: int = 0
    final_ahead: bool = False  # calls blocks finalized that are merely new
    final_unknown: bool = False  # has restarted and has seen no milestone yet
    fork: dict[int, Block] = field(default_factory=dict)
    stale_receipts: bool = False  # still gives receipts of blocks that a reorganisation removed
    chain_id: int = CHAIN_ID
    elsewhere_since: float = 0.0


class Node(rpc.Node):
    """The port's own node, connected to the simulated network."""

    def __init__(self, name: str, world: "World") -> None:
        super().__init__(name, self.carry)
        self.name = name
        self.world = world
        self.view = View()
        world.network.pools[name] = {}

    @property
    def network(self) -> Network:
        return self.world.network

    # The node's view:

    @property
    def head(self) -> int:
        if self.view.fork:
            return max(self.view.fork)
        return max(0, self.network.head.number - self.view.lag)

    @property
    def finalized(self) -> int:
        if self.view.fork or self.view.final_ahead:
            return max(0, self.head - self.view.final_lag)
        return max(0, min(self.head, self.network.finalized) - self.view.final_lag)

    def block(self, number: int) -> Block | None:
        if number in self.view.fork:
            return self.view.fork[number]
        return self.network.blocks[number] if 0 <= number <= self.head else None

    def has(self, block: Block) -> bool:
        return self.block(block.number) is block

    def state(self, number: int) -> State:
        block = self.block(number)
        if block is None:
            raise Refused(-32000, "header not found")
        if number <= self.head - STATES_KEPT:
            raise Refused(-32000, f"missing trie node {block.hash[2:]} (path ) state {block.hash} is not available")
        return block.state

    def found(self, transaction_hash: str) -> Block | None:
        """The block that has the transaction."""
        places = [*self.network.where[transaction_hash], *self.view.fork.values()]
        having = [block for block in places if any(it.tx.hash == transaction_hash for it in block.included)]
        for block in reversed(having):
            if self.has(block) or (self.view.stale_receipts and block.number <= self.head):
                return block
        return None

    # Answers:

    def carry(self, _url: str, calls: Sequence[rpc.Call], _seconds: float) -> Any:
        """Answer as `by_web3` does with a gateway's response; raises what requests raises."""
        world, plan = self.world, self.world.plan
        kind = "send" if calls[0][0] == "eth_sendRawTransaction" else calls[-1][0].removeprefix("eth_get")
        world.yield_point(f"{self.name}.{kind}", CALL_SECONDS)
        if kind == "send":
            for _, (raw,) in calls:
                world.sees_broadcast(read(bytes.fromhex(raw[2:])))
        self._fail(kind)
        if len(calls) > CALLS_MAX:
            return {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "batch limit 100 exceeded"}}
        answers = [self._answer(method, params) | {"id": place} for place, (method, params) in enumerate(calls)]
        if sum(method == "eth_getBlockByNumber" and params[1] for method, params in calls) > plan.whole_blocks_max:
            answers[plan.whole_blocks_max :] = [
                {"id": answer["id"], "error": {"code": -32003, "message": "response too large"}}
                for answer in answers[plan.whole_blocks_max :]
            ]
        world.yield_point(f"{self.name}.{kind} answered", 0.0)
        if kind == "send" and world.draw(plan.rpc_lost_after, f"{self.name} has it and times out"):
            world.pass_time(TIMEOUT_SECONDS)
            raise ReadTimeout("read timed out")
        if world.draw(plan.rpc_garbage, f"{self.name} answers {kind} with something else"):
            return GARBAGE[world.chance.randrange(len(GARBAGE))]
        return answers

    def _fail(self, kind: str) -> None:
        plan, world = self.world.plan, self.world
        if world.draw(plan.rpc_lost, f"{self.name} {kind} times out"):
            world.pass_time(TIMEOUT_SECONDS)
            raise ReadTimeout("read timed out")
        if world.draw(plan.rpc_hang_up, f"{self.name} {kind} hangs up"):
            raise HangUp("connection aborted")
        if world.draw(plan.rpc_page, f"{self.name} {kind} answers a page"):
            raise HTTPError("502 Server Error: Bad Gateway")
        if world.draw(plan.rpc_half, f"{self.name} {kind} answers half"):
            raise json.JSONDecodeError("Expecting value", "", 0)

    def _answer(self, method: str, params: list[Any]) -> dict[str, Any]:
        world, plan = self.world, self.world.plan
        wrapped = plan.rpc_wrapped_after if method == "eth_sendRawTransaction" else plan.rpc_wrapped
        if method != "eth_sendRawTransaction" and world.draw(plan.rpc_limited, f"{self.name} refuses {method}"):
            return {"jsonrpc": "2.0", "error": {"code": -32005, "message": "too many requests"}}
        try:
            result = ANSWERS[method](self, *params)
        except Refused as refusal:
            error = {"code": refusal.code, "message": str(refusal)}
            return {"jsonrpc": "2.0", "error": error}
        if world.draw(wrapped, f"{self.name} {method} answers -32603"):
            return {"jsonrpc": "2.0", "error": {"code": -32603, "message": "Internal error"}}
        if method == "eth_getTransactionReceipt" and result and world.draw(plan.null, f"{self.name} has no receipt"):
            result = None
        return {"jsonrpc": "2.0", "result": result}

    def send(self, raw: str) -> str:
        """Send a transaction. If the answer is lost, the transaction was sent all the same."""
        world, plan = self.world, self.world.plan
        tx = read(bytes.fromhex(raw[2:]))
        if world.draw(plan.send_lie, f"{self.name} refuses {tx.hash[:10]} untruly"):
            raise Refused(*plan.lies[world.chance.randrange(len(plan.lies))])
        refusal = self._offered(tx)
        world.note(self.name, f"{tx.hash[:10]} nonce {tx.nonce}: {refusal or 'accepted'}")
        if refusal:
            raise Refused(-32000, refusal)
        self.network.broadcast(tx)
        return tx.hash

    def _offered(self, tx: Signed) -> str:
        if tx.chain_id != self.view.chain_id:
            return "invalid sender: invalid chain id for signer"
        if tx.nonce < self.state(self.head).nonces.get(tx.sender, 0):
            return "already known" if self.found(tx.hash) and self.world.chance.random() < 0.5 else "nonce too low"
        return self.network.offer(self.name, tx)

    def call(self, asked: Mapping[str, str], block: str) -> str:
        token, selector, argument = self.network.token, asked["data"][:10], "0x" + asked["data"][-40:].lower()
        if asked["to"].lower() != token.address:
            return "0x"
        if selector == BALANCE_OF:
            return f"0x{self.state(self.number(block)).usdt.get(argument, 0):064x}"
        if selector == IS_BLOCKED:
            return f"0x{argument in token.blocked:064x}"
        if selector == IS_PAUSED:
            return f"0x{token.paused:064x}"
        raise Refused(3, "execution reverted")

    def count(self, address: str, block: str) -> str:
        return hex(self.state(self.number(block)).nonces.get(address.lower(), 0))

    def told(self, block: str, whole: bool) -> dict[str, Any] | None:
        found = self.block(self.number(block))
        if found is None:
            return None
        return {
            "number": hex(found.number),
            "hash": found.hash,
            "timestamp": hex(int(self.world.epoch + found.time)),
            "baseFeePerGas": hex(self.network.base_fee if block == "pending" else found.base_fee),
            "transactions": [_transaction(found, it.tx) if whole else it.tx.hash for it in found.included],
        }

    def receipt(self, transaction_hash: str) -> dict[str, Any] | None:
        block = self.found(transaction_hash)
        if block is None or block.number <= self.head - self.world.plan.indexed_blocks:
            return None
        return chain.receipt(block, transaction_hash, fees=self.world.plan.fee_logs)

    def receipts(self, number: str) -> list[dict[str, Any]] | None:
        block = self.block(self.number(number))
        if block is None:
            return None
        return [chain.receipt(block, it.tx.hash, fees=self.world.plan.fee_logs) for it in block.included]

    def transaction(self, number: str, position: str) -> dict[str, Any] | None:
        block = self.block(self.number(number))
        place = int(position, 16)
        if block is None or place >= len(block.included):
            return None
        return _transaction(block, block.included[place].tx)

    def logs(self, wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
        first, last = self.number(wanted["fromBlock"]), self.number(wanted["toBlock"])
        if last - first + 1 > self.world.plan.log_blocks_max:
            raise Refused(-32000, f"exceed maximum block range: {self.world.plan.log_blocks_max}")
        blocks = [block for block in self.network.busy if self.has(block)]
        blocks += [block for block in self.view.fork.values() if block.included]
        return [
            made
            for block in sorted(blocks, key=lambda block: block.number)
            if first <= block.number <= last
            for it in block.included
            for made in chain.logs(block, it, fees=self.world.plan.fee_logs)
            if made["address"] == wanted["address"]
            and all(want in (None, have) for want, have in zip(wanted["topics"], made["topics"], strict=False))
        ]

    def number(self, block: str) -> int:
        if block.startswith("0x"):
            return int(block, 16)
        if block == "finalized" and self.view.final_unknown:
            raise Refused(-39001, "finalized block not found")
        return {"finalized": self.finalized, "safe": self.finalized, "earliest": 0}.get(block, self.head)


ANSWERS: dict[str, Callable[..., Any]] = {
    "eth_chainId": lambda node: hex(node.view.chain_id),
    "eth_blockNumber": lambda node: hex(node.head),
    "eth_maxPriorityFeePerGas": lambda _: hex(SUGGESTED_TIP_WEI),
    "eth_getBalance": lambda node, address, block: hex(node.state(node.number(block)).wei.get(address.lower(), 0)),
    "eth_getTransactionCount": Node.count,
    "eth_getBlockByNumber": Node.told,
    "eth_getTransactionReceipt": Node.receipt,
    "eth_getBlockReceipts": Node.receipts,
    "eth_getTransactionByBlockNumberAndIndex": Node.transaction,
    "eth_getLogs": Node.logs,
    "eth_call": Node.call,
    "eth_sendRawTransaction": Node.send,
}


def _transaction(block: Block, tx: Signed) -> dict[str, Any]:
    return {
        "hash": tx.hash,
        "from": tx.sender,
        "to": tx.to,
        "nonce": hex(tx.nonce),
        "value": hex(tx.value),
        "input": "0x" + tx.data.hex(),
        "gas": hex(tx.gas),
        "maxFeePerGas": hex(tx.fee),
        "maxPriorityFeePerGas": hex(tx.tip),
        "blockNumber": hex(block.number),
        "blockHash": block.hash,
        "type": "0x2",
    }
