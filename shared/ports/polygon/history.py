"""Finds the transactions that an address has sent, from one node that keeps the state of its newest blocks only.

A full node (`bor server --syncmode full`) has every block, receipt and log, but the accounts of about 128 blocks, and
finds transactions by hash in about 54 days of blocks. So nothing here asks for old state, nor for a transaction by its
hash alone. A node that refuses to search so many blocks at once says so, and the caller asks for fewer.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.ports.polygon.nodes import COIN, FEE_TOPIC, TRANSFER_TOPIC
from shared.ports.polygon.receipts import Found, NonceUse, Receipt, found, padded, reading, receipt, sent_by
from shared.ports.polygon.rpc import Call, ChainUnreachable, Node, RpcError, number

Told = Mapping[str, Any]


class TooMuch(ChainUnreachable):
    """Raised when the node refuses to answer in one piece; it may answer when fewer blocks are asked for."""


def sent_by_logs(node: Node, token: str, sender: str, first: int, last: int) -> set[NonceUse]:
    """The transactions of `sender` in some blocks that left a log: transfers of the token; on Bor, all of them."""
    topic = "0x" + padded(sender)
    wanted = [
        _wanted(token, [TRANSFER_TOPIC, topic], first, last),
        _wanted(COIN, [FEE_TOPIC, None, topic], first, last),
    ]
    told = _answered(node, [("eth_getLogs", [it]) for it in wanted])
    places: set[tuple[int, int]] = set()
    for logs, asked in zip(told, wanted, strict=True):
        with reading():
            places |= _places(logs, asked)
    return _sent_at(node, sender, sorted(places))


def sent_in(node: Node, sender: str, first: int, last: int) -> set[NonceUse]:
    """All transactions of `sender` in some blocks, found by reading the blocks."""
    numbers = range(first, last + 1)
    blocks = _answered(node, [("eth_getBlockByNumber", [hex(it), True]) for it in numbers])
    with reading():
        return {
            use
            for at, block in zip(numbers, blocks, strict=True)
            for told in _transactions(block, at)
            if (use := sent_by(sender, told, at))
        }


def find(node: Node, sender: str, nonce: int, block_number: int) -> Found | None:
    """The transaction in a block that used a nonce; None when the node has none in that block."""
    (block,) = node.ask([("eth_getBlockByNumber", [hex(block_number), True])])
    with reading():
        uses = [(told, sent_by(sender, told, block_number)) for told in _transactions(block, block_number)]
    told, use = next(((told, use) for told, use in uses if use and use.nonce == nonce), (None, None))
    if told is None or use is None:
        return None
    got = _receipt(node, use)
    with reading():
        here = got and (got.block_number, got.block_hash) == (block_number, str(block["hash"]).lower())
        return found(sender, told, got) if got and here else None


def _places(logs: Any, wanted: Told) -> set[tuple[int, int]]:
    """The block and the position of each log's transaction. Raises ValueError for a log that was not asked for."""
    first, last = int(wanted["fromBlock"], 16), int(wanted["toBlock"], 16)
    places = set()
    for log in logs:
        topics, at = [str(topic).lower() for topic in log["topics"]], number(log["blockNumber"])
        fits = all(want in (None, have) for want, have in zip(wanted["topics"], topics, strict=False))
        if not (fits and first <= at <= last and str(log["address"]).lower() == wanted["address"]):
            raise ValueError("a log that was not asked for")
        places.add((at, number(log["transactionIndex"])))
    return places


def _sent_at(node: Node, sender: str, places: Sequence[tuple[int, int]]) -> set[NonceUse]:
    calls: list[Call] = [("eth_getTransactionByBlockNumberAndIndex", [hex(block), hex(at)]) for block, at in places]
    answers = _answered(node, calls)
    with reading():
        uses = [sent_by(sender, told, block) for (block, _), told in zip(places, answers, strict=True)]
    return {use for use in uses if use}


def _receipt(node: Node, use: NonceUse) -> Receipt | None:
    """The receipt by the transaction's hash, or from the block's receipts when the node no longer finds the hash."""
    (told,) = node.ask([("eth_getTransactionReceipt", [use.hash])])
    with reading():
        if told is None:
            (of_block,) = node.ask([("eth_getBlockReceipts", [hex(use.block_number)])])
            told = next((it for it in of_block or () if str(it["transactionHash"]).lower() == use.hash), None)
        return receipt(told, use.hash)


def _answered(node: Node, calls: Sequence[Call]) -> list[Any]:
    """The answers to some calls. Raises TooMuch when the node refuses one of them."""
    told = node.ask(calls)
    if refused := next((it for it in told if isinstance(it, RpcError)), None):
        raise TooMuch(refused.message)
    return told


def _wanted(address: str, topics: list[str | None], first: int, last: int) -> dict[str, Any]:
    return {"address": address.lower(), "topics": topics, "fromBlock": hex(first), "toBlock": hex(last)}


def _transactions(block: Any, wanted: int) -> list[Told]:
    if number(block["number"]) != wanted:
        raise ValueError(f"block {block['number']} for {wanted}")
    return list(block["transactions"])
