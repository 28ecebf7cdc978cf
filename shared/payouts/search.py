"""Finds the transaction that used a nonce of a treasury's key (R5, R8), by questions to nodes without archive.

A key's nonces are used in order, so the transaction is in a block between those of the nonces before and after it. The
search reads that range from the newest block down: first the logs of the key's transfers, many blocks at a time; then
whole blocks, because a transaction that moved no tokens may have left no log. Each step is stored with all other nonces
that it met, so that an interrupted search continues and the next search has less to read.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from shared import clock, db, log
from shared.config import Config, read
from shared.payouts import search_rows as rows
from shared.payouts.search_rows import Reading, Search
from shared.ports.polygon.chain import Chain, Found, NonceUse
from shared.ports.polygon.failures import ChainUnreachable, TooMuch

AT_ONCE_MAX = {rows.LOGS: 10_000, rows.BLOCKS: 20}  # blocks per question; a block of Polygon may have 200 kB
# Questions per step: 200,000 blocks by their logs, 800 by reading them.
QUESTIONS_MAX = {rows.LOGS: 20, rows.BLOCKS: 40}


class SearchConfig(Config):
    """The block before which no treasury key was used."""

    reconciliation_first_block: int = 0


@dataclass(frozen=True)
class Range:
    """A range of blocks to read; both ends are included."""

    first: int
    last: int


Ask = Callable[[int, int], set[NonceUse]]


def find(signer: str, token: str, nonce: int, nodes: Chain) -> Found | None:
    """Run one step of the search; returns the finalized transaction that used the nonce, None if not found yet.

    Raises ChainUnreachable. After that, or after None, call it again: the search continues where it stopped.
    """
    block = db.atomically(rows.block_of, signer, nonce)
    if block is None:
        block = _search(signer, token, nonce, nodes)
    if block is None:
        return None
    found = nodes.transaction_of(signer, nonce, block)
    if found is None:
        log.warning("the nodes do not agree what used a nonce", signer=signer, nonce=nonce, block_number=block)
        db.atomically(rows.forget, signer, nonce)
    return found


def _search(signer: str, token: str, nonce: int, nodes: Chain) -> int | None:
    """Go on with the stored search; returns the number of the block that used the nonce, None if this step has not
    found it. `token` is the address of the treasury's token. Raises ChainUnreachable.
    """
    search = db.atomically(rows.search, signer, nonce) or _begin(signer, nonce, nodes)
    # Start with twice the last size: a node that was busy may take more again.
    for reading, most in AT_ONCE_MAX.items():
        search = search.with_at_once(reading, min(2 * search.at_once(reading), most))
    by_logs = partial(nodes.sent_by_logs, token, signer)
    by_blocks = partial(nodes.sent_in, signer)
    for reading, ask in ((rows.LOGS, by_logs), (rows.BLOCKS, by_blocks)):
        for _ in range(QUESTIONS_MAX[reading]):
            todo = _left(search, reading)
            if todo is None:
                break
            search = _read(search, reading, ask, todo)
            block = db.atomically(rows.block_of, signer, nonce)
            if block is not None:
                return block
        else:
            log.info("a search for a nonce goes on later", signer=signer, nonce=nonce, read_to=search.read_to(reading))
            return None
    log.error("a used nonce is found nowhere", signer=signer, nonce=nonce, block_number=search.top)
    db.atomically(rows.forget_all, signer)  # a neighbour's block may have been told wrongly
    return None


def _begin(signer: str, nonce: int, nodes: Chain) -> Search:
    top = nodes.heads().finalized
    made = Search(
        signer,
        nonce,
        top,
        top + 1,
        AT_ONCE_MAX[rows.LOGS],
        blocks_read_to=top + 1,
        blocks_at_once=AT_ONCE_MAX[rows.BLOCKS],
    )
    db.atomically(lambda tx: rows.begin(tx, made, clock.now()))
    return made


def _left(search: Search, reading: Reading) -> Range | None:
    """The next range to read, newest first; None when every block that may have the transaction has been read."""
    first_block = read(SearchConfig).reconciliation_first_block
    near = db.atomically(rows.neighbours, search.signer, search.nonce)
    lowest = first_block if near.before is None else near.before
    last = min(search.read_to(reading) - 1, search.top if near.after is None else near.after)
    return Range(max(lowest, last - search.at_once(reading) + 1), last) if last >= lowest else None


def _read(search: Search, reading: Reading, ask: Ask, todo: Range) -> Search:
    """Read one range and return the search as stored afterwards. A range that the node refuses is halved."""
    at_once = todo.last - todo.first + 1
    try:
        uses: Iterable[NonceUse] = ask(todo.first, todo.last)
    except TooMuch:
        if at_once == 1:
            raise
        return _keep(search.with_at_once(reading, at_once // 2), [])
    except ChainUnreachable:
        # The range may have been too large to answer in time.
        _keep(search.with_at_once(reading, max(1, at_once // 2)), [])
        raise
    return _keep(search.with_read_to(reading, todo.first), uses)


def _keep(search: Search, uses: Iterable[NonceUse]) -> Search:
    now: datetime = clock.now()

    def keep(tx: db.Tx) -> None:
        rows.save(tx, search)
        rows.insert_uses(tx, search.signer, sorted(uses, key=lambda use: use.nonce), now)

    db.atomically(keep)
    return search
