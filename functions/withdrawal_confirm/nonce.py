"""Finds the transaction that took a withdrawal's nonce, when its own transaction is on no chain.

A wallet that raises the fee ("speed up") or cancels sends another transaction with the same nonce. A node keeps the
accounts of a few minutes only, but all logs; therefore the transaction is found by the logs of the wallet's
transactions, from the newest block backwards.
"""

from collections.abc import Iterator

from shared.ports.polygon.chain import Chain, NonceUse, Receipt
from shared.ports.polygon.failures import NodesDiffer, TooMuch
from shared.withdrawals import Withdrawal

BLOCKS_AT_ONCE = 2_000  # per question; a node that refuses is asked for half of them
BLOCKS_WITHOUT_A_START = 100_000  # searched for withdrawals prepared before `prepared_block` was stored


def taker(nodes: Chain, withdrawal: Withdrawal, last_block: int) -> Receipt | None:
    """The transaction that used the nonce, which is known to be used by `last_block`. None if no log shows it, which
    means that it has moved none of the token out of the wallet.

    Raises NodesDiffer if the nodes do not agree.
    """
    for first, last in _windows(withdrawal, last_block):
        uses = _uses(nodes, withdrawal, first, last)
        found = next((use for use in uses if use.nonce == withdrawal.nonce), None)
        if found:
            receipt = nodes.observe([found.hash]).receipts.get(found.hash)
            if receipt is None:
                raise NodesDiffer(f"not every node has {found.hash}")
            return receipt
    return None


def _uses(nodes: Chain, withdrawal: Withdrawal, first: int, last: int) -> set[NonceUse]:
    """The wallet's transactions in some blocks that have a log. Raises ChainUnreachable."""
    try:
        return nodes.sent_by_logs(withdrawal.token_address, withdrawal.from_address, first, last)
    except TooMuch:
        if first == last:
            raise
        middle = (first + last) // 2
        return _uses(nodes, withdrawal, first, middle) | _uses(nodes, withdrawal, middle + 1, last)


def _windows(withdrawal: Withdrawal, last_block: int) -> Iterator[tuple[int, int]]:
    """Ranges of blocks to search, the newest first."""
    start = withdrawal.prepared_block
    first_block = max(0, last_block - BLOCKS_WITHOUT_A_START) if start is None else start
    while last_block >= first_block:
        first = max(first_block, last_block - BLOCKS_AT_ONCE + 1)
        yield first, last_block
        last_block = first - 1
