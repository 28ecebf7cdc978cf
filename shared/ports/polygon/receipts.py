"""A node's answers about transactions, as values: receipts, logs, and the transactions of a block.

An answer to another question than the one that was asked is rejected: a receipt of another hash, a log of another block
or address. What is read here is read inside `answers.reading`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.ports.polygon.answers import count, number
from shared.ports.polygon.questions import TRANSFER_TOPIC
from shared.ports.polygon.rpc import Call

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
    return Moved(str(log["address"]).lower(), f"0x{topics[1][-40:]}", f"0x{topics[2][-40:]}", number(log["data"]))


def asked_for(told: Any, question: Call) -> list[Mapping[str, Any]]:
    """The logs that were told. Raises ValueError if one was not asked for by `question` (`questions.logs`)."""
    (wanted,) = question[1]
    if not isinstance(told, list):
        raise TypeError(f"no list of logs: {told!r}")
    for log in told:
        topics = [str(topic).lower() for topic in log["topics"][: len(wanted["topics"])]]
        fits = all(want in (None, have) for want, have in zip(wanted["topics"], topics, strict=True))
        there = number(wanted["fromBlock"]) <= number(log["blockNumber"]) <= number(wanted["toBlock"])
        if not (fits and there and log["address"].lower() == wanted["address"]):
            raise ValueError("a log that was not asked for")
    return told


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
