"""Job: show members what their wallets get from elsewhere and what their cards spend (docs/withdrawals.md).

All Transfer logs of our token are read, whoever sends them, and compared with the linked wallets in the database: a
node takes no list of a million addresses. Blocks are read once they are final and told alike by every node; what was
read and what follows from it is one commit with the new position. So a run may die, come twice or meet another one.
"""

from collections.abc import Sequence
from datetime import datetime

from flask import Request, Response

from functions.wallet_watch import shown as seen
from functions.wallet_watch import store
from functions.wallet_watch.shown import Shown
from functions.wallet_watch.store import Cursor
from shared import clock, db, log
from shared.config import Config, read
from shared.db import Tx
from shared.job import Job
from shared.messages import notifications
from shared.payouts import treasuries
from shared.ports.polygon import nodes
from shared.ports.polygon.failures import ChainFailure, TooMuch
from shared.ports.polygon.nodes import Block, Movement, Nodes
from shared.values.finality import NO_BLOCK

QUESTIONS_MAX = 40  # in one run; the next one goes on
BEHIND_BLOCKS_MAX = 1_800  # an hour

job = Job("wallet_watch")


def wallet_watch(request: Request) -> Response:
    return job.handle(request)


class WalletWatchConfig(Config):
    """How many blocks a node is asked for at once, and the addresses that get what cards spend, with commas between
    them.
    """

    wallet_watch_blocks_per_question: int = 50
    oobit_addresses: str = ""

    @property
    def cards(self) -> frozenset[str]:
        """The card provider's addresses, in lower case."""
        return frozenset(each.strip().lower() for each in self.oobit_addresses.split(",") if each.strip())


@job.schedule("sweep")
def sweep(now: datetime) -> None:
    """Read the blocks that are final by now. Without an answer of the chain they are read later."""
    del now
    try:
        _read(nodes.connect())
    except ChainFailure as failure:
        log.warning("the chain cannot be read for wallets", reason=str(failure))


def _read(asked: Nodes) -> None:
    key = db.atomically(treasuries.keys)[0]
    asked.require(key.chain_id)
    token, final = key.token_address, asked.final()
    if final.number == NO_BLOCK:
        return
    newest = asked.block(final.number)
    at = db.atomically(store.begin, token, newest, clock.now())
    if at.scanned_to <= newest.number and asked.block(at.scanned_to).hash != at.block_hash:
        log.error("the last block that was read for wallets is another one now", block_number=at.scanned_to)
        return
    done = _read_up_to(asked, token, at, newest)
    if newest.number - done > BEHIND_BLOCKS_MAX:
        log.error("the wallets' transfers are read too late", blocks=newest.number - done)


def _read_up_to(asked: Nodes, token: str, at: Cursor, newest: Block) -> int:
    """Read block by block up to the newest one; returns the last one that was read."""
    blocks, done = read(WalletWatchConfig).wallet_watch_blocks_per_question, at.scanned_to
    for _ in range(QUESTIONS_MAX):
        if done >= newest.number:
            break
        last = min(done + blocks, newest.number)
        try:
            moved = asked.movements(token, first=done + 1, last=last)
        except TooMuch:
            if blocks == 1:
                raise
            blocks //= 2
            continue
        if not _take(asked, token, done, asked.block(last), moved):
            break  # another run reads the same blocks
        done = last
    return done


def _take(asked: Nodes, token: str, before: int, block: Block, moved: Sequence[Movement]) -> bool:
    """Keep what members see of some blocks' transfers; False if another run was faster."""
    cards = read(WalletWatchConfig).cards
    shown = db.atomically(_shown, moved, cards)
    made_at = {number: asked.block(number).made_at for number in {it.moved.block_number for it in shown}}

    def keep(tx: Tx) -> bool:
        now = clock.now()
        if not store.advance(tx, token, before, block, now):
            return False
        kept = store.keep(tx, shown, made_at, now) if shown else []
        for came in sorted(kept, key=lambda it: it.member_id):  # so that two runs lock inboxes in the same order
            if came.type == "external_deposit":
                notifications.notify(tx, _note(came), now)
        return True

    return db.atomically(keep)


def _shown(tx: Tx, moved: Sequence[Movement], cards: frozenset[str]) -> list[Shown]:
    wallets = store.wallets(tx, seen.ends(moved, cards)) if moved else set[str]()
    return seen.shown(moved, wallets, store.treasury_addresses(tx), cards) if wallets else []


def _note(came: store.Kept) -> notifications.Note:
    data = {"transaction_id": str(came.id), "transaction_hash": came.transaction_hash}
    key = f"deposit:{came.id}"
    return notifications.note(came.member_id, "external_deposit", data, key, amount=came.amount)
