"""Reads the Transfer logs of a treasury's key, from where the last reader stopped, a bounded range at a time.

Logs that every node gives alike are stored in one commit with the new position; incoming money is posted there too.
Several jobs may read one key: of two that read the same blocks, one stores them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

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


@dataclass(frozen=True)
class Cursor:
    """How far a key's logs are read."""

    scanned_to: int
    block_hash: str | None


def read_up_to(key: Key, block_number: int, asked: Nodes, questions_max: int = QUESTIONS_MAX) -> str | None:
    """Read the logs up to a block; returns None, or else the reason why it goes no further now."""
    try:
        return _read(key, block_number, asked, questions_max)
    except ChainFailure as error:
        log.warning("the chain's logs cannot be read", treasury=key.treasury, reason=str(error))
        return f"{type(error).__name__}: {error}"


def _read(key: Key, block_number: int, asked: Nodes, questions_max: int) -> str | None:
    blocks = read(ScanConfig).reconciliation_blocks_per_question
    at = db.atomically(cursor, key)
    if at.block_hash and asked.block(at.scanned_to).hash != at.block_hash:
        log.error("a block that was final is another one now", treasury=key.treasury, block_number=at.scanned_to)
        return f"block {at.scanned_to} is not the one that was reconciled"
    done = at.scanned_to
    for _ in range(questions_max):
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
        keep = partial(_keep, key=key, before=done, block=asked.block(last), leaving=leaving, coming=coming)
        if not db.atomically(keep):
            return "another run reads the same blocks"
        done = last
    return f"blocks {done + 1} to {block_number} are still to be read"


def _keep(tx: Tx, *, key: Key, before: int, block: Block, leaving: list[Movement], coming: list[Movement]) -> bool:
    """Store the logs and the new position, and post incoming money; False if another run was faster."""
    now = clock.now()
    if not _advance(tx, key.address, before, block, now):
        return False
    _insert(tx, key, "out", leaving, now)
    _insert(tx, key, "in", coming, now)
    own = _own_addresses(tx, key.treasury)
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


def cursor(tx: Tx, key: Key) -> Cursor:
    """The position of a key; one that was never read starts before the first block of the treasuries' history."""
    tx.run(
        """
        INSERT INTO chain_scans (signer, scanned_to, scanned_at) VALUES (:signer, :before, :now) ON CONFLICT DO NOTHING
        """,
        signer=key.address,
        before=read(ScanConfig).reconciliation_first_block - 1,
        now=clock.now(),
    )
    return tx.one(Cursor, "SELECT scanned_to, block_hash FROM chain_scans WHERE signer = :signer", signer=key.address)


def _advance(tx: Tx, signer: str, before: int, block: Block, now: datetime) -> bool:
    """Move the position forward; False if another run has read these blocks meanwhile."""
    return bool(
        tx.run(
            """
            UPDATE chain_scans SET scanned_to = :number, block_hash = :hash, block_time = :made_at, scanned_at = :now
            WHERE signer = :signer AND scanned_to = :before
            """,
            signer=signer,
            before=before,
            number=block.number,
            hash=block.hash,
            made_at=block.made_at,
            now=now,
        )
    )


def _insert(tx: Tx, key: Key, direction: str, moved: Sequence[Movement], now: datetime) -> None:
    """Store the transfers that were read."""
    tx.run(
        """
        INSERT INTO chain_transfers (transaction_hash, log_index, direction, treasury, signer, counterparty, amount,
                                     block_number, seen_at)
        SELECT hash, index, :direction, :treasury, :signer, counterparty, amount, block, :now
        FROM unnest(CAST(:hashes AS text[]), CAST(:indexes AS int[]), CAST(:counterparties AS text[]),
                    CAST(:amounts AS bigint[]), CAST(:blocks AS bigint[]))
             AS given (hash, index, counterparty, amount, block)
        """,
        direction=direction,
        treasury=key.treasury,
        signer=key.address,
        now=now,
        hashes=[it.transaction_hash for it in moved],
        indexes=[it.log_index for it in moved],
        counterparties=[it.recipient if direction == "out" else it.sender for it in moved],
        amounts=[it.amount_micro for it in moved],
        blocks=[it.block_number for it in moved],
    )


def _own_addresses(tx: Tx, treasury: str) -> frozenset[str]:
    """Every key that the treasury has or had, in lower case."""
    return frozenset(
        tx.column(str, "SELECT lower(address) AS address FROM signers WHERE treasury = :treasury", treasury=treasury)
    )
