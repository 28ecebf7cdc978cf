"""Polygon as all nodes tell it alike, read only: final blocks, balances and Transfer logs, and what each node says.

Used by reconciliation, treasury_snapshot, the treasury desk (admin_treasury) and operators' commands. It is apart from
`chain` because here two nodes that differ are no answer at all: books are compared with what every node says, or not
today. People see each node's own answer beside the common one. It asks seldom, so it does without web3.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from typing import Any, TypeVar

from shared.ports.polygon.answers import hash_of, height, made_at, number, reading, require_chain
from shared.ports.polygon.failures import ChainFailure, ChainUnreachable, NodeRefused, NodesDiffer, TooMuch
from shared.ports.polygon.included import ContractLog, Included, event, included
from shared.ports.polygon.questions import (
    GAS_PRICE,
    TRANSFER_TOPIC,
    balance_of,
    gas_of,
    logs,
    of_token,
    receipt_of,
    the_block,
    topic,
    transaction_of,
)
from shared.ports.polygon.receipts import asked_for, moved
from shared.ports.polygon.rpc import Call, Node, configured, require_enough, unrefused
from shared.values.finality import final_block

Told = TypeVar("Told")
WORD_DIGITS = 64  # of 32 bytes in hexadecimal


@dataclass(frozen=True)
class Block:
    """A block that every node has."""

    number: int
    hash: str
    made_at: datetime


@dataclass(frozen=True)
class Final:
    """The newest final block, finality.NO_BLOCK while milestones have stalled; and the lowest head of all nodes."""

    number: int
    latest: int


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


class Nodes:
    """All configured nodes. If there are fewer than `needed`, they agree on nothing."""

    def __init__(self, nodes: Sequence[Node], needed: int = 1) -> None:
        self._nodes = nodes
        self._needed = needed

    def require(self, chain_id: int) -> None:
        """Check that every node is on that chain. Raises WrongChain, ChainUnreachable."""
        require_chain(self._nodes, chain_id)

    def finalized(self) -> Block:
        """The newest block that is final for every node. Raises TooFewNodes, ChainUnreachable."""
        require_enough(len(self._nodes), self._needed)
        lowest = min(height(node.result(the_block("finalized"))) for node in self._nodes)
        return self.block(lowest)

    def final(self) -> Final:
        """The newest final block (values/finality.py) and the lowest head. Raises TooFewNodes, ChainUnreachable."""
        require_enough(len(self._nodes), self._needed)
        told = [node.results([the_block("latest"), the_block("finalized")]) for node in self._nodes]
        latest, finalized = (min(height(blocks[place]) for blocks in told) for place in (0, 1))
        lag = max((made_at(head) - made_at(last)).total_seconds() for head, last in told)
        return Final(final_block(latest, finalized, max(0, int(lag))), latest)

    def block(self, number: int) -> Block:
        """The block that every node has at a height. Raises ChainUnreachable."""
        return self._agreed(the_block(number), partial(_block, wanted=number), f"block {number} is")

    def balance(self, token: str, address: str, block: int) -> int:
        """The balance of an address at a block in micro-USDT. Raises ChainUnreachable."""
        return self._agreed(balance_of(token, address, block), number, f"the balance of {address} at block {block} is")

    def gas_price_wei(self) -> int:
        """The price of a unit of gas now; with several nodes the highest. Raises ChainUnreachable."""
        return max(number(node.result(GAS_PRICE)) for node in self._nodes)

    def movements(
        self, token: str, *, sender: str | None = None, recipient: str | None = None, first: int, last: int
    ) -> list[Movement]:
        """The token's Transfer logs from or to an address, in order. Raises ChainUnreachable, TooMuch.

        Transfers of zero are left out: anybody can make a token log them in anybody's name.
        """
        ends = (address and topic(address) for address in (sender, recipient))
        question = logs(token, [TRANSFER_TOPIC, *ends], first, last)
        read = partial(_movements, question=question)
        return list(self._agreed(question, read, f"the logs of blocks {first} to {last} are", TooMuch))

    def call(self, contract: str, data: str) -> list[int]:
        """The words of the answer of a contract's function, at the newest block. Raises ChainUnreachable, NodeRefused
        when it would revert.
        """
        return list(self._agreed(of_token(contract, data), _words, f"the answer of {contract} is"))

    def each(self, contract: str, data: str) -> list[list[int]]:
        """The same of each node, for answers that change from block to block. Raises ChainUnreachable, NodeRefused."""
        return [list(_words(node.result(of_token(contract, data)))) for node in self._nodes]

    def events(self, contract: str, topics: Sequence[str], first: int, last: int) -> list[ContractLog]:
        """A contract's logs with these first topics, in order. Raises ChainUnreachable, TooMuch."""
        question = logs(contract, topics, first, last)
        read = partial(_events, question=question)
        return list(self._agreed(question, read, f"the logs of blocks {first} to {last} are", TooMuch))

    def included(self, transaction_hash: str) -> Included | None:
        """A transaction with its receipt; None while a node has none. Raises ChainUnreachable."""
        calls = [transaction_of(transaction_hash), receipt_of(transaction_hash)]
        answers = [unrefused(node.ask(calls)) for node in self._nodes]
        if any(None in answer for answer in answers):
            return None
        with reading():
            told = {included(*answer, wanted=transaction_hash) for answer in answers}
        if len(told) > 1:
            raise NodesDiffer("the nodes tell different stories of one transaction")
        return told.pop()

    def look(self, token: str, addresses: Sequence[str]) -> BalancesAtBlock:
        """Ask each node about some addresses at the newest block that is final for all. Never raises."""
        try:
            block, fault = self.finalized(), None
        except ChainFailure as error:
            block, fault = None, f"{type(error).__name__}: {error}"
        views = [_view(number, node, token, addresses, block) for number, node in enumerate(self._nodes, start=1)]
        told = [view.holdings for view in views]
        agreed = told[0] if block and all(other == told[0] for other in told) else None
        if block and agreed is None:
            fault = "the nodes do not say the same"
        return BalancesAtBlock(block, agreed, views, fault)

    def _agreed(
        self, question: Call, read: Callable[[Any], Told], what: str, refusal: type[NodeRefused] = NodeRefused
    ) -> Told:
        """The answer of every node. Raises NodesDiffer."""
        found = {read(node.result(question, refusal)) for node in self._nodes}
        if len(found) > 1:
            raise NodesDiffer(f"{what} not the same everywhere")
        return found.pop()


@cache
def connect() -> Nodes:
    """The configured nodes, for reading only."""
    found = configured()
    return Nodes([Node(url) for url in found.urls], found.needed)


def _view(place: int, node: Node, token: str, addresses: Sequence[str], block: Block | None) -> View:
    """One node's balances at `block`; if that is None, at the node's own finalized block."""
    latest = finalized = None
    try:
        latest, finalized = map(height, node.results([the_block("latest"), the_block("finalized")]))
        at = block.number if block else finalized
        usdt = node.results([balance_of(token, address, at) for address in addresses])
        gas = node.results([gas_of(address, at) for address in addresses])
        holdings = dict(zip(addresses, map(Holding, map(number, usdt), map(number, gas)), strict=True))
    except ChainUnreachable as error:
        return View(place, latest, finalized, None, str(error))
    return View(place, latest, finalized, holdings, None)


def _block(told: Any, wanted: int) -> Block:
    """The block of that number. Raises ChainUnreachable, also for a block of another number."""
    return Block(wanted, hash_of(told, wanted), made_at(told))


def _words(told: Any) -> tuple[int, ...]:
    """The 32-byte words of an answer. Raises ChainUnreachable."""
    with reading():
        digits = told.removeprefix("0x")
        if len(digits) % WORD_DIGITS:
            raise ValueError("no whole words")
        return tuple(int(digits[at : at + WORD_DIGITS], 16) for at in range(0, len(digits), WORD_DIGITS))


def _events(told: Any, question: Call) -> tuple[ContractLog, ...]:
    """The logs that were asked for, in order. Raises ChainUnreachable if one was not."""
    with reading():
        found = [event(log) for log in asked_for(told, question)]
    return tuple(sorted(found, key=lambda it: (it.block_number, it.log_index)))


def _movements(told: Any, question: Call) -> tuple[Movement, ...]:
    """The transfers that some logs describe, in order. Raises ChainUnreachable if a log is not what was asked for."""
    with reading():
        found = [_movement(log) for log in asked_for(told, question)]
    return tuple(sorted((it for it in found if it.amount_micro), key=lambda it: (it.block_number, it.log_index)))


def _movement(log: Any) -> Movement:
    if (transfer := moved(log)) is None:
        raise ValueError("a log that is no Transfer")
    return Movement(
        transaction_hash=str(log["transactionHash"]).lower(),
        log_index=number(log["logIndex"]),
        block_number=number(log["blockNumber"]),
        sender=transfer.sender,
        recipient=transfer.recipient,
        amount_micro=transfer.amount_micro,
    )
