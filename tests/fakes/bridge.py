"""The source chain of top-ups behind the port: `Bridge` and `Nodes` are real, but the two nodes are not on the network.

Arrivals are logs of `FakeNodes`, the treasuries' own chain.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.ports.polygon.failures import ChainUnreachable
from shared.ports.polygon.nodes import Movement, Nodes
from shared.ports.polygon.rpc import Call, Node, RpcError
from shared.ports.stargate import Bridge, StargateConfig
from shared.values import stargate
from tests.fakes.nodes import FakeNodes

ROUTE = StargateConfig(stargate_rpc_urls="http://127.0.0.1:9")
WALLET = "0x8617E340B3D01FA5F11F306F4090FD50E238070D"
FEE_WEI = 10**15
_hashes = itertools.count(1)


def new_hash() -> str:
    return f"0x{next(_hashes) + 10**15:064x}"


def words(*values: int) -> str:
    return f"0x{''.join(f'{value:064x}' for value in values)}"


def topic(address: str) -> str:
    return f"0x{address[2:].lower():0>64}"


@dataclass
class Sending:
    """A transaction as a node tells it; what is None in `block` waits in the pool."""

    hash: str
    sender: str
    to: str
    data: str
    block: int | None
    succeeded: bool = True
    logs: list[dict[str, Any]] = field(default_factory=list)


class SourceNode(Node):
    """One node. A `silent` one answers nothing, a `lying` one tells every transaction as reverted."""

    def __init__(self, world: "FakeSource") -> None:
        super().__init__("http://127.0.0.1:9")
        self.world = world
        self.silent = False
        self.lying = False

    def ask(self, calls: Sequence[Call]) -> list[Any]:
        if self.silent:
            raise ChainUnreachable("it is switched off")
        return [getattr(self, f"_{method}")(*parameters) for method, parameters in calls]

    def _eth_chainId(self) -> str:  # noqa: N802 - as the JSON-RPC method is called
        return hex(self.world.chain_id)

    def _eth_call(self, call: dict[str, str], _block: str) -> object:
        world, data = self.world, call["data"]
        if world.refuses and data[:10] in (stargate.QUOTE_OFT, stargate.QUOTE_SEND):
            return RpcError("execution reverted")
        return {
            stargate.ITS_TOKEN: words(int(world.token, 16)),
            stargate.ALLOWANCE: words(world.allowance),
            stargate.QUOTE_OFT: words(world.least, world.most, 0x120, world.quoted, world.quoted),
            stargate.QUOTE_SEND: words(world.fee_wei, 0),
        }[data[:10]]

    def _eth_getBlockByNumber(self, tag: str, _full: bool) -> dict[str, str]:  # noqa: N802 - as the JSON-RPC method is called
        number = {"finalized": self.world.final, "latest": self.world.head}.get(tag)
        number = int(tag, 16) if number is None else number
        return {"number": hex(number), "hash": self.world.block_hash(number), "timestamp": "0x1"}

    def _eth_getTransactionByHash(self, hash_: str) -> dict[str, Any] | None:  # noqa: N802 - as the JSON-RPC method is called
        it = self.world.sendings.get(hash_)
        return None if it is None else {"hash": it.hash, "from": it.sender, "to": it.to, "input": it.data}

    def _eth_getTransactionReceipt(self, hash_: str) -> dict[str, Any] | None:  # noqa: N802 - as the JSON-RPC method is called
        it = self.world.sendings.get(hash_)
        if it is None or it.block is None:
            return None
        place = {"transactionHash": it.hash, "blockNumber": hex(it.block)}
        succeeded = it.succeeded and not self.lying
        return {
            **place,
            "blockHash": self.world.block_hash(it.block),
            "status": hex(succeeded),
            "logs": [log | place | {"logIndex": hex(at)} for at, log in enumerate(it.logs)] if succeeded else [],
        }


@dataclass
class FakeSource:
    """Two nodes of the source chain, Stargate's answers there, and what has been sent."""

    chain_id: int = ROUTE.stargate_chain_id
    token: str = ROUTE.stargate_usdt
    quoted: int = 999_000_000
    least: int = 1
    most: int = 10**13
    fee_wei: int = FEE_WEI
    allowance: int = 0
    refuses: bool = False
    head: int = 100
    final: int = 90
    fork: int = 0
    sendings: dict[str, Sending] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.one, self.other = SourceNode(self), SourceNode(self)
        self.bridge = Bridge(Nodes([self.one, self.other]), ROUTE)

    def block_hash(self, number: int) -> str:
        return f"0x{number * 1_000 + self.fork:064x}"

    def finish(self) -> None:
        """Make everything on the chain final."""
        self.head += 10
        self.final = self.head

    def send(self, transaction: dict[str, Any], **other: Any) -> Sending:
        """A person sends what was handed out, in the newest block; `other` is what they do otherwise."""
        told: dict[str, Any] = {
            "sender": transaction["from_address"],
            "to": transaction["to_address"],
            "data": transaction["data"],
        }
        told |= {"hash": new_hash(), "block": self.head}
        made = Sending(**(told | other))
        self.sendings[made.hash] = made
        return made

    def logged(self, sending: Sending, spent: int, promised: int, **other: Any) -> str:
        """Let Stargate's contract log what the transaction sends; returns the guid."""
        guid = new_hash()
        sending.logs.append(
            {
                "address": other.get("contract", ROUTE.stargate_contract),
                "topics": [stargate.OFT_SENT, guid, topic(sending.sender)],
                "data": words(other.get("home_eid", ROUTE.stargate_home_eid), spent, promised),
            }
        )
        return guid


def deliver(
    home: FakeNodes, guid: str, to: str, micro: int, *, moved: int | None = None, source_eid: int = ROUTE.stargate_eid
) -> str:
    """A message arrives on the treasuries' chain, with so much money (`moved` if it is other money than is logged);
    returns the transaction's hash. It is not final yet.
    """
    hash_ = home.pay_in(to, micro if moved is None else moved)
    came: Movement = home.deposits[-1]
    home.events.append(
        {
            "address": ROUTE.stargate_home_contract.lower(),
            "topics": [stargate.OFT_RECEIVED, guid, topic(to)],
            "data": words(source_eid, micro),
            "transactionHash": hash_,
            "logIndex": hex(came.log_index + 500),
            "blockNumber": hex(came.block_number),
        }
    )
    return hash_
