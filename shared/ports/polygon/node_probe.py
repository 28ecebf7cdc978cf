"""Asks each configured node once for everything that the functions will ever ask (docs/cloud.md).

A deployment continues only if all nodes can answer. No question needs more than a full node without an archive.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from shared.ports.polygon import nodes
from shared.ports.polygon.nodes import CALLS_MAX, COIN, FEE_TOPIC, TRANSFER_TOPIC, Node, NodeRefused, NodeSilent
from shared.ports.polygon.selectors import BALANCE_SELECTOR, BLOCKED_SELECTOR

STATE_BLOCKS = 100  # how many blocks behind the head accounts must still be there
LOG_BLOCKS = 2_000  # how many blocks one question covers
INDEXED_BLOCKS = 43_200  # the blocks of one day: a transaction of that age must be found by its hash
TOKEN_DECIMALS = 6
SYMBOL = "USDT"  # what the token's symbol begins with; Polygon's is USDT0
DECIMALS_SELECTOR = "0x313ce567"  # decimals()
SYMBOL_SELECTOR = "0x95d89b41"  # symbol()
WORD = 32


class Unfit(Exception):
    """Raised when a node's answer is not what the functions need; the message says what is wrong."""


@dataclass(frozen=True)
class Probe:
    """One node, and the chain and token that the treasuries expect of it."""

    node: Node
    chain_id: int
    token: str

    def ask(self, method: str, *parameters: Any) -> Any:
        return self.node.ask((method, list(parameters)))[0]

    def call(self, data: str, block: str = "latest") -> str:
        return str(self.ask("eth_call", {"to": self.token, "data": data}, block))


def faults(chain_id: int, token: str) -> list[str]:
    """One sentence for each thing that a node lacks; an empty list when all is well."""
    configured = nodes.configured()
    found = []
    if len(configured.urls) < configured.needed:
        found.append(f"{len(configured.urls)} nodes are configured, RPC_NODES_MIN is {configured.needed}")
    for number, url in enumerate(configured.urls, start=1):
        found += [f"node {number}: {fault}" for fault in _faults(Probe(Node(url), chain_id, token.lower()))]
    return found


def _faults(probe: Probe) -> Iterator[str]:
    for check in (_chain, _token, _accounts, _fees, _logs, _blocks, _index, _batch):
        try:
            check(probe)
        except (Unfit, NodeSilent, NodeRefused, KeyError, TypeError, ValueError) as fault:
            yield f"{(check.__doc__ or '').rstrip('.')}: {type(fault).__name__}: {fault}"[:300]


def _chain(probe: Probe) -> None:
    """The chain is the treasuries' and has a finalized block."""
    if (found := int(probe.ask("eth_chainId"), 16)) != probe.chain_id:
        raise Unfit(f"it is on chain {found}, CHAIN_ID is {probe.chain_id}")
    _number(probe.ask("eth_getBlockByNumber", "finalized", False))


def _token(probe: Probe) -> None:
    """The token is USDT with six decimals, and tells who is blocked."""
    if (decimals := int(probe.call(DECIMALS_SELECTOR), 16)) != TOKEN_DECIMALS:
        raise Unfit(f"it has {decimals} decimals")
    if not (symbol := _text(probe.call(SYMBOL_SELECTOR))).startswith(SYMBOL):
        raise Unfit(f"its symbol is {symbol!r}")
    int(probe.call(BLOCKED_SELECTOR + _padded(probe.token)), 16)


def _accounts(probe: Probe) -> None:
    """Accounts are there now and some minutes ago."""
    head = int(probe.ask("eth_blockNumber"), 16)
    for block in ("latest", hex(max(0, head - STATE_BLOCKS))):
        int(probe.ask("eth_getTransactionCount", probe.token, block), 16)
        int(probe.ask("eth_getBalance", probe.token, block), 16)
    int(probe.call(BALANCE_SELECTOR + _padded(probe.token)), 16)


def _fees(probe: Probe) -> None:
    """Fees are told by the node."""
    int(probe.ask("eth_getBlockByNumber", "pending", False)["baseFeePerGas"], 16)
    int(probe.ask("eth_maxPriorityFeePerGas"), 16)
    int(probe.ask("eth_gasPrice"), 16)


def _logs(probe: Probe) -> None:
    """Logs of many blocks are found by an address in them."""
    last = _number(probe.ask("eth_getBlockByNumber", "finalized", False))
    own = "0x" + _padded(probe.token)
    for address, topics in ((probe.token, [TRANSFER_TOPIC, own]), (COIN, [FEE_TOPIC, None, own])):
        wanted = {"address": address, "topics": topics, "fromBlock": hex(max(0, last - LOG_BLOCKS + 1))}
        if not isinstance(probe.ask("eth_getLogs", wanted | {"toBlock": hex(last)}), list):
            raise Unfit("the logs are no list")


def _blocks(probe: Probe) -> None:
    """A finalized block is given whole, with its receipts."""
    number = _number(probe.ask("eth_getBlockByNumber", "finalized", False))
    block = probe.ask("eth_getBlockByNumber", hex(number), True)
    if len(probe.ask("eth_getBlockReceipts", hex(number))) < len(block["transactions"]):
        raise Unfit(f"block {number} has fewer receipts than transactions")
    if block["transactions"]:
        first = probe.ask("eth_getTransactionByBlockNumberAndIndex", hex(number), "0x0")
        if first["hash"] != block["transactions"][0]["hash"]:
            raise Unfit(f"block {number} has another first transaction")


def _index(probe: Probe) -> None:
    """A transaction of yesterday is found by its hash."""
    head = int(probe.ask("eth_blockNumber"), 16)
    block = probe.ask("eth_getBlockByNumber", hex(max(0, head - INDEXED_BLOCKS)), False)
    for transaction_hash in block["transactions"][:1]:
        if probe.ask("eth_getTransactionReceipt", transaction_hash)["blockHash"] != block["hash"]:
            raise Unfit(f"{transaction_hash} is in another block")


def _batch(probe: Probe) -> None:
    """A hundred questions go in one request."""
    questions: list[tuple[str, list[Any]]] = [("eth_blockNumber", [])] * CALLS_MAX
    probe.node.ask(*questions)


def _number(block: Any) -> int:
    return int(block["number"], 16)


def _padded(address: str) -> str:
    return address[2:].rjust(2 * WORD, "0")


def _text(answer: str) -> str:
    """The string that a contract returned: its offset, its length, its bytes."""
    raw = bytes.fromhex(answer.removeprefix("0x"))
    size = int.from_bytes(raw[WORD : 2 * WORD], "big")
    return raw[2 * WORD : 2 * WORD + size].decode(errors="replace")
