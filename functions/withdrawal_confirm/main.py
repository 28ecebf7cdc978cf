"""Task and sweep: send a signed withdrawal, follow it until it is final, notify the member (docs/withdrawals.md).

A withdrawal ends only by a transaction that every node has, finalized and ten blocks deep: its own, or another one with
the same nonce (`nonce.py`), which may be the same transfer at a higher fee. Everything else (an error, a missing
receipt, a lagging node) means: send it again and check again later.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from flask import Request, Response

from functions.withdrawal_confirm import nonce, rested, rules, telling
from shared import clock, db, log, withdrawals
from shared.config import Config, read
from shared.db import Tx
from shared.events import FollowWithdrawal
from shared.job import Hopeless, Job
from shared.ports.polygon import chain
from shared.ports.polygon.chain import Chain, Moved, Receipt
from shared.ports.polygon.failures import ChainUnreachable, StateGone, WrongChain
from shared.sweep import Sweep
from shared.withdrawals import FOLLOWED, Inclusion, State, Withdrawal

NEGLECTED_AFTER = timedelta(minutes=2)
LAPSED_LOOKED_AT = timedelta(hours=1)
SWEPT_MAX = 100
EXPIRED_MAX = 1000

job = Job("withdrawal_confirm")


def withdrawal_confirm(request: Request) -> Response:
    return job.handle(request)


class ConfirmConfig(Config):
    """How often a transaction is checked."""

    confirm_poll_seconds: float = 5.0


@dataclass(frozen=True)
class Sighting:
    """The answer of all nodes: the block with the transfer, or that its nonce was used by something else (`replaced`).
    With neither, the transaction may still be on its way. `hash` is the transaction that used the nonce, if it was
    found; `final` means that the answer cannot change any more.
    """

    block: Inclusion | None = None
    replaced: bool = False
    hash: str | None = None
    final: bool = False


@job.task(FollowWithdrawal)
def follow(task: FollowWithdrawal, now: datetime) -> None:
    """Check the withdrawal once, and enqueue the next check unless it has ended."""
    if not observe(task.withdrawal_id, chain.connect()):
        pause = timedelta(seconds=read(ConfirmConfig).confirm_poll_seconds)
        db.atomically(lambda tx: withdrawals.follow_soon(tx, task.withdrawal_id, clock.now(), pause))


@job.schedule("sweep")
def sweep(now: datetime) -> None:
    """Expire withdrawals that were not signed in time, and check those that have lapsed or lost their task."""
    with Sweep() as parts:
        parts.part(lambda: db.atomically(withdrawals.expire, now, EXPIRED_MAX), "what nobody has signed")
        parts.part(lambda: db.atomically(_pick_up, now), "neglected withdrawals")


@job.schedule("rested-wallets")
def pay_rested_wallets(now: datetime) -> None:
    """Pay comps to wallets that replaced another one a day ago."""
    rested.pay(now)


def observe(withdrawal_id: UUID, nodes: Chain) -> bool:
    """Compare a withdrawal with the chain: send it again, or record its block or its end. True if it has ended or
    lapsed, and need not be checked again soon. Raises Hopeless for an unknown one.
    """
    found = db.atomically(_followed, withdrawal_id)
    if found is None:
        return True
    try:
        seen = _seen(found, nodes)
    except (ChainUnreachable, WrongChain) as error:
        log.warning("the chain cannot be read", withdrawal_id=withdrawal_id, reason=str(error))
        return found.state is State.LAPSED
    if seen.block is None and not seen.replaced:
        _remind(db.atomically(_not_there, found), nodes)
        return found.state is State.LAPSED
    return db.atomically(_there, withdrawal_id, seen)


def _followed(tx: Tx, withdrawal_id: UUID) -> Withdrawal | None:
    """The withdrawal, noted as checked now; None if it is not to be followed. Raises Hopeless for an unknown one."""
    found = withdrawals.load(tx, withdrawal_id)
    if found is None:
        raise Hopeless("there is no such withdrawal")
    if found.state not in FOLLOWED:
        return None
    withdrawals.touch(tx, found, clock.now())
    return found


def _seen(found: Withdrawal, nodes: Chain) -> Sighting:
    """Ask the nodes. The heads are read first, so that a change in between delays the answer but never makes it
    premature. Accounts are read at a block some seconds old, which every node still has. Raises ChainUnreachable and
    WrongChain.
    """
    assert found.transaction_hash, "only what is signed is followed"
    nodes.require(found.chain_id)
    final = nodes.heads().final
    spent = _is_spent(found, final, nodes)
    seen = nodes.observe([found.transaction_hash])
    receipt = seen.receipts.get(found.transaction_hash)
    if receipt:
        return _sighted(found, receipt, final=receipt.block_number <= seen.heads.final)
    if not spent or found.transaction_hash in seen.disputed or nodes.anyone_has(found.transaction_hash):
        return Sighting()
    taker = nonce.taker(nodes, found, final)
    if taker is None or not taker.succeeded:
        return Sighting(replaced=True, hash=taker.hash if taker else None, final=True)
    return _sighted(found, taker, final=True)


def _sighted(found: Withdrawal, receipt: Receipt, *, final: bool) -> Sighting:
    """The outcome of the transaction that used the nonce, whether it is the withdrawal's own or another one.

    Only status 0 means that USDT refused the transfer. A successful transaction that moved something else has replaced
    the withdrawal.
    """
    if receipt.succeeded and _wanted(found) not in receipt.moved:
        return Sighting(replaced=True, hash=receipt.hash, final=final)
    return Sighting(
        Inclusion(receipt.block_number, receipt.block_hash, receipt.succeeded), hash=receipt.hash, final=final
    )


def _is_spent(found: Withdrawal, final: int, nodes: Chain) -> bool:
    """Whether the chain up to block `final` has used the nonce; False if a node cannot tell any more."""
    try:
        return final >= 0 and nodes.used_nonces_at(found.from_address, final) > found.nonce
    except StateGone as gone:
        log.warning("the finalized accounts cannot be read", withdrawal_id=found.id, reason=str(gone))
        return False


def _wanted(found: Withdrawal) -> Moved:
    """The log that proves the transfer."""
    token, sender, recipient = (it.lower() for it in (found.token_address, found.from_address, found.to_address))
    return Moved(token, sender, recipient, found.amount.micro)


def _not_there(tx: Tx, seen: Withdrawal) -> Withdrawal | None:
    """The withdrawal, if it is to be sent again. A missing receipt proves nothing; a block that was reorganised away
    does not count. A withdrawal that has waited for too long lapses.
    """
    now = clock.now()
    found = withdrawals.load(tx, seen.id)
    assert found, "withdrawals are never deleted"
    if found.state is State.MINED and found.block_hash == seen.block_hash:
        log.warning("a block was reorganised away", withdrawal_id=found.id, block_number=found.block_number)
        withdrawals.mark_dropped(tx, found, now)
        return found
    if found.state is not State.SIGNED:
        return None
    assert found.signed_at, "what is signed has a time"
    if rules.has_lapsed(found.signed_at, now):
        log.warning("a withdrawal has lapsed", withdrawal_id=found.id)
        withdrawals.lapse(tx, found, now)
        telling.tell(tx, found, State.LAPSED, found.transaction_hash, now)
        return None
    return found


def _remind(waiting: Withdrawal | None, nodes: Chain) -> None:
    """Send the stored bytes for the first time, or again, which is harmless. A transaction that the wallet has sent by
    itself is not sent again.
    """
    if waiting is None or waiting.raw is None:
        return
    (answer,) = nodes.send([waiting.raw])
    log.info("withdrawal sent", withdrawal_id=waiting.id, hash=waiting.transaction_hash, outcome=answer.outcome)


def _there(tx: Tx, withdrawal_id: UUID, seen: Sighting) -> bool:
    """Record the block of the transfer and, if it is final, the outcome."""
    now = clock.now()
    found = withdrawals.load(tx, withdrawal_id)
    assert found, "withdrawals are never deleted"
    if found.state not in FOLLOWED:
        return True
    if seen.block and found.state is not State.LAPSED and found.block_hash != seen.block.hash:
        withdrawals.mark_mined(tx, found, seen.block, now)
    if not seen.final:
        return found.state is State.LAPSED
    state = _end(seen)
    withdrawals.finish(tx, found, state, seen.block, seen.hash, now=now)
    telling.tell(tx, found, state, seen.hash, now)
    log.info("withdrawal is final", withdrawal_id=withdrawal_id, state=state.value, hash=seen.hash)
    return True


def _end(seen: Sighting) -> State:
    if seen.block is None:
        return State.REPLACED
    return State.CONFIRMED if seen.block.succeeded else State.REVERTED


def _pick_up(tx: Tx, now: datetime) -> None:
    for lost in withdrawals.neglected(tx, now - NEGLECTED_AFTER, now - LAPSED_LOOKED_AT, SWEPT_MAX):
        withdrawals.follow_soon(tx, lost, now)
