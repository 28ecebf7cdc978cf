"""A node's answers about transactions, as values: receipts, Transfer logs, and the transactions of a block.

An answer to another question than the one that was asked is rejected: a receipt of another hash, a log of another block
or address.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from shared.ports.polygon.nodes import TRANSFER_TOPIC
from shared.ports.polygon.rpc import ChainUnreachable, count, number

TRANSFER_TOPICS = 3


@dataclass(frozen=True)
class Moved:
    """A Transfer log: the token, the sender, the recipient and the amount. Addresses are in lower case."""

    token: str
    sender: str
    recipient: str
    amount_micro: int


@dataclass(frozen=True)
class Receipt:
    """The block that includes a transaction, whether the transaction succeeded, and what it moved.

    A call of a token that answers false instead of reverting, and of an address without code, succeeds and moves
    nothing.
    """

    hash: str
    block_number: int
    block_hash: str
    succeeded: bool
    moved: tuple[Moved, ...]


@dataclass(frozen=True)
class NonceUse:
    """The transaction in a block that used a nonce of an address."""

    nonce: int
    hash: str
    block_number: int


@dataclass(frozen=True)
class Found:
    """The transaction that used a nonce, with its receipt, as the chain has it."""

    hash: str
    sender: str
    nonce: int
    to: str
    gas_limit: int
    fee_per_gas_wei_max: int
    priority_fee_per_gas_wei_max: int
    receipt: Receipt


@contextmanager
def reading() -> Iterator[None]:
    """Raises ChainUnreachable when what is read inside the block does not look like a node's answer."""
    try:
        yield
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ChainUnreachable(f"{type(error).__name__}: {error}"[:500]) from error


def padded(address: str) -> str:
    """An address as 32 bytes in hexadecimal, as calls and topics carry it."""
    return address[2:].lower().rjust(64, "0")


def receipt(told: Any, wanted: str) -> Receipt | None:
    """The receipt of the transaction `wanted`; None while the node has none. Raises ValueError for that of another."""
    if told is None:
        return None
    made = Receipt(
        hash=str(told["transactionHash"]).lower(),
        block_number=number(told["blockNumber"]),
        block_hash=str(told["blockHash"]).lower(),
        succeeded=number(told["status"]) == 1,
        moved=tuple(it for log in told["logs"] if (it := moved(log))),
    )
    if made.hash != wanted.lower():
        raise ValueError(f"a receipt of {made.hash} for {wanted}")
    for log in told["logs"]:
        of = str(log["transactionHash"]).lower(), number(log["blockNumber"])
        if of != (made.hash, made.block_number):
            raise ValueError(f"a log of {of[0]} in block {of[1]} in the receipt of {made.hash}")
    return made


def moved(log: Mapping[str, Any]) -> Moved | None:
    """The Transfer that a log describes; None for any other log."""
    topics = [str(topic).lower() for topic in log["topics"]]
    if len(topics) != TRANSFER_TOPICS or topics[0] != TRANSFER_TOPIC:
        return None
    amount = int(str(log["data"]), 16)
    return Moved(str(log["address"]).lower(), f"0x{topics[1][-40:]}", f"0x{topics[2][-40:]}", amount)


def sent_by(sender: str, told: Mapping[str, Any], block_number: int) -> NonceUse | None:
    """A transaction of a block as a NonceUse of `sender`; None when another address has sent it."""
    if str(told["from"]).lower() != sender.lower():
        return None
    return NonceUse(count(told["nonce"]), str(told["hash"]).lower(), block_number)


def found(sender: str, told: Mapping[str, Any], got: Receipt) -> Found:
    """A transaction combined with its receipt."""
    return Found(
        hash=str(told["hash"]).lower(),
        sender=sender,
        nonce=count(told["nonce"]),
        to=str(told.get("to") or "").lower(),
        gas_limit=number(told["gas"]),
        fee_per_gas_wei_max=number(told.get("maxFeePerGas") or told["gasPrice"]),
        priority_fee_per_gas_wei_max=number(told.get("maxPriorityFeePerGas") or told["gasPrice"]),
        receipt=got,
    )
