"""Polygon as a wallet sees it, for functions that answer people: few questions in one request, briefly waited for.

JSON-RPC in batches (https://www.jsonrpc.org/specification#batch) without web3, which takes longer to import than such
an answer may take. Jobs that move money or call something final use `chain`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from shared.config import Config, read

ANSWER_SECONDS_MAX = 2.5
ANSWER_BYTES_MAX = 1024 * 1024
BALANCE_SELECTOR = "0x70a08231"  # balanceOf(address)
BLOCKED_SELECTOR = "0xfbac3951"  # isBlocked(address)

Question = tuple[str, list[object]]


class RpcConfig(Config):
    """The nodes' addresses, comma separated, as for `chain`."""

    rpc_urls: str


class NodesSilent(Exception):
    """A node did not answer in time or answered nonsense, or two of them differ: nothing is known."""


@dataclass(frozen=True)
class Balance:
    """Micro-USDT at a block that every node has."""

    amount_micro: int
    block_number: int


@dataclass(frozen=True)
class Outlook:
    """What a transfer of a token would meet now. Amounts and fees in their smallest units; of several nodes' answers
    the more careful one.
    """

    chain_id: int
    block_number: int
    balance_micro: int
    gas_wei: int
    next_nonce: int
    base_fee_wei: int
    priority_fee_wei: int
    sender_blocked: bool
    recipient_blocked: bool


class Nodes:
    """All configured nodes."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = urls

    def balance(self, token: str, address: str) -> Balance:
        """Raises NodesSilent."""
        block = self._common_block()
        found = {_number(answers[0]) for answers in self._ask([_balance_of(token, address, hex(block))])}
        if len(found) > 1:
            raise NodesSilent(f"balances differ at block {block}")
        return Balance(found.pop(), block)

    def outlook(self, token: str, sender: str, recipient: str) -> Outlook:
        """Raises NodesSilent. The balance is the lowest that a node knows at its head."""
        questions: list[Question] = [
            ("eth_chainId", []),
            ("eth_blockNumber", []),
            _balance_of(token, sender, "latest"),
            ("eth_getBalance", [sender, "latest"]),
            ("eth_getTransactionCount", [sender, "pending"]),
            ("eth_getBlockByNumber", ["pending", False]),
            ("eth_maxPriorityFeePerGas", []),
            _is_blocked(token, sender),
            _is_blocked(token, recipient),
        ]
        answers = self._ask(questions)
        chains = {_number(one[0]) for one in answers}
        if len(chains) > 1:
            raise NodesSilent(f"the nodes are on chains {sorted(chains)}")
        return Outlook(
            chain_id=chains.pop(),
            block_number=min(_number(one[1]) for one in answers),
            balance_micro=min(_number(one[2]) for one in answers),
            gas_wei=min(_number(one[3]) for one in answers),
            next_nonce=max(_number(one[4]) for one in answers),
            base_fee_wei=max(_number(_field(one[5], "baseFeePerGas")) for one in answers),
            priority_fee_wei=max(_number(one[6]) for one in answers),
            sender_blocked=any(_number(one[7]) for one in answers),
            recipient_blocked=any(_number(one[8]) for one in answers),
        )

    def _common_block(self) -> int:
        return min(_number(answers[0]) for answers in self._ask([("eth_blockNumber", [])]))

    def _ask(self, questions: Sequence[Question]) -> list[list[Any]]:
        """The answers of each node, in the questions' order."""
        return [_asked(url, questions) for url in self._urls]


@cache
def connect() -> Nodes:
    """The configured nodes."""
    return Nodes(read(RpcConfig).rpc_urls.split(","))


def _asked(url: str, questions: Sequence[Question]) -> list[Any]:
    import json
    from http.client import HTTPException

    batch = [
        {"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}
        for number, (method, parameters) in enumerate(questions)
    ]
    try:
        answers = {answer["id"]: answer["result"] for answer in json.loads(_post(url, json.dumps(batch).encode()))}
        return [answers[number] for number in range(len(questions))]
    except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
        raise NodesSilent(f"{urlsplit(url).hostname}: {type(error).__name__}") from error


def _post(url: str, body: bytes) -> bytes:
    from urllib.request import Request, urlopen

    assert url.startswith(("https://", "http://")), "RPC_URLS is wrong"
    request = Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - the scheme is checked above
    with urlopen(request, timeout=ANSWER_SECONDS_MAX) as answer:  # noqa: S310
        return bytes(answer.read(ANSWER_BYTES_MAX))


def _balance_of(token: str, address: str, block: str) -> Question:
    return _call(token, BALANCE_SELECTOR, address, block)


def _is_blocked(token: str, address: str) -> Question:
    return _call(token, BLOCKED_SELECTOR, address, "latest")


def _call(token: str, selector: str, address: str, block: str) -> Question:
    return "eth_call", [{"to": token, "data": selector + address[2:].lower().rjust(64, "0")}, block]


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _number(value: Any) -> int:
    """As JSON-RPC writes quantities and words."""
    try:
        return int(value, 16)
    except (TypeError, ValueError):
        raise NodesSilent("an answer is no number") from None
