"""Polygon's nodes one by one, read only, over plain JSON-RPC: heads, balances and Transfer logs as each tells them.

`chain` speaks to them where money moves and lets only their agreement through. Here it can be seen what each of them
says, and functions that only look need no web3.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from typing import Any
from urllib.request import Request, urlopen

from shared.config import Config, read

RPC_SECONDS_MAX = 10.0
ANSWER_BYTES_MAX = 64 * 1024 * 1024  # the logs of a thousand blocks fit in many times
BALANCE_SELECTOR = "0x70a08231"  # balanceOf(address)
TRANSFER_TOPIC = (
    "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"  # Transfer(address,address,uint256)
)
WORDS_MAX = 300  # of what a node says when it refuses


class NodesConfig(Config):
    """The nodes' addresses, comma separated."""

    rpc_urls: str


class NodeSilent(Exception):
    """A node did not answer, or not what a node answers; nothing is known."""


class NodeRefused(Exception):
    """A node understood and said no: too many logs in one answer, say."""


class NodesDiffer(Exception):
    """Two nodes tell different histories; wait."""


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
    """What an address has: micro-USDT and wei."""

    usdt_micro: int
    gas_wei: int


@dataclass(frozen=True)
class View:
    """What one node says. `number` tells the nodes apart; everything else is None when it says nothing (`fault`)."""

    number: int
    latest: int | None
    finalized: int | None
    holdings: dict[str, Holding] | None
    fault: str | None


@dataclass(frozen=True)
class Look:
    """The treasuries' balances at one block, by address. `agreed` is None when it is not the same at every node."""

    block: Block | None
    agreed: dict[str, Holding] | None
    views: list[View]
    fault: str | None


class Node:
    """One node."""

    def __init__(self, url: str, seconds_max: float = RPC_SECONDS_MAX) -> None:
        self._url = url
        self._seconds_max = seconds_max

    def ask(self, *calls: tuple[str, list[Any]]) -> list[Any]:
        """The results of some calls, which go as one request. Raises NodeSilent, NodeRefused."""
        answers = self._post([{"jsonrpc": "2.0", "id": n, "method": m, "params": p} for n, (m, p) in enumerate(calls)])
        if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
            raise NodeSilent(f"not a batch of answers: {answers!r}"[:WORDS_MAX])
        by_id = {answer.get("id"): answer for answer in answers}
        if set(by_id) != set(range(len(calls))):
            raise NodeSilent("not as many answers as questions")
        for answer in by_id.values():
            if answer.get("error"):
                raise NodeRefused(str(answer["error"])[:WORDS_MAX])
            if answer.get("result") is None:
                raise NodeSilent("an empty answer")
        return [by_id[number]["result"] for number in range(len(calls))]

    def _post(self, body: object) -> Any:
        assert self._url.startswith(("http://", "https://")), "RPC_URLS"
        headers = {"Content-Type": "application/json"}
        request = Request(self._url, json.dumps(body).encode(), headers)  # noqa: S310 - checked above
        try:
            with urlopen(request, timeout=self._seconds_max) as answer:  # noqa: S310
                return json.loads(answer.read(ANSWER_BYTES_MAX))
        except (OSError, ValueError, HTTPException) as error:
            raise NodeSilent(f"{type(error).__name__}: {error}"[:WORDS_MAX]) from None


class Nodes:
    """All configured nodes."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes

    def require(self, chain_id: int) -> None:
        """Raises NodesDiffer unless every node is on that chain; NodeSilent."""
        found = {_word(node.ask(("eth_chainId", []))[0]) for node in self._nodes}
        if found != {chain_id}:
            raise NodesDiffer(f"nodes are on {sorted(found)}, the treasuries on {chain_id}")

    def finalized(self) -> Block:
        """The newest block that is final for every node. Raises NodeSilent, NodesDiffer."""
        number = min(_number(node.ask(("eth_getBlockByNumber", ["finalized", False]))[0]) for node in self._nodes)
        return Block(number, self.block_hash(number))

    def block_hash(self, number: int) -> str:
        """That every node has at a height. Raises NodeSilent, NodesDiffer."""
        found = {_hash(node.ask(("eth_getBlockByNumber", [hex(number), False]))[0]) for node in self._nodes}
        if len(found) > 1:
            raise NodesDiffer(f"block {number} is not the same everywhere")
        return found.pop()

    def balance(self, token: str, address: str, block: int) -> int:
        """Micro-USDT at a block. Raises NodeSilent, NodesDiffer."""
        found = {_word(node.ask(_balance(token, address, block))[0]) for node in self._nodes}
        if len(found) > 1:
            raise NodesDiffer(f"the balance of {address} at block {block} is not the same everywhere")
        return found.pop()

    def gas_price_wei(self) -> int:
        """What a unit of gas costs now; of several nodes the highest. Raises NodeSilent."""
        return max(_word(node.ask(("eth_gasPrice", []))[0]) for node in self._nodes)

    def movements(
        self, token: str, *, sender: str | None = None, recipient: str | None = None, first: int, last: int
    ) -> list[Movement]:
        """The token's Transfer logs from or to an address, in order. Raises NodeSilent, NodeRefused, NodesDiffer.

        Those of nothing are left out: anybody can have a token tell of them in anybody's name.
        """
        topics = [TRANSFER_TOPIC, _padded(sender), _padded(recipient)]
        wanted = {"address": token, "topics": topics, "fromBlock": hex(first), "toBlock": hex(last)}
        found = [_movements(node.ask(("eth_getLogs", [wanted]))[0]) for node in self._nodes]
        if any(other != found[0] for other in found):
            raise NodesDiffer(f"the logs of blocks {first} to {last} are not the same everywhere")
        return found[0]

    def look(self, token: str, addresses: Sequence[str]) -> Look:
        """What they say of some addresses at the newest block that is final for all. Never raises."""
        try:
            block, fault = self.finalized(), None
        except (NodeSilent, NodeRefused, NodesDiffer) as error:
            block, fault = None, f"{type(error).__name__}: {error}"
        views = [_view(number, node, token, addresses, block) for number, node in enumerate(self._nodes, start=1)]
        told = [view.holdings for view in views]
        agreed = told[0] if block and all(other == told[0] for other in told) else None
        if block and agreed is None:
            fault = "the nodes do not say the same"
        return Look(block, agreed, views, fault)


@cache
def connect() -> Nodes:
    """The configured nodes."""
    return Nodes([Node(url) for url in read(NodesConfig).rpc_urls.split(",")])


def _view(number: int, node: Node, token: str, addresses: Sequence[str], block: Block | None) -> View:
    """`block` None: at the node's own finalized block."""
    try:
        heads = node.ask(*(("eth_getBlockByNumber", [tag, False]) for tag in ("latest", "finalized")))
        latest, finalized = map(_number, heads)
        at = block.number if block else finalized
        usdt = node.ask(*(_balance(token, address, at) for address in addresses))
        gas = node.ask(*(("eth_getBalance", [address, hex(at)]) for address in addresses))
    except (NodeSilent, NodeRefused) as error:
        return View(number, None, None, None, str(error))
    amounts = map(Holding, map(_word, usdt), map(_word, gas))
    return View(number, latest, finalized, dict(zip(addresses, amounts, strict=True)), None)


def _balance(token: str, address: str, block: int) -> tuple[str, list[Any]]:
    data = BALANCE_SELECTOR + address[2:].lower().rjust(64, "0")
    return "eth_call", [{"to": token, "data": data}, hex(block)]


def _padded(address: str | None) -> str | None:
    return "0x" + address[2:].lower().rjust(64, "0") if address else None


def _movements(logs: Any) -> list[Movement]:
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
        ]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise NodeSilent(f"not logs: {type(error).__name__}") from None
    return sorted((it for it in found if it.amount_micro), key=lambda it: (it.block_number, it.log_index))


def _address(topic: str) -> str:
    return "0x" + topic[-40:].lower()


def _number(block: Any) -> int:
    return _word(block["number"] if isinstance(block, dict) else None)


def _hash(block: Any) -> str:
    if not isinstance(block, dict) or not isinstance(block.get("hash"), str):
        raise NodeSilent("not a block")
    return str(block["hash"])


def _word(text: Any) -> int:
    try:
        return int(text, 16)
    except (TypeError, ValueError):
        raise NodeSilent(f"not a number: {text!r}"[:WORDS_MAX]) from None
