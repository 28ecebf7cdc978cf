"""Polygon as a wallet sees it, for functions that answer people: few questions in one request, briefly waited for.

JSON-RPC in batches (https://www.jsonrpc.org/specification#batch) without web3, which takes longer to import than such
an answer may take. Jobs that move money or call something final use `chain`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from shared.config import read
from shared.ports.nodes import BALANCE_SELECTOR, Node, NodeRefused, NodesConfig, NodeSilent

ANSWER_SECONDS_MAX = 2.5
BLOCKED_SELECTOR = "0xfbac3951"  # isBlocked(address)

Question = tuple[str, list[Any]]


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


class Wallets:
    """All configured nodes."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes

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
        try:
            return [node.ask(*questions) for node in self._nodes]
        except (NodeRefused, NodeSilent) as error:
            raise NodesSilent(str(error)) from error


@cache
def connect() -> Wallets:
    """The configured nodes."""
    return Wallets([Node(url, ANSWER_SECONDS_MAX) for url in read(NodesConfig).rpc_urls.split(",")])


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
