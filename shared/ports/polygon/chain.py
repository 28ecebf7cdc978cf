"""Polygon for the payout machine and for withdrawals: balances, fees, sending, receipts, finality, searches.

Used by payout_send, payout_confirm, payout_recover, withdrawal_confirm and platform_watch. It is apart from `nodes`
because it decides what is sent and what is final: where nodes differ it takes the careful answer (the lowest balance,
the highest used nonce) instead of stopping, sends to every node, and asks so often that its connections stay open
(`by_web3`).

Facts: Bor takes no priority fee below 25 gwei; the `finalized` block is Heimdall's last milestone
(docs.polygon.technology). A full node keeps the accounts of its newest 128 blocks, and the finalized block is older
than that when milestones have stood still for some minutes: nothing here depends on older accounts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any

from shared.ports.polygon import answers, history
from shared.ports.polygon.answers import count, hash_of, highest, made_at, number, reading, require_chain
from shared.ports.polygon.by_web3 import KeptOpen
from shared.ports.polygon.failures import ChainUnreachable, NodesDiffer, StateGone
from shared.ports.polygon.questions import (
    HEAD_NUMBER,
    TIP,
    balance_of,
    gas_of,
    is_blocked,
    is_paused,
    nonces_of,
    receipt_of,
    the_block,
)
from shared.ports.polygon.receipts import Found, Moved, NonceUse, Receipt, receipt
from shared.ports.polygon.rpc import Call, Node, RpcError, configured, require_enough, unrefused
from shared.values.finality import final_block
from shared.values.gas import Fees

__all__ = [
    "BlockTimes",
    "Chain",
    "Found",
    "Heads",
    "Moved",
    "NonceUse",
    "Observation",
    "Receipt",
    "SendOutcome",
    "Sent",
    "connect",
]

STATES_KEPT = 128  # a full node has the accounts of as many newest blocks
# The age of the state that stands in for the finalized one; young enough for nodes a few blocks apart.
DEEP_BLOCKS = 100
NONCES_APART_MAX = 10_000  # between two nodes' counts for one address; payouts of an hour are fewer


class SendOutcome(StrEnum):
    """A node's answer to a raw transaction. Only receipts tell whether it was mined."""

    ACCEPTED = "accepted"
    ALREADY_KNOWN = "already_known"
    NONCE_TOO_LOW = "nonce_too_low"
    UNDERPRICED = "underpriced"
    OUT_OF_GAS_MONEY = "out_of_gas_money"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Sent:
    """The most favourable of the nodes' answers, and its message."""

    outcome: SendOutcome
    message: str


@dataclass(frozen=True)
class Heads:
    """The lowest head and the lowest finalized block of the nodes, and the longest delay between them in seconds."""

    latest: int
    finalized: int
    lag_seconds: int

    @property
    def final(self) -> int:
        """The number of the newest final block; finality.NO_BLOCK while milestones have stalled."""
        return final_block(self.latest, self.finalized, self.lag_seconds)


@dataclass(frozen=True)
class Observation:
    """The nodes' answers about some transactions.

    `receipts` has the transactions that every node has in the same block; `disputed` those about which nodes disagree.
    A node that has not reached the block of another one does not disagree: it is waited for.
    """

    heads: Heads
    receipts: Mapping[str, Receipt]
    disputed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class BlockTimes:
    """The times of the newest block and the newest finalized one; with several nodes the oldest."""

    latest: datetime
    finalized: datetime


class Chain:
    """All configured nodes, asked together."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes

    def require(self, chain_id: int) -> None:
        """Check that every node is on that chain. Raises WrongChain."""
        require_chain(self._nodes, chain_id)

    def token_balance(self, token: str, address: str) -> int:
        """Micro-USDT of an address at the finalized block; with several nodes the lowest.

        While a node no longer has the accounts of that block, the lower of the balances now and DEEP_BLOCKS ago is
        used: money that came later does not count.
        """
        return min(_finalized_balance(node, token, address) for node in self._nodes)

    def blocked(self, token: str, addresses: Sequence[str]) -> frozenset[str]:
        """The addresses that the token's issuer has blocked, as any node says: a transfer to them would revert."""
        calls = [is_blocked(token, address) for address in addresses]
        told = [[number(answer) for answer in node.ask(calls)] for node in self._nodes]
        return frozenset(address for address, *said in zip(addresses, *told, strict=True) if any(said))

    def halted(self, token: str, sender: str) -> str:
        """The reason why the token would revert every transfer of this sender, as a sentence; "" when it would not.

        The word of one node is enough. A token that cannot be paused lacks the function `paused`: the call reverts,
        which means that it is not paused.
        """
        told = [node.ask([is_paused(token), is_blocked(token, sender)]) for node in self._nodes]
        if any(number(blocked) for _, blocked in told):
            return f"the token's issuer has blocked the treasury's key {sender}"
        if any(not _reverted(paused) and number(paused) for paused, _ in told):
            return "the token is paused by its issuer"
        return ""

    def gas_balance(self, address: str) -> int:
        """Wei of the chain's own coin; with several nodes the lowest."""
        return min(map(number, self._each(gas_of(address))))

    def used_nonces(self, address: str) -> int:
        """How many transactions of the address the chain has; with several nodes the highest.

        Raises NodesDiffer when the counts are so far apart that one of them must be wrong.
        """
        counts = [count(told) for told in self._each(nonces_of(address))]
        if max(counts) - min(counts) > NONCES_APART_MAX:
            raise NodesDiffer(f"the nodes count {min(counts)} to {max(counts)} transactions of {address}")
        return max(counts)

    def final_nonces(self, address: str) -> int:
        """How many transactions the finalized chain has; with several nodes the lowest. Raises StateGone."""
        return min(count(told) for told in self._states(nonces_of(address, "finalized")))

    def fees(self) -> Fees:
        """The fees of a transaction now; with several nodes the highest."""
        told = [node.ask([the_block("pending"), TIP]) for node in self._nodes]
        return highest([answers.fees(pending, tip) for pending, tip in told])

    def heads(self) -> Heads:
        """The nodes' lowest heads: a node that lags delays the answer but never makes it wrong."""
        return _lowest([_heads(node.ask(HEADS)) for node in self._nodes])

    def block_times(self) -> BlockTimes:
        """The times of the newest blocks; a node that hangs or whose finality stalls shows here."""
        told = [node.ask(HEADS) for node in self._nodes]
        with reading():
            times = [_times(answer) for answer in told]
        return BlockTimes(min(latest for latest, _ in times), min(finalized for _, finalized in times))

    def send(self, raws: Sequence[bytes]) -> list[Sent]:
        """Send signed transactions, in order, to every node. Never raises: without an answer it returns UNKNOWN."""
        if not raws:
            return []
        sent = [_send(node, raws) for node in self._nodes]
        order = list(SendOutcome)
        return [min(told, key=lambda it: order.index(it.outcome)) for told in zip(*sent, strict=True)]

    def observe(self, hashes: Sequence[str]) -> Observation:
        """Ask every node where these transactions are; heads are read before the blocks that are compared with them."""
        calls = [*HEADS, *map(receipt_of, hashes)]
        asked = [node.ask(calls) for node in self._nodes]
        heads = [_heads(told) for told in asked]
        with reading():
            receipts = [
                [receipt(it, wanted) for it, wanted in zip(told[len(HEADS) :], hashes, strict=True)] for told in asked
            ]
        seen = {it: told for it, *told in zip(hashes, *receipts, strict=True)}
        numbers = sorted({it.block_number for told in seen.values() for it in told if it})
        blocks = [_block_hashes(node, numbers) for node in self._nodes]
        agreed: dict[str, Receipt] = {}
        disputed: set[str] = set()
        for it, told in seen.items():
            verdict = _compare(told, heads, blocks)
            if isinstance(verdict, Receipt):
                agreed[it] = verdict
            elif verdict:
                disputed.add(it)
        return Observation(_lowest(heads), agreed, frozenset(disputed))

    def sent_by_logs(self, token: str, sender: str, first: int, last: int) -> set[NonceUse]:
        """The transactions of `sender` in some blocks that any node's logs name. Raises TooMuch."""
        return set().union(*(history.sent_by_logs(node, token, sender, first, last) for node in self._nodes))

    def sent_in(self, sender: str, first: int, last: int) -> set[NonceUse]:
        """All transactions of `sender` in some blocks that any node has. Raises TooMuch."""
        return set().union(*(history.sent_in(node, sender, first, last) for node in self._nodes))

    def transaction_of(self, sender: str, nonce: int, block_number: int) -> Found | None:
        """The transaction in a block that used a nonce (R5); None unless every node says the same of it."""
        founds = {history.find(node, sender, nonce, block_number) for node in self._nodes}
        return founds.pop() if len(founds) == 1 else None

    def used_nonces_at(self, address: str, block_number: int) -> int:
        """How many transactions of the address the chain has up to a block; with several nodes the lowest.

        Raises StateGone.
        """
        return min(count(told) for told in self._states(nonces_of(address, block_number)))

    def anyone_has(self, transaction_hash: str) -> bool:
        """True if any node has a receipt of the transaction."""
        return any(told is not None for told in self._each(receipt_of(transaction_hash)))

    def _each(self, call: Call) -> list[Any]:
        """Every node's answer to one question."""
        return [node.ask([call])[0] for node in self._nodes]

    def _states(self, call: Call) -> list[Any]:
        """Every node's answer about the accounts of an older block. Raises StateGone when one refuses."""
        return unrefused(self._each(call), StateGone)


HEADS: tuple[Call, ...] = (HEAD_NUMBER, the_block("latest"), the_block("finalized"))


@cache
def connect() -> Chain:
    """The chain through the configured nodes. Raises TooFewNodes."""
    found = configured()
    require_enough(len(found.urls), found.needed)
    return Chain([Node(url, KeptOpen()) for url in found.urls])


def _finalized_balance(node: Node, token: str, address: str) -> int:
    (told,) = node.ask([balance_of(token, address, "finalized")])
    if not isinstance(told, RpcError):
        return number(told)
    deep = max(0, count(node.ask([HEAD_NUMBER])[0]) - DEEP_BLOCKS)
    return min(map(number, node.ask([balance_of(token, address, deep), balance_of(token, address)])))


def _reverted(answer: Any) -> bool:
    return isinstance(answer, RpcError) and "revert" in answer.message.lower()


def _heads(told: Sequence[Any]) -> Heads:
    with reading():
        head, latest, finalized = told[:3]
        lag = number(latest["timestamp"]) - number(finalized["timestamp"])
        return Heads(count(head), count(finalized["number"]), max(0, lag))


def _times(told: Sequence[Any]) -> tuple[datetime, datetime]:
    _, latest, finalized = told[:3]
    return made_at(latest), made_at(finalized)


def _lowest(heads: Sequence[Heads]) -> Heads:
    return Heads(min(it.latest for it in heads), min(it.finalized for it in heads), max(it.lag_seconds for it in heads))


def _block_hashes(node: Node, numbers: Sequence[int]) -> dict[int, str | None]:
    """The hash of each numbered block at one node; None where the node lacks it.

    Raises ChainUnreachable if the node does not answer, answers nonsense, or gives a block of another number.
    """
    told = node.ask([the_block(it) for it in numbers])
    return {it: None if block is None else hash_of(block, it) for it, block in zip(numbers, told, strict=True)}


def _compare(
    told: Sequence[Receipt | None], heads: Sequence[Heads], blocks: Sequence[Mapping[int, str | None]]
) -> Receipt | bool:
    """The receipt that every node has, in a block that every node has; else True if they disagree, False if not."""
    first = next((it for it in told if it), None)
    if first is None:
        return False
    have_come = [head.latest >= first.block_number for head in heads]
    hashes = [block[first.block_number] for block in blocks]
    if any(it != first and (it or come) for it, come in zip(told, have_come, strict=True)):
        return True
    if any(it != first.block_hash and (it or come) for it, come in zip(hashes, have_come, strict=True)):
        return True
    return first if None not in told and None not in hashes else False


def _send(node: Node, raws: Sequence[bytes]) -> list[Sent]:
    try:
        told = node.ask([("eth_sendRawTransaction", ["0x" + raw.hex()]) for raw in raws])
    except ChainUnreachable as error:
        return [Sent(SendOutcome.UNKNOWN, str(error))] * len(raws)
    return [_sent(answer) for answer in told]


def _sent(answer: Any) -> Sent:
    if isinstance(answer, RpcError):
        return Sent(_meaning(answer.message.lower()), answer.message)
    return Sent(SendOutcome.ACCEPTED, "") if answer else Sent(SendOutcome.UNKNOWN, str(answer))


def _meaning(message: str) -> SendOutcome:
    """The outcome that a node's error message stands for. Nodes use different words: unknown ones mean UNKNOWN."""
    words = {
        "already known": SendOutcome.ALREADY_KNOWN,
        "already imported": SendOutcome.ALREADY_KNOWN,
        "nonce too low": SendOutcome.NONCE_TOO_LOW,
        "underpriced": SendOutcome.UNDERPRICED,
        "tip cap": SendOutcome.UNDERPRICED,
        "max fee per gas less than block base fee": SendOutcome.UNDERPRICED,
        "insufficient funds": SendOutcome.OUT_OF_GAS_MONEY,
    }
    return next((outcome for phrase, outcome in words.items() if phrase in message), SendOutcome.UNKNOWN)
