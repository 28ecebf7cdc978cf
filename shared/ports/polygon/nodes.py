"""Polygon's nodes one by one, read only, over plain JSON-RPC: heads, balances and Transfer logs as each reports them.

`chain` is used where money moves and returns only what all nodes agree on. This module shows what each node says, and
spares functions that only read the import of web3.
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from typing import Any
from urllib.request import Request, urlopen

from shared.config import Config, read
from shared.ports.outage import Outage
from shared.ports.polygon.selectors import BALANCE_SELECTOR

RPC_SECONDS_MAX = 10.0
CALLS_MAX = 100  # calls in one request; Bor takes no more (rpc.batchlimit)
ANSWER_BYTES_MAX = 64 * 1024 * 1024  # many times the size of the logs of a thousand blocks
TRANSFER_TOPIC = (
    "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"  # Transfer(address,address,uint256)
)
# Bor writes a log for the fee of each transaction, whatever else it did: LogFeeTransfer(token, sender, recipient, …) of
# the coin's own contract. Bor calls this log deprecated. It makes a search faster, but no search depends on it.
COIN = "0x0000000000000000000000000000000000001010"
FEE_TOPIC = "0x4dfe1bbbcf077ddc3e01291eea2d5c70c2b422b415d95645b9adcfd678cb1d63"
WORDS_MAX = 300  # characters kept of a node's refusal


class NodesConfig(Config):
    """The nodes' addresses, separated by commas, and how many nodes must agree before money counts as moved."""

    rpc_urls: str
    rpc_nodes_min: int = 2


@dataclass(frozen=True)
class Configured:
    """The addresses of different nodes, and how many are needed."""

    urls: list[str]
    needed: int


class NodeSilent(Outage):
    """Raised when a node does not answer, or answers nonsense: nothing is known."""


class NodeRefused(Exception):
    """Raised when a node understood the call and refused it, because of too many logs in one answer, say."""


class NodesDiffer(Outage):
    """Raised when two nodes tell different histories; the caller tries again later."""


_ends_at: ContextVar[float | None] = ContextVar("nodes_ends_at", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Limit the total time that this thread waits for nodes inside the block; after it they raise NodeSilent."""
    token = _ends_at.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends_at.reset(token)


@dataclass(frozen=True)
class Block:
    """A block that is final."""

    number: int
    hash: str


@dataclass(frozen=True)
class Movement:
    """A Transfer log of the token. Addresses are in lower case."""

    transaction_hash: str
    log_index: int
    block_number: int
    sender: str
    recipient: str
    amount_micro: int


@dataclass(frozen=True)
class Holding:
    """The balances of an address: micro-USDT and wei."""

    usdt_micro: int
    gas_wei: int


@dataclass(frozen=True)
class View:
    """One node's answers. `number` tells the nodes apart; a missing value is None, and `fault` says why."""

    number: int
    latest: int | None
    finalized: int | None
    holdings: dict[str, Holding] | None
    fault: str | None


@dataclass(frozen=True)
class BalancesAtBlock:
    """The treasuries' balances at one block, by address; `agreed` is None unless all nodes say the same."""

    block: Block | None
    agreed: dict[str, Holding] | None
    views: list[View]
    fault: str | None


class Node:
    """One JSON-RPC node that is only read."""

    def __init__(self, url: str, seconds_max: float = RPC_SECONDS_MAX) -> None:
        self._url = url
        self._seconds_max = seconds_max

    def ask(self, *calls: tuple[str, list[Any]]) -> list[Any]:
        """The results of some calls, in as few requests as possible. Raises NodeSilent, NodeRefused."""
        results = self.ask_for_any(*calls)
        if None in results:
            raise NodeSilent("an empty answer")
        return results

    def ask_for_any(self, *calls: tuple[str, list[Any]]) -> list[Any]:
        """The results of calls that may find nothing; such a result is None. Raises NodeSilent, NodeRefused."""
        parts = [calls[start : start + CALLS_MAX] for start in range(0, len(calls), CALLS_MAX)]
        return [result for part in parts for result in self._ask(part)]

    def _ask(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        answers = self._post([{"jsonrpc": "2.0", "id": n, "method": m, "params": p} for n, (m, p) in enumerate(calls)])
        if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
            raise NodeSilent(f"not a batch of answers: {answers!r}"[:WORDS_MAX])
        by_id = {answer.get("id"): answer for answer in answers}
        if set(by_id) != set(range(len(calls))):
            raise NodeSilent("not as many answers as questions")
        for answer in by_id.values():
            if answer.get("error"):
                raise NodeRefused(str(answer["error"])[:WORDS_MAX])
        return [by_id[number].get("result") for number in range(len(calls))]

    def _post(self, body: object) -> Any:
        assert self._url.startswith(("http://", "https://")), "RPC_URLS"
        headers = {"Content-Type": "application/json"}
        request = Request(self._url, json.dumps(body).encode(), headers)  # noqa: S310 - checked above
        ends_at = _ends_at.get()
        seconds = self._seconds_max if ends_at is None else min(self._seconds_max, ends_at - time.monotonic())
        if seconds <= 0:
            raise NodeSilent("no time was left to ask it")
        try:
            with urlopen(request, timeout=seconds) as answer:  # noqa: S310
                return json.loads(answer.read(ANSWER_BYTES_MAX))
        except (OSError, ValueError, HTTPException) as error:
            raise NodeSilent(f"{type(error).__name__}: {error}"[:WORDS_MAX]) from None


class Nodes:
    """All configured nodes. If there are fewer than `needed`, they agree on nothing."""

    def __init__(self, nodes: Sequence[Node], needed: int = 1) -> None:
        self._nodes = nodes
        self._needed = needed

    def require(self, chain_id: int) -> None:
        """Check that every node is on that chain. Raises NodesDiffer, NodeSilent."""
        found = {_word(node.ask(("eth_chainId", []))[0]) for node in self._nodes}
        if found != {chain_id}:
            raise NodesDiffer(f"nodes are on {sorted(found)}, the treasuries on {chain_id}")

    def finalized(self) -> Block:
        """The newest block that is final for every node. Raises NodeSilent, NodesDiffer."""
        if len(self._nodes) < self._needed:
            raise NodesDiffer(f"{len(self._nodes)} nodes are configured, RPC_NODES_MIN is {self._needed}")
        number = min(_number(node.ask(("eth_getBlockByNumber", ["finalized", False]))[0]) for node in self._nodes)
        return Block(number, self.block_hash(number))

    def block_hash(self, number: int) -> str:
        """The hash of the block that every node has at a height. Raises NodeSilent, NodesDiffer."""
        found = {_hash(node.ask(("eth_getBlockByNumber", [hex(number), False]))[0], number) for node in self._nodes}
        if len(found) > 1:
            raise NodesDiffer(f"block {number} is not the same everywhere")
        return found.pop()

    def balance(self, token: str, address: str, block: int) -> int:
        """The balance of an address at a block in micro-USDT. Raises NodeSilent, NodesDiffer."""
        found = {_word(node.ask(_balance(token, address, block))[0]) for node in self._nodes}
        if len(found) > 1:
            raise NodesDiffer(f"the balance of {address} at block {block} is not the same everywhere")
        return found.pop()

    def gas_price_wei(self) -> int:
        """The price of a unit of gas now; with several nodes the highest. Raises NodeSilent."""
        return max(_word(node.ask(("eth_gasPrice", []))[0]) for node in self._nodes)

    def movements(
        self, token: str, *, sender: str | None = None, recipient: str | None = None, first: int, last: int
    ) -> list[Movement]:
        """The token's Transfer logs from or to an address, in order. Raises NodeSilent, NodeRefused, NodesDiffer.

        Transfers of zero are left out: anybody can make a token log them in anybody's name.
        """
        topics = [TRANSFER_TOPIC, _padded(sender), _padded(recipient)]
        wanted = {"address": token, "topics": topics, "fromBlock": hex(first), "toBlock": hex(last)}
        found = [_movements(node.ask(("eth_getLogs", [wanted]))[0], wanted) for node in self._nodes]
        if any(other != found[0] for other in found):
            raise NodesDiffer(f"the logs of blocks {first} to {last} are not the same everywhere")
        return found[0]

    def look(self, token: str, addresses: Sequence[str]) -> BalancesAtBlock:
        """Ask each node about some addresses at the newest block that is final for all. Never raises."""
        try:
            block, fault = self.finalized(), None
        except (NodeSilent, NodeRefused, NodesDiffer) as error:
            block, fault = None, f"{type(error).__name__}: {error}"
        views = [_view(number, node, token, addresses, block) for number, node in enumerate(self._nodes, start=1)]
        told = [view.holdings for view in views]
        agreed = told[0] if block and all(other == told[0] for other in told) else None
        if block and agreed is None:
            fault = "the nodes do not say the same"
        return BalancesAtBlock(block, agreed, views, fault)


def configured() -> Configured:
    """The nodes named in the environment. An address that is listed twice counts as one node."""
    config = read(NodesConfig)
    return Configured(list(dict.fromkeys(url.strip() for url in config.rpc_urls.split(","))), config.rpc_nodes_min)


@cache
def connect() -> Nodes:
    """The configured nodes, for reading only."""
    found = configured()
    return Nodes([Node(url) for url in found.urls], found.needed)


def _view(number: int, node: Node, token: str, addresses: Sequence[str], block: Block | None) -> View:
    """One node's balances at `block`; if that is None, at the node's own finalized block."""
    latest = finalized = None
    try:
        heads = node.ask(*(("eth_getBlockByNumber", [tag, False]) for tag in ("latest", "finalized")))
        latest, finalized = map(_number, heads)
        at = block.number if block else finalized
        usdt = node.ask(*(_balance(token, address, at) for address in addresses))
        gas = node.ask(*(("eth_getBalance", [address, hex(at)]) for address in addresses))
        amounts = map(Holding, map(_word, usdt), map(_word, gas))
    except (NodeSilent, NodeRefused) as error:
        return View(number, latest, finalized, None, str(error))
    return View(number, latest, finalized, dict(zip(addresses, amounts, strict=True)), None)


def _balance(token: str, address: str, block: int) -> tuple[str, list[Any]]:
    data = BALANCE_SELECTOR + address[2:].lower().rjust(64, "0")
    return "eth_call", [{"to": token, "data": data}, hex(block)]


def _padded(address: str | None) -> str | None:
    return "0x" + address[2:].lower().rjust(64, "0") if address else None


def _movements(logs: Any, wanted: dict[str, Any]) -> list[Movement]:
    """The transfers that some logs describe. Raises NodeSilent if a log is not what was asked for."""
    try:
        found = [
            Movement(
                transaction_hash=log["transactionHash"],
                log_index=int(log["logIndex"], 16),
                block_number=int(log["blockNumber"], 16),
                sender=_address(log["topics"][1]),
                recipient=_address(log["topics"][2]),
                amount_micro=int(log["data"], 16),
            )
            for log in logs
            if _fits(log, wanted)
        ]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise NodeSilent(f"not logs: {type(error).__name__}") from None
    if len(found) != len(logs):
        raise NodeSilent("logs that were not asked for")
    return sorted((it for it in found if it.amount_micro), key=lambda it: (it.block_number, it.log_index))


def _fits(log: Any, wanted: dict[str, Any]) -> bool:
    topics = zip(wanted["topics"], log["topics"], strict=True)
    within = int(wanted["fromBlock"], 16) <= int(log["blockNumber"], 16) <= int(wanted["toBlock"], 16)
    same = all(want is None or want == have.lower() for want, have in topics)
    return bool(within and same and log["address"].lower() == wanted["address"].lower())


def _address(topic: str) -> str:
    return "0x" + topic[-40:].lower()


def _number(block: Any) -> int:
    return _word(block["number"] if isinstance(block, dict) else None)


def _hash(block: Any, wanted: int) -> str:
    if not isinstance(block, dict) or not isinstance(block.get("hash"), str) or _number(block) != wanted:
        raise NodeSilent(f"not block {wanted}")
    return str(block["hash"])


def _word(text: Any) -> int:
    try:
        return int(text, 16)
    except (TypeError, ValueError):
        raise NodeSilent(f"not a number: {text!r}"[:WORDS_MAX]) from None
