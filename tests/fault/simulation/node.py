"""A node as the port sees it: web3's surface over one view of the network, with everything that gateways do wrong.

web3 itself is left out, because it takes 0.3 to 3.5 ms a call: `shared/ports/chain.py` reads the very objects and
exceptions that web3 would give it. `tests/fault/test_simulated_node.py` compares both.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hexbytes import HexBytes
from requests import ConnectionError as HangUp
from requests import HTTPError, ReadTimeout
from web3.exceptions import BlockNotFound, TransactionNotFound, Web3RPCError

from tests.fault.simulation import chain
from tests.fault.simulation.chain import CHAIN_ID, GWEI, Block, Network, State
from tests.fault.simulation.transactions import Signed, read

if TYPE_CHECKING:
    from tests.fault.simulation.world import World

BALANCE_OF = "0x70a08231"
IS_BLOCKED = "0xfbac3951"
PAUSED = "0x5c975abb"
TIMEOUT_SECONDS = 10.0
CALL_SECONDS = 0.03
SUGGESTED_TIP_WEI = 30 * GWEI


@dataclass
class View:
    """What a node believes. `lag` is in blocks; a fork holds the blocks that only this node has, by number."""

    lag: int = 0
    final_lag: int = 0
    final_ahead: bool = False  # says finalized for what is merely new
    fork: dict[int, Block] = field(default_factory=dict)
    stale_receipts: bool = False  # goes on giving out receipts of blocks that a reorganisation took
    chain_id: int = CHAIN_ID
    used_too_many: int = 0  # of another count of transactions


class Node:
    """Has `eth` and `provider` like a Web3."""

    def __init__(self, name: str, world: "World") -> None:
        self.name = name
        self.world = world
        self.view = View()
        self.eth = Eth(self)
        self.provider = Provider(self)
        world.network.pools[name] = {}

    @property
    def network(self) -> Network:
        return self.world.network

    # What it believes

    @property
    def head(self) -> int:
        if self.view.fork:
            return max(self.view.fork)
        return max(0, self.network.head.number - self.view.lag)

    @property
    def finalized(self) -> int:
        if self.view.fork or self.view.final_ahead:
            return self.head
        return max(0, min(self.head, self.network.finalized) - self.view.final_lag)

    def block(self, number: int) -> Block | None:
        if number in self.view.fork:
            return self.view.fork[number]
        return self.network.blocks[number] if 0 <= number <= self.head else None

    def has(self, block: Block) -> bool:
        return self.block(block.number) is block

    def state(self, number: int | None = None) -> State:
        block = self.block(self.head if number is None else number)
        assert block
        return block.state

    def found(self, transaction_hash: str) -> Block | None:
        """The block that has the transaction."""
        places = [*self.network.where[transaction_hash], *self.view.fork.values()]
        having = [block for block in places if any(it.tx.hash == transaction_hash for it in block.included)]
        for block in reversed(having):
            if self.has(block) or (self.view.stale_receipts and block.number <= self.head):
                return block
        return None

    # Answering

    def ask(self, method: str, answer: Callable[[], Any]) -> Any:
        """One call that changes nothing, with its faults."""
        self.world.outside(f"{self.name}.{method}", CALL_SECONDS)
        self.fail(method)
        if method in self.world.plan.nulls and self.world.draw(self.world.plan.null, f"{self.name} {method} null"):
            return None
        return answer()

    def fail(self, method: str) -> None:
        plan, world = self.world.plan, self.world
        if world.draw(plan.rpc_lost, f"{self.name} {method} times out"):
            world.pass_time(TIMEOUT_SECONDS)
            raise ReadTimeout("read timed out")
        if world.draw(plan.rpc_hang_up, f"{self.name} {method} hangs up"):
            raise HangUp("connection aborted")
        if world.draw(plan.rpc_page, f"{self.name} {method} answers a page"):
            raise HTTPError("502 Server Error: Bad Gateway")
        if world.draw(plan.rpc_garbage, f"{self.name} {method} answers nothing, or half"):
            raise json.JSONDecodeError("Expecting value", "", 0)
        if world.draw(plan.rpc_wrapped, f"{self.name} {method} answers -32603"):
            raise _refused(-32603, "Internal error")

    def send(self, raw: bytes) -> dict[str, object]:
        """eth_sendRawTransaction; what is lost on the way back has happened all the same."""
        world, plan = self.world, self.world.plan
        world.outside(f"{self.name}.send", CALL_SECONDS)
        tx = read(raw)
        world.sees_broadcast(tx)
        self.fail("send")
        if world.draw(plan.send_lie, f"{self.name} refuses {tx.hash[:10]} untruly"):
            return _error(*plan.lies[world.chance.randrange(len(plan.lies))])
        refusal = self._offered(tx)
        world.note(self.name, f"{tx.hash[:10]} nonce {tx.nonce}: {refusal or 'accepted'}")
        if not refusal:
            self.network.spread(tx)
        world.outside(f"{self.name}.sent", 0.0)
        if world.draw(plan.rpc_lost_after, f"{self.name} has it and times out"):
            world.pass_time(TIMEOUT_SECONDS)
            raise ReadTimeout("read timed out")
        if world.draw(plan.rpc_wrapped_after, f"{self.name} has it and answers -32603"):
            return _error(-32603, "Internal error")
        return _error(-32000, refusal) if refusal else {"jsonrpc": "2.0", "id": 1, "result": tx.hash}

    def _offered(self, tx: Signed) -> str:
        if tx.chain_id != self.view.chain_id:
            return "invalid sender: invalid chain id for signer"
        if tx.nonce < self.state().nonces.get(tx.sender, 0):
            return "already known" if self.found(tx.hash) and self.world.chance.random() < 0.5 else "nonce too low"
        return self.network.offer(self.name, tx)


class Provider:
    """`make_request` of web3's providers."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def make_request(self, method: str, params: list[Any]) -> dict[str, object]:
        assert method == "eth_sendRawTransaction", f"the port asks {method} in another way"
        return self._node.send(bytes.fromhex(str(params[0])[2:]))


class Eth:
    """`Web3.eth`, as far as the port goes."""

    def __init__(self, node: Node) -> None:
        self._node = node

    @property
    def chain_id(self) -> int:
        return int(self._node.ask("chain_id", lambda: self._node.view.chain_id))

    @property
    def block_number(self) -> int:
        return int(self._node.ask("head", lambda: self._node.head))

    @property
    def max_priority_fee(self) -> int:
        return int(self._node.ask("tip", lambda: SUGGESTED_TIP_WEI))

    @property
    def gas_price(self) -> int:
        return int(self._node.ask("gas_price", lambda: SUGGESTED_TIP_WEI + self._node.network.base_fee))

    def get_balance(self, address: str, block: int | str = "latest") -> int:
        return int(self._node.ask("balance", lambda: self._at(block).wei.get(address.lower(), 0)))

    def get_transaction_count(self, address: str, block: int | str = "latest") -> int:
        def count() -> int:
            mined = self._at(block).nonces.get(address.lower(), 0)
            if block == "pending":
                pool = self._node.network.pools[self._node.name]
                while (address.lower(), mined) in pool:
                    mined += 1
            return mined + (self._node.view.used_too_many if block == "latest" else 0)

        return int(self._node.ask("nonce", count))

    def call(self, tx: Mapping[str, Any], block: int | str = "latest") -> HexBytes:
        return HexBytes(self._node.ask("call", lambda: self._called(str(tx["to"]).lower(), str(tx["data"]), block)))

    def get_block(self, block: int | str, full_transactions: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 - web3's signature
        found = self._node.ask("block", lambda: self._node.block(self._number(block)))
        if found is None:
            raise BlockNotFound(f"Block with id: {block!r} not found.")
        transactions = [_transaction(found, it.tx) if full_transactions else HexBytes(it.tx.hash) for it in found.included]
        return {
            "number": found.number,
            "hash": HexBytes(found.hash),
            "timestamp": int(self._node.world.epoch + found.time),
            "baseFeePerGas": self._node.network.base_fee if block == "pending" else found.base_fee,
            "transactions": transactions,
        }

    def get_transaction_receipt(self, transaction_hash: str) -> dict[str, Any]:
        wanted = HexBytes(transaction_hash).to_0x_hex()
        block = self._node.ask("receipt", lambda: self._node.found(wanted))
        if block is None:
            raise TransactionNotFound(f"Transaction with hash: {wanted!r} not found.")
        given = chain.receipt(block, wanted)
        return given | {"blockHash": HexBytes(block.hash), "logs": [_log(it) for it in given["logs"]]}  # type: ignore[attr-defined]

    def get_transaction(self, transaction_hash: str) -> dict[str, Any]:
        wanted = HexBytes(transaction_hash).to_0x_hex()
        block = self._node.ask("transaction", lambda: self._node.found(wanted))
        if block is None:
            raise TransactionNotFound(f"Transaction with hash: {wanted!r} not found.")
        return _transaction(block, next(it.tx for it in block.included if it.tx.hash == wanted))

    def get_logs(self, wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
        return list(self._node.ask("logs", lambda: self._logs(wanted)))

    def _logs(self, wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
        first, last = self._number(wanted.get("fromBlock", 0)), self._number(wanted.get("toBlock", "latest"))
        topics = [None if topic is None else HexBytes(topic) for topic in wanted.get("topics", [])]
        blocks = [block for block in self._node.network.busy if self._node.has(block)]
        blocks += [block for block in self._node.view.fork.values() if block.included]
        return [
            made
            for block in sorted(blocks, key=lambda block: block.number)
            if first <= block.number <= last
            for it in block.included
            for made in [_log(chain.log(block, it, place)) for place in range(len(it.logs))]
            if all(want is None or want == have for want, have in zip(topics, made["topics"], strict=False))
        ]

    def _called(self, to: str, data: str, block: int | str) -> bytes:
        token, selector, argument = self._node.network.token, data[:10], "0x" + data[-40:].lower()
        if to != token.address:
            return b""
        if selector == BALANCE_OF:
            return self._at(block).usdt.get(argument, 0).to_bytes(32, "big")
        if selector == IS_BLOCKED:
            return int(argument in token.blocked).to_bytes(32, "big")
        if selector == PAUSED:
            return int(token.paused).to_bytes(32, "big")
        raise _refused(3, "execution reverted")

    def _at(self, block: int | str) -> State:
        number = self._number(block)
        if self._node.block(number) is None:
            raise _refused(-32000, "header not found")
        return self._node.state(number)

    def _number(self, block: int | str) -> int:
        if isinstance(block, int):
            return block
        if block.startswith("0x"):
            return int(block, 16)
        return {"finalized": self._node.finalized, "safe": self._node.finalized, "earliest": 0}.get(
            block, self._node.head
        )


def _transaction(block: Block, tx: Signed) -> dict[str, Any]:
    from eth_utils.address import to_checksum_address

    return {
        "hash": HexBytes(tx.hash),
        "from": to_checksum_address(tx.sender),
        "to": to_checksum_address(tx.to),
        "nonce": tx.nonce,
        "value": tx.value,
        "input": HexBytes(tx.data),
        "gas": tx.gas,
        "maxFeePerGas": tx.fee,
        "maxPriorityFeePerGas": tx.tip,
        "blockNumber": block.number,
        "blockHash": HexBytes(block.hash),
        "chainId": tx.chain_id,
        "type": 2,
    }


def _log(made: Mapping[str, Any]) -> dict[str, Any]:
    from eth_utils.address import to_checksum_address

    return {
        **made,
        "address": to_checksum_address(made["address"]),
        "topics": [HexBytes(topic) for topic in made["topics"]],
        "data": HexBytes(made["data"]),
        "blockHash": HexBytes(made["blockHash"]),
        "transactionHash": HexBytes(made["transactionHash"]),
    }


def _error(code: int, message: str) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": message}}


def _refused(code: int, message: str) -> Web3RPCError:
    return Web3RPCError(f"{{'code': {code}, 'message': '{message}'}}", rpc_response=_error(code, message))  # type: ignore[arg-type]
