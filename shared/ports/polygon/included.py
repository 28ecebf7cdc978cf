"""Transactions with their receipts, and logs of any contract, as values; what is read here is read inside
`answers.reading`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.ports.polygon.answers import number
from shared.ports.polygon.receipts import receipt


@dataclass(frozen=True)
class ContractLog:
    """A log of a contract. Everything is in lower case; `data` has no "0x"."""

    contract: str
    topics: tuple[str, ...]
    data: str
    transaction_hash: str
    log_index: int
    block_number: int


@dataclass(frozen=True)
class Included:
    """A transaction in a block: who has sent which call to whom, whether it succeeded, and its logs.

    Addresses are in lower case; `to` is empty when the transaction creates a contract.
    """

    sender: str
    to: str
    data: str
    block_number: int
    block_hash: str
    succeeded: bool
    events: tuple[ContractLog, ...]


def event(log: Mapping[str, Any]) -> ContractLog:
    """A log as a value."""
    return ContractLog(
        contract=str(log["address"]).lower(),
        topics=tuple(str(topic).lower() for topic in log["topics"]),
        data=str(log["data"]).lower().removeprefix("0x"),
        transaction_hash=str(log["transactionHash"]).lower(),
        log_index=number(log["logIndex"]),
        block_number=number(log["blockNumber"]),
    )


def included(sent: Mapping[str, Any], got: Mapping[str, Any], *, wanted: str) -> Included:
    """The transaction `wanted` from what a node tells of it and of its receipt. Raises ValueError for another one's."""
    made = receipt(got, wanted)
    if made is None or str(sent["hash"]).lower() != made.hash:
        raise ValueError(f"a transaction {sent['hash']} for {wanted}")
    return Included(
        sender=str(sent["from"]).lower(),
        to=str(sent["to"] or "").lower(),
        data=str(sent["input"]).lower(),
        block_number=made.block_number,
        block_hash=made.block_hash,
        succeeded=made.succeeded,
        events=tuple(event(log) for log in got["logs"]),
    )
