"""Polygon, over JSON-RPC: balances, fees, sending, receipts, finality, searches. Every configured node must agree.

Facts: Bor takes no priority fee below 25 gwei; the `finalized` block is Heimdall's last milestone
(docs.polygon.technology).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, partial
from typing import Any, TypeVar

from shared.config import Config, read
from shared.ports.rpc import Call, ChainUnreachable, Node, RpcError, number

__all__ = [
    "Chain",
    "ChainUnreachable",
    "Fees",
    "Found",
    "Heads",
    "Logged",
    "Look",
    "Moved",
    "Receipt",
    "SendOutcome",
    "Sent",
    "WrongChain",
    "connect",
]

T = TypeVar("T")

LOG_BLOCKS_MAX = 10_000  # of one search for logs; public gateways take no more
BALANCE_SELECTOR = "0x70a08231"  # balanceOf(address)
BLOCKED_SELECTOR = "0xfbac3951"  # isBlocked(address)
TRANSFER_TOPIC = (
    "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"  # Transfer(address,address,uint256)
)
TRANSFER_TOPICS = 3


class ChainConfig(Config):
    """The nodes' addresses, comma separated; more than one must agree before money counts as moved."""

    rpc_urls: str


class WrongChain(Exception):
    """A node is on another chain than the treasury: sign nothing."""


class SendOutcome(StrEnum):
    """What a node said to a raw transaction. Only the receipts tell what became of it."""

    ACCEPTED = "accepted"
    ALREADY_KNOWN = "already_known"
    NONCE_TOO_LOW = "nonce_too_low"
    UNDERPRICED = "underpriced"
    OUT_OF_GAS_MONEY = "out_of_gas_money"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Sent:
    """The best of the nodes' answers, and its words."""

    outcome: SendOutcome
    message: str


@dataclass(frozen=True)
class Moved:
    """A Transfer log: who has paid whom how much of which token. Addresses are in lower case."""

    token: str
    sender: str
    recipient: str
    amount_micro: int


@dataclass(frozen=True)
class Receipt:
    """Where a transaction was included, whether it ran to its end, and what it moved.

    A token that answers false instead of reverting, and an address without code, succeed and move nothing.
    """

    hash: str
    block_number: int
    block_hash: str
    succeeded: bool
    moved: tuple[Moved, ...]


@dataclass(frozen=True)
class Heads:
    """Block numbers: the lowest of the nodes' heads, and of their finalized blocks; the longest distance in seconds."""

    latest: int
    finalized: int
    lag_seconds: int


@dataclass(frozen=True)
class Look:
    """What the nodes say of some transactions: where those are that every node has, and of which they disagree.

    A node that has not come as far as another one does not disagree; it is waited for.
    """

    heads: Heads
    receipts: Mapping[str, Receipt]
    disputed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Fees:
    """Wei per gas: the pending block's base fee, and the tip that nodes suggest."""

    base_wei: int
    priority_wei: int


@dataclass(frozen=True)
class Found:
    """The transaction that used a nonce, as the chain has it."""

    hash: str
    sender: str
    nonce: int
    to: str
    gas_limit: int
    fee_per_gas_wei_max: int
    priority_fee_per_gas_wei_max: int
    receipt: Receipt


@dataclass(frozen=True)
class Logged:
    """A Transfer log and where it stands."""

    moved: Moved
    transaction_hash: str
    block_number: int
    position: int


class Chain:
    """All configured nodes, asked together."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes

    def require(self, chain_id: int) -> None:
        """Raises WrongChain unless every node is on that chain."""
        found = {number(answer) for answer in self._each(("eth_chainId", []))}
        if found != {chain_id}:
            raise WrongChain(f"nodes are on {sorted(found)}, the treasury is on {chain_id}")

    def token_balance(self, token: str, address: str) -> int:
        """Micro-USDT at the finalized block; of several nodes the lowest."""
        return min(map(number, self._each(_call(token, BALANCE_SELECTOR + _padded(address), "finalized"))))

    def blocked(self, token: str, addresses: Sequence[str]) -> frozenset[str]:
        """Those that a node says the token's issuer has blocked: a transfer to them would revert."""
        calls = [_call(token, BLOCKED_SELECTOR + _padded(address), "latest") for address in addresses]
        answers = [[number(answer) for answer in node.ask(calls)] for node in self._nodes]
        return frozenset(
            address for address, told in zip(addresses, zip(*answers, strict=True), strict=True) if any(told)
        )

    def gas_balance(self, address: str) -> int:
        """Wei of the chain's own coin; of several nodes the lowest."""
        return min(map(number, self._each(("eth_getBalance", [address, "latest"]))))

    def used_nonces(self, address: str) -> int:
        """How many transactions of the address are in the chain; of several nodes the highest."""
        return max(map(number, self._each(("eth_getTransactionCount", [address, "latest"]))))

    def final_nonces(self, address: str) -> int:
        """How many are in its finalized part; of several nodes the lowest."""
        return min(map(number, self._each(("eth_getTransactionCount", [address, "finalized"]))))

    def fees(self) -> Fees:
        """What a transaction pays now; of several nodes the higher."""
        answers = [
            node.ask([("eth_getBlockByNumber", ["pending", False]), ("eth_maxPriorityFeePerGas", [])])
            for node in self._nodes
        ]
        return Fees(
            max(_read(partial(_base_fee, told[0])) for told in answers),
            max(number(told[1]) for told in answers),
        )

    def heads(self) -> Heads:
        """Of several nodes the lowest: a lagging node delays, it never deceives."""
        return _lowest([_heads(node.ask(HEADS)) for node in self._nodes])

    def send(self, raws: Sequence[bytes]) -> list[Sent]:
        """Offer signed transactions, in order, to every node. Never raises: no answer is an answer too."""
        if not raws:
            return []
        answers = [_send(node, raws) for node in self._nodes]
        order = list(SendOutcome)
        return [min(told, key=lambda sent: order.index(sent.outcome)) for told in zip(*answers, strict=True)]

    def look(self, hashes: Sequence[str]) -> Look:
        """Where these transactions are. The heads are read before the blocks that are compared with them."""
        calls = [*HEADS, *(("eth_getTransactionReceipt", [it]) for it in hashes)]
        answers = [node.ask(calls) for node in self._nodes]
        heads = [_heads(told) for told in answers]
        receipts = [_read(partial(_receipts, told[len(HEADS) :])) for told in answers]
        seen = {it: told for it, *told in zip(hashes, *receipts, strict=True)}
        numbers = sorted({it.block_number for told in seen.values() for it in told if it})
        blocks = [_block_hashes(node, numbers) for node in self._nodes]
        agreed: dict[str, Receipt] = {}
        disputed: set[str] = set()
        for it, told in seen.items():
            verdict = _compare(told, heads, blocks)
            if isinstance(verdict, Receipt):
                agreed[it] = verdict
            elif verdict:
                disputed.add(it)
        return Look(_lowest(heads), agreed, frozenset(disputed))

    def find(self, address: str, nonce: int) -> Found | None:
        """The transaction of the finalized chain that used a nonce (R5); None while the nodes cannot tell alike.

        Bisects over blocks for the one in which the count of the address's transactions passed the nonce.
        """
        founds = [_find(node, address, nonce, self.heads().finalized) for node in self._nodes]
        return founds[0] if len(set(founds)) == 1 else None

    def logged(self, token: str, sender: str, first_block: int, last_block: int) -> list[Logged]:
        """Every Transfer of the token from the sender in these blocks; raises ChainUnreachable if nodes differ."""
        found: list[Logged] = []
        for start in range(first_block, last_block + 1, LOG_BLOCKS_MAX):
            end = min(last_block, start + LOG_BLOCKS_MAX - 1)
            wanted = {"address": token, "fromBlock": hex(start), "toBlock": hex(end)}
            wanted |= {"topics": [TRANSFER_TOPIC, "0x" + _padded(sender)]}  # type: ignore[dict-item]
            told = [_read(partial(_logged, it)) for it in self._each(("eth_getLogs", [wanted]))]
            if any(other != told[0] for other in told):
                raise ChainUnreachable("the nodes have different logs")
            found += told[0]
        return found

    def _each(self, call: Call) -> list[Any]:
        """Every node's answer to one question."""
        return [node.ask([call])[0] for node in self._nodes]


HEADS: tuple[Call, ...] = (
    ("eth_blockNumber", []),
    ("eth_getBlockByNumber", ["latest", False]),
    ("eth_getBlockByNumber", ["finalized", False]),
)


@cache
def connect() -> Chain:
    """The configured nodes."""
    return Chain([Node(url) for url in read(ChainConfig).rpc_urls.split(",")])


def _read(work: Callable[[], T]) -> T:
    """Whatever does not look as a node's answer means that nothing is known."""
    try:
        return work()
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ChainUnreachable(f"{type(error).__name__}: {error}"[:500]) from error


def _padded(address: str) -> str:
    return address[2:].lower().rjust(64, "0")


def _call(to: str, data: str, block: str) -> Call:
    return ("eth_call", [{"to": to, "data": data}, block])


def _heads(told: Sequence[Any]) -> Heads:
    def made() -> Heads:
        head, latest, finalized = told[:3]
        lag = number(latest["timestamp"]) - number(finalized["timestamp"])
        return Heads(number(head), number(finalized["number"]), max(0, lag))

    return _read(made)


def _lowest(heads: Sequence[Heads]) -> Heads:
    return Heads(min(it.latest for it in heads), min(it.finalized for it in heads), max(it.lag_seconds for it in heads))


def _base_fee(block: Any) -> int:
    return number(block["baseFeePerGas"])


def _receipts(told: Sequence[Any]) -> list[Receipt | None]:
    return [_receipt(it) for it in told]


def _receipt(told: Any) -> Receipt | None:
    if told is None:
        return None
    return Receipt(
        hash=str(told["transactionHash"]).lower(),
        block_number=number(told["blockNumber"]),
        block_hash=str(told["blockHash"]).lower(),
        succeeded=number(told["status"]) == 1,
        moved=tuple(moved for log in told["logs"] if (moved := _moved(log))),
    )


def _moved(log: Mapping[str, Any]) -> Moved | None:
    topics = [str(topic).lower() for topic in log["topics"]]
    if len(topics) != TRANSFER_TOPICS or topics[0] != TRANSFER_TOPIC:
        return None
    amount = int(str(log["data"]), 16)
    return Moved(str(log["address"]).lower(), f"0x{topics[1][-40:]}", f"0x{topics[2][-40:]}", amount)


def _logged(told: Iterable[Mapping[str, Any]]) -> list[Logged]:
    return [
        Logged(moved, str(log["transactionHash"]).lower(), number(log["blockNumber"]), number(log["logIndex"]))
        for log in told
        if (moved := _moved(log))
    ]


def _block_hashes(node: Node, numbers: Sequence[int]) -> dict[int, str | None]:
    """None for a block that the node does not have."""
    told = node.ask([("eth_getBlockByNumber", [hex(it), False]) for it in numbers]) if numbers else []
    return _read(lambda: {it: block and str(block["hash"]).lower() for it, block in zip(numbers, told, strict=True)})


def _compare(
    told: Sequence[Receipt | None], heads: Sequence[Heads], blocks: Sequence[Mapping[int, str | None]]
) -> Receipt | bool:
    """The receipt that every node has in a block that every node has; else whether they disagree."""
    first = next((it for it in told if it), None)
    if first is None:
        return False
    have_come = [head.latest >= first.block_number for head in heads]
    hashes = [block[first.block_number] for block in blocks]
    if any(it != first and (it or come) for it, come in zip(told, have_come, strict=True)):
        return True
    if any(it != first.block_hash and (it or come) for it, come in zip(hashes, have_come, strict=True)):
        return True
    return first if None not in told and None not in hashes else False


def _find(node: Node, address: str, nonce: int, last_block: int) -> Found | None:
    low, high = -1, last_block  # after block `low` the nonce was free, after `high` it is used
    while high - low > 1:
        middle = (low + high) // 2
        used = number(node.ask([("eth_getTransactionCount", [address, hex(middle)])])[0])
        low, high = (low, middle) if used > nonce else (middle, high)
    block = node.ask([("eth_getBlockByNumber", [hex(high), True])])[0]
    return _read(lambda: _found(node, block, address, nonce))


def _found(node: Node, block: Any, address: str, nonce: int) -> Found | None:
    for told in block["transactions"]:
        if str(told["from"]).lower() == address.lower() and number(told["nonce"]) == nonce:
            receipt = _receipt(node.ask([("eth_getTransactionReceipt", [told["hash"]])])[0])
            fee = number(told.get("maxFeePerGas") or told["gasPrice"])
            tip = number(told.get("maxPriorityFeePerGas") or told["gasPrice"])
            where = (str(told["hash"]).lower(), address, nonce, str(told.get("to") or "").lower())
            return Found(*where, number(told["gas"]), fee, tip, receipt) if receipt else None
    return None


def _send(node: Node, raws: Sequence[bytes]) -> list[Sent]:
    try:
        told = node.ask([("eth_sendRawTransaction", ["0x" + raw.hex()]) for raw in raws])
    except ChainUnreachable as error:
        return [Sent(SendOutcome.UNKNOWN, str(error))] * len(raws)
    return [_sent(answer) for answer in told]


def _sent(answer: Any) -> Sent:
    if isinstance(answer, RpcError):
        return Sent(_meaning(answer.message.lower()), answer.message)
    return Sent(SendOutcome.ACCEPTED, "") if answer else Sent(SendOutcome.UNKNOWN, str(answer))


def _meaning(message: str) -> SendOutcome:
    """Nodes differ in their words; what is not recognised is unknown, never failed."""
    words = {
        "already known": SendOutcome.ALREADY_KNOWN,
        "already imported": SendOutcome.ALREADY_KNOWN,
        "nonce too low": SendOutcome.NONCE_TOO_LOW,
        "underpriced": SendOutcome.UNDERPRICED,
        "tip cap": SendOutcome.UNDERPRICED,
        "max fee per gas less than block base fee": SendOutcome.UNDERPRICED,
        "insufficient funds": SendOutcome.OUT_OF_GAS_MONEY,
    }
    return next((outcome for phrase, outcome in words.items() if phrase in message), SendOutcome.UNKNOWN)
