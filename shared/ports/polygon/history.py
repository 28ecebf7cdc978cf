"""Finds the transactions that an address has sent, from one node that keeps the state of its newest blocks only.

A full node (`bor server --syncmode full`) has every block, receipt and log, but the accounts of about 128 blocks, and
finds transactions by hash in about 54 days of blocks. So nothing here asks for old state, nor for a transaction by its
hash alone. A node that refuses to search so many blocks at once says so, and the caller asks for fewer.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.ports.polygon.answers import hash_of, number, numbered, reading
from shared.ports.polygon.failures import TooMuch
from shared.ports.polygon.questions import (
    COIN,
    FEE_TOPIC,
    TRANSFER_TOPIC,
    logs,
    receipt_of,
    receipts_in,
    the_block,
    topic,
    transaction_at,
)
from shared.ports.polygon.receipts import Found, NonceUse, Receipt, asked_for, found, receipt, sent_by
from shared.ports.polygon.rpc import Node

Told = Mapping[str, Any]


def sent_by_logs(node: Node, token: str, sender: str, first: int, last: int) -> set[NonceUse]:
    """The transactions of `sender` in some blocks that left a log: transfers of the token; on Bor, all of them."""
    own = topic(sender)
    questions = [
        logs(token, [TRANSFER_TOPIC, own], first, last),
        logs(COIN, [FEE_TOPIC, None, own], first, last),
    ]
    told = node.results(questions, TooMuch)
    with reading():
        places = {
            (number(log["blockNumber"]), number(log["transactionIndex"]))
            for answer, question in zip(told, questions, strict=True)
            for log in asked_for(answer, question)
        }
    return _sent_at(node, sender, sorted(places))


def sent_in(node: Node, sender: str, first: int, last: int) -> set[NonceUse]:
    """All transactions of `sender` in some blocks, found by reading the blocks."""
    numbers = range(first, last + 1)
    blocks = node.results([the_block(it, whole=True) for it in numbers], TooMuch)
    with reading():
        return {
            use
            for at, block in zip(numbers, blocks, strict=True)
            for told in _transactions(block, at)
            if (use := sent_by(sender, told, at))
        }


def find(node: Node, sender: str, nonce: int, block_number: int) -> Found | None:
    """The transaction in a block that used a nonce; None when the node has none in that block."""
    (block,) = node.ask([the_block(block_number, whole=True)])
    with reading():
        uses = [(told, sent_by(sender, told, block_number)) for told in _transactions(block, block_number)]
    told, use = next(((told, use) for told, use in uses if use and use.nonce == nonce), (None, None))
    if told is None or use is None:
        return None
    got = _receipt(node, use)
    with reading():
        here = got and (got.block_number, got.block_hash) == (block_number, hash_of(block, block_number))
        return found(sender, told, got) if got and here else None


def _sent_at(node: Node, sender: str, places: Sequence[tuple[int, int]]) -> set[NonceUse]:
    answers = node.results([transaction_at(block, place) for block, place in places], TooMuch)
    with reading():
        uses = [sent_by(sender, told, block) for (block, _), told in zip(places, answers, strict=True)]
    return {use for use in uses if use}


def _receipt(node: Node, use: NonceUse) -> Receipt | None:
    """The receipt by the transaction's hash, or from the block's receipts when the node no longer finds the hash."""
    (told,) = node.ask([receipt_of(use.hash)])
    with reading():
        if told is None:
            (of_block,) = node.ask([receipts_in(use.block_number)])
            told = next((it for it in of_block or () if str(it["transactionHash"]).lower() == use.hash), None)
        return receipt(told, use.hash)


def _transactions(block: Any, wanted: int) -> list[Told]:
    return list(numbered(block, wanted)["transactions"])
