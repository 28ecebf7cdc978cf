"""Polygon as a wallet sees it, for functions that answer people: a few calls in one request, with a short time limit.

JSON-RPC in batches (https://www.jsonrpc.org/specification#batch) without web3, whose import alone takes longer than
such an answer may take. Jobs that move money or decide that something is final use `chain`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from shared.ports.outage import Outage
from shared.ports.polygon import nodes
from shared.ports.polygon.nodes import Node, NodeRefused, NodeSilent
from shared.ports.polygon.selectors import BALANCE_SELECTOR, BLOCKED_SELECTOR

ANSWER_SECONDS_MAX = 3.0  # for all calls about one wallet together

Question = tuple[str, list[Any]]


class NodesSilent(Outage):
    """Raised when a node does not answer in time, answers nonsense, or two nodes differ: nothing is known."""


@dataclass(frozen=True)
class Balance:
    """Micro-USDT at a block that every node has."""

    amount_micro: int
    block_number: int


@dataclass(frozen=True)
class Outlook:
    """The state that a transfer of a token would meet now. Amounts and fees are in their smallest units.

    Where the nodes' answers differ, the more careful one is used.
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


@dataclass(frozen=True)
class SentTransaction:
    """A transaction that every node has, pending or in a block: all but its type and its gas fees.

    Addresses are in lower case; `to` is None when the transaction creates a contract.
    """

    chain_id: int
    sender: str
    nonce: int
    to: str | None
    value_wei: int
    data: bytes


class Wallets:
    """All configured nodes, asked on behalf of one wallet."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes

    def balance(self, token: str, address: str) -> Balance:
        """The balance of an address at the newest block that every node has. Raises NodesSilent."""
        with nodes.within(ANSWER_SECONDS_MAX):
            block = self._common_block()
            found = {_number(answers[0]) for answers in self._ask([_balance_of(token, address, hex(block))])}
        if len(found) > 1:
            raise NodesSilent(f"balances differ at block {block}")
        return Balance(found.pop(), block)

    def outlook(self, token: str, sender: str, recipient: str) -> Outlook:
        """The state that a transfer would meet; the balance is the lowest at any node's head. Raises NodesSilent."""
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
        with nodes.within(ANSWER_SECONDS_MAX):
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

    def sent(self, transaction_hash: str) -> SentTransaction | None:
        """The transaction of this hash; None while a node does not know it. Raises NodesSilent."""
        questions: list[Question] = [("eth_chainId", []), ("eth_getTransactionByHash", [transaction_hash])]
        try:
            with nodes.within(ANSWER_SECONDS_MAX):
                answers = [node.ask_for_any(*questions) for node in self._nodes]
        except (NodeRefused, NodeSilent) as error:
            raise NodesSilent(str(error)) from error
        if any(found is None for _, found in answers):
            return None
        told = [_sent(chain_id, found) for chain_id, found in answers]
        if any(other != told[0] for other in told):
            raise NodesSilent("the nodes tell different stories of one transaction")
        return told[0]

    def _common_block(self) -> int:
        return min(_number(answers[0]) for answers in self._ask([("eth_blockNumber", [])]))

    def _ask(self, questions: Sequence[Question]) -> list[list[Any]]:
        """The answers of each node, in the order of the questions."""
        try:
            return [node.ask(*questions) for node in self._nodes]
        except (NodeRefused, NodeSilent) as error:
            raise NodesSilent(str(error)) from error


@cache
def connect() -> Wallets:
    """The configured nodes, for questions about wallets."""
    return Wallets([Node(url) for url in nodes.configured().urls])


def _balance_of(token: str, address: str, block: str) -> Question:
    return _call(token, BALANCE_SELECTOR, address, block)


def _is_blocked(token: str, address: str) -> Question:
    return _call(token, BLOCKED_SELECTOR, address, "latest")


def _call(token: str, selector: str, address: str, block: str) -> Question:
    return "eth_call", [{"to": token, "data": selector + address[2:].lower().rjust(64, "0")}, block]


def _sent(chain_id: Any, found: Any) -> SentTransaction:
    try:
        to = found["to"]
        return SentTransaction(
            chain_id=_number(chain_id),
            sender=str(found["from"]).lower(),
            nonce=_number(found["nonce"]),
            to=None if to is None else str(to).lower(),
            value_wei=_number(found["value"]),
            data=bytes.fromhex(str(found["input"]).removeprefix("0x")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NodesSilent(f"not a transaction: {type(error).__name__}") from None


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _number(value: Any) -> int:
    """The integer of a hexadecimal quantity or word. Raises NodesSilent."""
    try:
        return int(value, 16)
    except (TypeError, ValueError):
        raise NodesSilent("an answer is no number") from None
