"""Polygon as a wallet sees it: a few calls in one request to each node, for people who wait for the answer.

Used by the HTTP function wallet. It is apart from `chain` and `nodes` because of its limit of three seconds for
everything, and because it looks at the newest block, which may still be replaced: it shows and prepares, and decides
nothing. Jobs that move money or decide that something is final use `chain`. Here web3 is not needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from shared.ports.polygon.answers import count, fees, highest, number, reading
from shared.ports.polygon.failures import NodesDiffer
from shared.ports.polygon.questions import (
    CHAIN_ID,
    HEAD_NUMBER,
    TIP,
    balance_of,
    gas_of,
    is_blocked,
    nonces_of,
    the_block,
    transaction_of,
)
from shared.ports.polygon.rpc import Call, Node, configured, unrefused, within

ANSWER_SECONDS_MAX = 3.0  # for all calls about one wallet together


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
    """All configured nodes, asked on behalf of one wallet. Whatever goes wrong is a ChainUnreachable."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes

    def balance(self, token: str, address: str) -> Balance:
        """The balance of an address at the newest block that every node has. Raises ChainUnreachable."""
        with within(ANSWER_SECONDS_MAX):
            block = min(count(head) for (head,) in self._results([HEAD_NUMBER]))
            found = {number(held) for (held,) in self._results([balance_of(token, address, block)])}
        if len(found) > 1:
            raise NodesDiffer(f"balances differ at block {block}")
        return Balance(found.pop(), block)

    def outlook(self, token: str, sender: str, recipient: str) -> Outlook:
        """The state that a transfer would meet; the balance is the lowest at any node's head.

        Raises ChainUnreachable.
        """
        with within(ANSWER_SECONDS_MAX):
            told = self._results(
                [
                    CHAIN_ID,
                    HEAD_NUMBER,
                    balance_of(token, sender),
                    gas_of(sender),
                    nonces_of(sender, "pending"),
                    the_block("pending"),
                    TIP,
                    is_blocked(token, sender),
                    is_blocked(token, recipient),
                ]
            )
        chains, heads, balances, gas, nonces, pending, tips, from_blocked, to_blocked = zip(*told, strict=True)
        offered = highest([fees(*offer) for offer in zip(pending, tips, strict=True)])
        return Outlook(
            chain_id=_common_chain(chains),
            block_number=min(map(count, heads)),
            balance_micro=min(map(number, balances)),
            gas_wei=min(map(number, gas)),
            next_nonce=max(map(count, nonces)),
            base_fee_wei=offered.base_wei,
            priority_fee_wei=offered.priority_wei,
            sender_blocked=any(map(number, from_blocked)),
            recipient_blocked=any(map(number, to_blocked)),
        )

    def sent(self, transaction_hash: str) -> SentTransaction | None:
        """The transaction of this hash; None while a node does not know it. Raises ChainUnreachable."""
        calls: list[Call] = [CHAIN_ID, transaction_of(transaction_hash)]
        with within(ANSWER_SECONDS_MAX):
            answers = [unrefused(node.ask(calls)) for node in self._nodes]
        if any(found is None for _, found in answers):
            return None
        with reading():
            told = {_sent(chain_id, found) for chain_id, found in answers}
        if len(told) > 1:
            raise NodesDiffer("the nodes tell different stories of one transaction")
        return told.pop()

    def _results(self, calls: Sequence[Call]) -> list[list[Any]]:
        """The answers of each node, in the order of the calls."""
        return [node.results(calls) for node in self._nodes]


@cache
def connect() -> Wallets:
    """The configured nodes, for questions about wallets."""
    return Wallets([Node(url) for url in configured().urls])


def _common_chain(told: Sequence[Any]) -> int:
    chains = {number(chain_id) for chain_id in told}
    if len(chains) > 1:
        raise NodesDiffer(f"the nodes are on chains {sorted(chains)}")
    return chains.pop()


def _sent(chain_id: Any, found: Any) -> SentTransaction:
    to = found["to"]
    return SentTransaction(
        chain_id=number(chain_id),
        sender=str(found["from"]).lower(),
        nonce=number(found["nonce"]),
        to=None if to is None else str(to).lower(),
        value_wei=number(found["value"]),
        data=bytes.fromhex(str(found["input"]).removeprefix("0x")),
    )
