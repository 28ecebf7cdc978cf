"""Asks each configured node once for everything that the functions will ever ask (docs/cloud.md).

A deployment continues only if all nodes can answer. No question needs more than a full node without an archive.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from shared.ports.polygon import questions
from shared.ports.polygon.answers import fees, hash_of, height, number
from shared.ports.polygon.failures import ChainFailure, TooFewNodes
from shared.ports.polygon.questions import (
    COIN,
    FEE_TOPIC,
    HEAD_NUMBER,
    TIP,
    TRANSFER_TOPIC,
    receipt_of,
    the_block,
    topic,
)
from shared.ports.polygon.rpc import CALLS_MAX, Call, Node, configured, require_enough

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

    def ask(self, call: Call) -> Any:
        return self.node.result(call)

    def call(self, data: str) -> Any:
        return self.ask(questions.of_token(self.token, data))


def faults(chain_id: int, token: str) -> list[str]:
    """One sentence for each thing that a node lacks; an empty list when all is well."""
    named = configured()
    found = []
    try:
        require_enough(len(named.urls), named.needed)
    except TooFewNodes as fault:
        found.append(str(fault))
    for place, url in enumerate(named.urls, start=1):
        found += [f"node {place}: {fault}" for fault in _faults(Probe(Node(url), chain_id, token.lower()))]
    return found


def _faults(probe: Probe) -> Iterator[str]:
    for check in (_chain, _token, _accounts, _fees, _logs, _blocks, _index, _batch):
        try:
            check(probe)
        except (Unfit, ChainFailure, KeyError, TypeError, ValueError, AttributeError) as fault:
            yield f"{(check.__doc__ or '').rstrip('.')}: {type(fault).__name__}: {fault}"[:300]


def _chain(probe: Probe) -> None:
    """The chain is the treasuries' and has a finalized block."""
    if (found := number(probe.ask(questions.CHAIN_ID))) != probe.chain_id:
        raise Unfit(f"it is on chain {found}, CHAIN_ID is {probe.chain_id}")
    height(probe.ask(the_block("finalized")))


def _token(probe: Probe) -> None:
    """The token is USDT with six decimals, and tells who is blocked."""
    if (decimals := number(probe.call(DECIMALS_SELECTOR))) != TOKEN_DECIMALS:
        raise Unfit(f"it has {decimals} decimals")
    if not (symbol := _text(probe.call(SYMBOL_SELECTOR))).startswith(SYMBOL):
        raise Unfit(f"its symbol is {symbol!r}")
    number(probe.ask(questions.is_blocked(probe.token, probe.token)))


def _accounts(probe: Probe) -> None:
    """Accounts are there now and some minutes ago."""
    head = number(probe.ask(HEAD_NUMBER))
    for block in ("latest", max(0, head - STATE_BLOCKS)):
        number(probe.ask(questions.nonces_of(probe.token, block)))
        number(probe.ask(questions.gas_of(probe.token, block)))
    number(probe.ask(questions.balance_of(probe.token, probe.token)))


def _fees(probe: Probe) -> None:
    """Fees are told by the node."""
    fees(probe.ask(the_block("pending")), probe.ask(TIP))
    number(probe.ask(questions.GAS_PRICE))


def _logs(probe: Probe) -> None:
    """Logs of many blocks are found by an address in them."""
    last, own = height(probe.ask(the_block("finalized"))), topic(probe.token)
    for address, topics in ((probe.token, [TRANSFER_TOPIC, own]), (COIN, [FEE_TOPIC, None, own])):
        if not isinstance(probe.ask(questions.logs(address, topics, max(0, last - LOG_BLOCKS + 1), last)), list):
            raise Unfit("the logs are no list")


def _blocks(probe: Probe) -> None:
    """A finalized block is given whole, with its receipts."""
    last = height(probe.ask(the_block("finalized")))
    block = probe.ask(the_block(last, whole=True))
    if len(probe.ask(questions.receipts_in(last))) < len(block["transactions"]):
        raise Unfit(f"block {last} has fewer receipts than transactions")
    if block["transactions"]:
        first = probe.ask(questions.transaction_at(last, 0))
        if first["hash"] != block["transactions"][0]["hash"]:
            raise Unfit(f"block {last} has another first transaction")


def _index(probe: Probe) -> None:
    """A transaction of yesterday is found by its hash."""
    yesterday = max(0, number(probe.ask(HEAD_NUMBER)) - INDEXED_BLOCKS)
    block = probe.ask(the_block(yesterday))
    for transaction_hash in block["transactions"][:1]:
        if probe.ask(receipt_of(transaction_hash))["blockHash"].lower() != hash_of(block, yesterday):
            raise Unfit(f"{transaction_hash} is in another block")


def _batch(probe: Probe) -> None:
    """A hundred questions go in one request."""
    probe.node.results([HEAD_NUMBER] * CALLS_MAX)


def _text(answer: str) -> str:
    """The string that a contract returned: its offset, its length, its bytes."""
    raw = bytes.fromhex(answer.removeprefix("0x"))
    size = int.from_bytes(raw[WORD : 2 * WORD], "big")
    return raw[2 * WORD : 2 * WORD + size].decode(errors="replace")
