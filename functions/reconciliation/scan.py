"""Reads the Transfer logs of a treasury's key, from where the last run stopped, a bounded range at a time.

Logs that every node gives alike are stored in one commit with the new position; incoming money is posted there too.
"""

from datetime import datetime
from functools import partial

from functions.reconciliation import store
from shared import clock, db, log
from shared.config import Config, read
from shared.db import Tx
from shared.ledger import journals
from shared.payouts.treasuries import Key
from shared.ports.polygon.failures import ChainFailure, TooMuch
from shared.ports.polygon.nodes import Block, Movement, Nodes
from shared.values.money import Usdt

QUESTIONS_MAX = 2_000  # for one key in one run: four million blocks, three months


class ScanConfig(Config):
    """Where the treasuries' history begins, and how many blocks a node is asked for at once."""

    reconciliation_first_block: int = 0
    reconciliation_blocks_per_question: int = 2_000


def read_up_to(key: Key, block_number: int, asked: Nodes) -> str | None:
    """Read the logs up to a block; returns None, or else the reason why it goes no further now."""
    try:
        return _read(key, block_number, asked, read(ScanConfig).reconciliation_blocks_per_question)
    except ChainFailure as error:
        log.warning("the chain's logs cannot be read", treasury=key.treasury, reason=str(error))
        return f"{type(error).__name__}: {error}"


def _read(key: Key, block_number: int, asked: Nodes, blocks: int) -> str | None:
    first_block = read(ScanConfig).reconciliation_first_block
    at = db.atomically(lambda tx: store.cursor(tx, key.address, first_block, clock.now()))
    if at.block_hash and asked.block_hash(at.scanned_to) != at.block_hash:
        log.error("a block that was final is another one now", treasury=key.treasury, block_number=at.scanned_to)
        return f"block {at.scanned_to} is not the one that was reconciled"
    done = at.scanned_to
    for _ in range(QUESTIONS_MAX):
        if done >= block_number:
            return None
        last = min(done + blocks, block_number)
        try:
            leaving = asked.movements(key.token_address, sender=key.address, first=done + 1, last=last)
            coming = asked.movements(key.token_address, recipient=key.address, first=done + 1, last=last)
        except TooMuch:
            if blocks == 1:
                raise
            blocks //= 2
            continue
        block = Block(last, asked.block_hash(last))
        if not db.atomically(partial(_keep, key=key, before=done, block=block, leaving=leaving, coming=coming)):
            return "another run reads the same blocks"
        done = last
    return f"blocks {done + 1} to {block_number} are still to be read"


def _keep(tx: Tx, key: Key, before: int, block: Block, leaving: list[Movement], coming: list[Movement]) -> bool:
    """Store the logs and the new position, and post incoming money; False if another run was faster."""
    now = clock.now()
    if not store.advance(tx, key.address, before, block, now):
        return False
    store.keep(tx, key, "out", leaving, now)
    store.keep(tx, key, "in", coming, now)
    own = store.own_addresses(tx, key.treasury)
    for movement in coming:
        if movement.sender not in own:
            _post(tx, key, movement, now)
    return True


def _post(tx: Tx, key: Key, movement: Movement, now: datetime) -> None:
    """Post incoming money to the treasury's books."""
    ref = f"in:{movement.transaction_hash}:{movement.log_index}"
    source, target = f"external:{key.treasury}", f"treasury:{key.treasury}"
    journals.move(tx, ref, source, target, Usdt(movement.amount_micro), now=now)
    log.info("money came to a treasury", treasury=key.treasury, amount=str(Usdt(movement.amount_micro)))
