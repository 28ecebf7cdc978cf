"""JSON-RPC to one node, with many calls in one request (https://www.jsonrpc.org/specification#batch).

All three views of the chain ask through this `Node`: `chain` (where money moves), `nodes` (what all nodes tell alike),
`wallets` (for people who wait). It alone judges what comes back: as many answers as calls, each with the id of its
call, none doubled, not too long, not too late, and the provider's key in no text. A `Carrier` only takes a batch there
and back: `by_urllib` over a connection of its own, `by_web3` over connections that stay open.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from itertools import accumulate
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from shared.config import Config, read
from shared.ports.polygon.failures import ChainUnreachable, NodeRefused, TooFewNodes

RPC_SECONDS_MAX = 10.0  # that a node may be silent
CALLS_MAX = 100  # calls in one request; Bor takes no more (rpc.batchlimit)
ANSWER_BYTES_MAX = 64 * 1024 * 1024  # many times the size of the logs of a thousand blocks
PIECE_BYTES_MAX = 64 * 1024
DEPTH_MAX = 100  # of brackets in an answer; py_ecc, which eth_account imports, lets Python's parser crash at 50,000
STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
NO_BRACKETS = bytes(set(range(256)) - STEPS.keys())
WORDS_MAX = 500  # characters kept of what went wrong

Call = tuple[str, list[Any]]
# Takes the calls to a URL, numbered from 0, and returns the decoded answer, whatever it is. It waits so many seconds
# and reads no more than `limited` lets through. Raises OSError, HTTPException, ValueError.
Carrier = Callable[[str, Sequence[Call], float], Any]

_ends_at: ContextVar[float | None] = ContextVar("rpc_ends_at", default=None)


@dataclass(frozen=True)
class RpcError:
    """A node's refusal of one call, with its message."""

    message: str


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Limit the total time that this thread waits for nodes inside the block; after it they raise ChainUnreachable."""
    token = _ends_at.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends_at.reset(token)


def limited(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Pass on the pieces of an answer. Raises ValueError once it is too long or deep, TimeoutError when time is up."""
    size = depth = 0
    for piece in pieces:
        size += len(piece)
        if size > ANSWER_BYTES_MAX:
            raise ValueError(f"an answer of more than {ANSWER_BYTES_MAX} bytes")
        depths = [*accumulate(map(STEPS.__getitem__, piece.translate(None, NO_BRACKETS)), initial=depth)]
        if max(depths) > DEPTH_MAX:
            raise ValueError("an answer of too many brackets inside each other")
        depth = depths[-1]
        _seconds_left()
        yield piece


def by_urllib(url: str, calls: Sequence[Call], seconds: float) -> Any:
    """Carry a batch with the standard library alone, for those who ask once in a while."""
    assert url.startswith(("http://", "https://")), "RPC_URLS"
    batch = [{"jsonrpc": "2.0", "id": place, "method": it[0], "params": it[1]} for place, it in enumerate(calls)]
    request = Request(url, json.dumps(batch).encode(), {"Content-Type": "application/json"})  # noqa: S310 - see above
    with urlopen(request, timeout=seconds) as answer:  # noqa: S310 - checked above
        return json.loads(b"".join(limited(iter(partial(answer.read1, PIECE_BYTES_MAX), b""))))


class Node:
    """One JSON-RPC endpoint of a node."""

    def __init__(self, url: str, carry: Carrier = by_urllib) -> None:
        self._url = url
        self._carry = carry

    def ask(self, calls: Sequence[Call]) -> list[Any]:
        """The result of each call, in order; an RpcError for one that was refused. Raises ChainUnreachable."""
        answers: list[Any] = []
        for start in range(0, len(calls), CALLS_MAX):
            answers += self._ask(calls[start : start + CALLS_MAX])
        return answers

    def results(self, calls: Sequence[Call], refusal: type[NodeRefused] = NodeRefused) -> list[Any]:
        """The results of calls of which none may fail. Raises ChainUnreachable, and `refusal` when one is refused."""
        told = unrefused(self.ask(calls), refusal)
        if None in told:
            raise ChainUnreachable("an empty answer")
        return told

    def result(self, call: Call, refusal: type[NodeRefused] = NodeRefused) -> Any:
        """The result of a call that may not fail, as `results` has it."""
        return self.results([call], refusal)[0]

    def _ask(self, calls: Sequence[Call]) -> list[Any]:
        try:
            return self._read(self._carry(self._url, calls, _seconds_left()), len(calls))
        except (OSError, HTTPException, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ChainUnreachable(self._without_key(f"{type(error).__name__}: {error}")) from None

    def _read(self, told: Any, count: int) -> list[Any]:
        if not isinstance(told, list) or len(told) != count:
            raise ValueError(f"an answer to {count} calls was {told}")
        by_id = {answer["id"]: answer for answer in told}
        if by_id.keys() != set(range(count)):
            raise ValueError("not one answer to each call")
        return [self._result(by_id[place]) for place in range(count)]

    def _result(self, answer: Any) -> Any:
        if (error := answer.get("error")) is not None:
            return RpcError(self._without_key(str(error.get("message", error) if isinstance(error, dict) else error)))
        return answer["result"]

    def _without_key(self, text: str) -> str:
        """A text that may name the URL, without the API key, which is in its path, query or user part."""
        address = urlsplit(self._url)
        for part in (address.path.strip("/"), address.query, address.netloc.rpartition("@")[0], address.password):
            if part:
                text = text.replace(part, "…")
        return text[:WORDS_MAX]


def unrefused(told: list[Any], refusal: type[NodeRefused] = NodeRefused) -> list[Any]:
    """The same answers. Raises `refusal` if one of them is an RpcError."""
    if refused := next((it for it in told if isinstance(it, RpcError)), None):
        raise refusal(refused.message)
    return told


class NodesConfig(Config):
    """The nodes' addresses, separated by commas, and how many nodes must agree before money counts as moved."""

    rpc_urls: str
    rpc_nodes_min: int = 2


@dataclass(frozen=True)
class Configured:
    """The addresses of different nodes, and how many are needed."""

    urls: list[str]
    needed: int


def configured() -> Configured:
    """The nodes named in the environment. An address that is listed twice counts as one node."""
    config = read(NodesConfig)
    return Configured(list(dict.fromkeys(url.strip() for url in config.rpc_urls.split(","))), config.rpc_nodes_min)


def require_enough(found: int, needed: int) -> None:
    """Check that there are as many nodes as must agree. Raises TooFewNodes."""
    if found < needed:
        raise TooFewNodes(f"{found} nodes are configured, RPC_NODES_MIN is {needed}")


def _seconds_left() -> float:
    """How long a node may be waited for now. Raises TimeoutError when the time of `within` is over."""
    ends_at = _ends_at.get()
    seconds = RPC_SECONDS_MAX if ends_at is None else min(RPC_SECONDS_MAX, ends_at - time.monotonic())
    if seconds <= 0:
        raise TimeoutError("no time was left to ask it")
    return seconds
