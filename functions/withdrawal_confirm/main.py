"""Task and sweep: send what a member has signed, follow it until it is final, tell (docs/withdrawals.md).

Only what every node has, finalized and ten blocks deep, ends a withdrawal: its own transaction, or another one of the
same nonce. Everything else (an error, a missing receipt, a lagging node) means: send it again, look again later.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from flask import Request, Response

from functions.withdrawal_confirm import rules, telling
from shared import clock, db, log, withdrawals
from shared.config import Config, read
from shared.db import Tx
from shared.events import FollowWithdrawal
from shared.job import Hopeless, Job
from shared.ports import chain
from shared.ports.chain import Chain, ChainUnreachable, Heads, Moved, WrongChain
from shared.withdrawals import FOLLOWED, Block, State, Withdrawal

NEGLECTED_AFTER = timedelta(minutes=2)
LAPSED_LOOKED_AT = timedelta(hours=1)
SWEPT_MAX = 100
EXPIRED_MAX = 1000

job = Job("withdrawal_confirm")


def withdrawal_confirm(request: Request) -> Response:
    """The function's door."""
    return job.handle(request)


class ConfirmConfig(Config):
    """How often a transaction is looked at."""

    confirm_poll_seconds: float = 5.0


@dataclass(frozen=True)
class Sighting:
    """What every node says: the block that holds the transaction, or that its nonce is spent by another one. Neither
    is nothing: it may still be on its way. `final` means that it stays so.
    """

    block: Block | None = None
    replaced: bool = False
    final: bool = False


@job.task(FollowWithdrawal)
def follow(task: FollowWithdrawal, now: datetime) -> None:
    """Look once; have it looked at again unless it has ended."""
    if not look(task.withdrawal_id, chain.connect()):
        pause = timedelta(seconds=read(ConfirmConfig).confirm_poll_seconds)
        db.atomically(lambda tx: withdrawals.follow_soon(tx, task.withdrawal_id, clock.now(), pause))


@job.schedule("sweep")
def sweep(now: datetime) -> None:
    """What fell through, what has lapsed, and what nobody has signed in time."""
    db.atomically(lambda tx: withdrawals.expire(tx, now, EXPIRED_MAX))
    db.atomically(lambda tx: _pick_up(tx, now))


def look(withdrawal_id: UUID, nodes: Chain) -> bool:
    """Compare a withdrawal with the chain; True when nobody needs to look again soon."""
    found = db.atomically(lambda tx: _followed(tx, withdrawal_id))
    if found is None:
        return True
    try:
        seen = _seen(found, nodes)
    except (ChainUnreachable, WrongChain) as error:
        log.warning("the chain cannot be read", withdrawal_id=withdrawal_id, reason=str(error))
        return found.state is State.LAPSED
    if seen.block is None and not seen.replaced:
        _remind(db.atomically(lambda tx: _not_there(tx, found)), nodes)
        return found.state is State.LAPSED
    return db.atomically(lambda tx: _there(tx, withdrawal_id, seen))


def _followed(tx: Tx, withdrawal_id: UUID) -> Withdrawal | None:
    """None when it has ended."""
    found = withdrawals.load(tx, withdrawal_id)
    if found is None:
        raise Hopeless("there is no such withdrawal")
    if found.state not in FOLLOWED:
        return None
    withdrawals.touch(tx, found, clock.now())
    return found


def _seen(found: Withdrawal, nodes: Chain) -> Sighting:
    """The heads come first, so that whatever happens while we ask makes us wait and never too sure."""
    assert found.transaction_hash, "only what is signed is followed"
    nodes.require(found.chain_id)
    final = _final_block(nodes.heads())
    spent = final >= 0 and nodes.used_nonces_at(found.from_address, final) > found.nonce
    seen = nodes.look([found.transaction_hash])
    receipt = seen.receipts.get(found.transaction_hash)
    if receipt is None:
        disputed = found.transaction_hash in seen.disputed
        replaced = spent and not disputed and not nodes.anyone_has(found.transaction_hash)
        return Sighting(replaced=replaced, final=replaced)
    block = Block(receipt.block_number, receipt.block_hash, receipt.succeeded and _wanted(found) in receipt.moved)
    return Sighting(block=block, final=block.number <= _final_block(seen.heads))


def _final_block(heads: Heads) -> int:
    return rules.final_block(heads.latest, heads.finalized, heads.lag_seconds)


def _wanted(found: Withdrawal) -> Moved:
    """The log that says that the money has moved."""
    token, sender, recipient = (it.lower() for it in (found.token_address, found.from_address, found.to_address))
    return Moved(token, sender, recipient, found.amount.micro)


def _not_there(tx: Tx, seen: Withdrawal) -> Withdrawal | None:
    """What is to be sent again. No receipt proves nothing; a block that a reorganisation left behind counts no more."""
    now = clock.now()
    found = withdrawals.load(tx, seen.id)
    assert found, "withdrawals are never deleted"
    if found.state is State.MINED and found.block_hash == seen.block_hash:
        log.warning("a block was reorganised away", withdrawal_id=found.id, block_number=found.block_number)
        withdrawals.see_dropped(tx, found, now)
        return found
    if found.state is not State.SIGNED:
        return None
    assert found.signed_at, "what is signed has a time"
    if rules.has_lapsed(found.signed_at, now):
        log.warning("a withdrawal has lapsed", withdrawal_id=found.id)
        withdrawals.lapse(tx, found, now)
        telling.tell(tx, found, State.LAPSED, now)
        return None
    return found


def _remind(waiting: Withdrawal | None, nodes: Chain) -> None:
    """The first sending, and every later one: the stored bytes as they are. Whoever has them knows them already."""
    if waiting is None or waiting.raw is None:
        return
    (answer,) = nodes.send([waiting.raw])
    log.info("withdrawal sent", withdrawal_id=waiting.id, hash=waiting.transaction_hash, outcome=answer.outcome)


def _there(tx: Tx, withdrawal_id: UUID, seen: Sighting) -> bool:
    """Record where it is; when that is final, what it means."""
    now = clock.now()
    found = withdrawals.load(tx, withdrawal_id)
    assert found, "withdrawals are never deleted"
    if found.state not in FOLLOWED:
        return True
    if seen.block and found.state is not State.LAPSED and found.block_hash != seen.block.hash:
        withdrawals.see_mined(tx, found, seen.block, now)
    if not seen.final:
        return found.state is State.LAPSED
    state = _end(seen)
    withdrawals.finish(tx, found, state, seen.block, now)
    telling.tell(tx, found, state, now)
    log.info("withdrawal is final", withdrawal_id=withdrawal_id, state=state.value, hash=found.transaction_hash)
    return True


def _end(seen: Sighting) -> State:
    if seen.block is None:
        return State.REPLACED
    return State.CONFIRMED if seen.block.succeeded else State.REVERTED


def _pick_up(tx: Tx, now: datetime) -> None:
    for lost in withdrawals.neglected(tx, now - NEGLECTED_AFTER, now - LAPSED_LOOKED_AT, SWEPT_MAX):
        withdrawals.follow_soon(tx, lost, now)
