"""Reads what nodes answer: numbers, blocks, fees, the chain they are on. Anything else raises ChainUnreachable."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from shared.ports.polygon.failures import ChainUnreachable, WrongChain
from shared.ports.polygon.questions import CHAIN_ID
from shared.ports.polygon.rpc import WORDS_MAX, Node
from shared.values.gas import Fees

COUNT_MAX = 2**40  # no chain has as many blocks, and no address as many transactions
QUANTITY = re.compile("0x[0-9a-fA-F]+")


@contextmanager
def reading() -> Iterator[None]:
    """Raises ChainUnreachable when what is read inside the block does not look like a node's answer."""
    try:
        yield
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise ChainUnreachable(f"{type(error).__name__}: {error}"[:WORDS_MAX]) from error


def number(answer: Any) -> int:
    """The integer of a quantity or a word ("0x…"). Raises ChainUnreachable for anything else."""
    if isinstance(answer, str) and QUANTITY.fullmatch(answer):
        return int(answer, 16)
    raise ChainUnreachable(f"no quantity: {answer!r}"[:WORDS_MAX])


def count(answer: Any) -> int:
    """A number of blocks or transactions. Raises ChainUnreachable if it is no number or impossibly large."""
    counted = number(answer)
    if counted > COUNT_MAX:
        raise ChainUnreachable(f"an absurd number: {answer}"[:WORDS_MAX])
    return counted


def height(block: Any) -> int:
    """The number of a block. Raises ChainUnreachable."""
    with reading():
        return count(block["number"])


def numbered(block: Any, wanted: int) -> Any:
    """The same block. Raises ChainUnreachable if it has another number."""
    if (told := height(block)) != wanted:
        raise ChainUnreachable(f"block {told} for {wanted}")
    return block


def hash_of(block: Any, wanted: int) -> str:
    """The hash of the block `wanted`. Raises ChainUnreachable, also for a block of another number."""
    with reading():
        return str(numbered(block, wanted)["hash"].lower())


def made_at(block: Any) -> datetime:
    """The time of a block. Raises ChainUnreachable."""
    with reading():
        return datetime.fromtimestamp(number(block["timestamp"]), UTC)


def fees(pending: Any, tip: Any) -> Fees:
    """The fees that a node tells: of its pending block, and the tip that it suggests. Raises ChainUnreachable."""
    with reading():
        return Fees(number(pending["baseFeePerGas"]), number(tip))


def highest(offers: Sequence[Fees]) -> Fees:
    """The fees that are enough for every node."""
    return Fees(max(it.base_wei for it in offers), max(it.priority_wei for it in offers))


def require_chain(nodes: Sequence[Node], chain_id: int) -> None:
    """Check that every node is on that chain. Raises WrongChain, ChainUnreachable."""
    found = {number(node.result(CHAIN_ID)) for node in nodes}
    if found != {chain_id}:
        raise WrongChain(f"nodes are on {sorted(found)}, the treasury is on {chain_id}")
