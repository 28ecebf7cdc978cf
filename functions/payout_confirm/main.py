"""Task and sweep: follow a payout's transaction until its block is final, then post and tell (docs/payouts.md).

Only a receipt that every node has, in a block that every node has, finalized and ten deep, makes a payout paid.
Everything else (an error, a missing receipt, a lagging node) means: look again later.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from flask import Request, Response

from functions.payout_confirm import rules
from functions.payout_confirm.rules import Sighting
from shared import clock, comps, db, log, payout_slots, payouts
from shared.config import Config, read
from shared.db import Tx
from shared.events import ConfirmPayout
from shared.job import Job
from shared.payout_slots import Attempt, Mined, Slot, SlotState
from shared.payouts import Payout, PayoutState
from shared.ports import chain
from shared.ports.chain import Chain, ChainUnreachable, NodesDisagree

NEGLECTED_AFTER = timedelta(minutes=2)
SWEPT_MAX = 100

job = Job("payout_confirm")


def payout_confirm(request: Request) -> Response:
    """The function's door."""
    return job.handle(request)


class ConfirmConfig(Config):
    """How often a transaction is looked at."""

    confirm_poll_seconds: float = 5.0


@job.task(ConfirmPayout)
def confirm(task: ConfirmPayout, now: datetime) -> None:
    """Look once; have it looked at again unless it is final."""
    if not look(task.payout_id, chain.connect()):
        db.atomically(lambda tx: payouts.confirm_soon(tx, task.payout_id, clock.now(), _pause()))


@job.schedule("sweep")
def sweep(now: datetime) -> None:
    """What fell through: payouts that no task has touched for minutes get a new one."""
    db.atomically(lambda tx: _pick_up(tx, now))


def look(payout_id: UUID, nodes: Chain) -> bool:
    """Compare the open slot with the chain; True when there is nothing more to look for."""
    found = db.atomically(lambda tx: _in_flight(tx, payout_id))
    if found is None:
        return True
    try:
        seen = _seen(found, nodes)
    except (ChainUnreachable, NodesDisagree) as error:
        log.warning("the chain cannot be read", payout_id=payout_id, reason=str(error))
        return False
    if seen is None:
        db.atomically(lambda tx: _not_there(tx, payout_id, found.slot))
        _remind(found, nodes)
        return False
    mined, final = seen
    return db.atomically(lambda tx: _there(tx, payout_id, found.slot, mined, final=final))


@dataclass(frozen=True)
class Outstanding:
    """A payout's open slot with everything signed for it, and the token that it moves."""

    slot: Slot
    attempts: list[Attempt]
    token: str


def _in_flight(tx: Tx, payout_id: UUID) -> Outstanding | None:
    """None when nothing is out."""
    payout = payouts.load(tx, payout_id)
    slot = payout_slots.open_slot(tx, payout_id)
    if payout is None or payout.state is not PayoutState.IN_FLIGHT or slot is None:
        return None
    if slot.state is SlotState.ALLOCATED:
        payouts.send_soon(tx, payout.id, payout.treasury, clock.now())  # its worker died before it signed
        return None
    payout_slots.touch(tx, slot, clock.now())
    token = payouts.treasury_of(tx, payout.treasury).token_address
    return Outstanding(slot, payout_slots.attempts(tx, slot), token)


def _seen(out: Outstanding, nodes: Chain) -> tuple[Mined, bool] | None:
    """Where every node has one of the attempts (at most one of a nonce is in the chain), and whether for good."""
    for attempt in reversed(out.attempts):
        if receipt := nodes.receipt(attempt.hash):
            heads = nodes.heads()
            if not nodes.contains(receipt.block_number, receipt.block_hash):
                return None
            succeeded = receipt.succeeded and _has_paid(attempt, out.token, nodes)
            final = rules.is_final(Sighting(receipt.block_number, heads.latest, heads.finalized))
            return Mined(receipt.hash, receipt.block_number, receipt.block_hash, succeeded), final
    return None


def _has_paid(attempt: Attempt, token: str, nodes: Chain) -> bool:
    """A token may answer false where others revert: only its log is a payment."""
    if attempt.kind != "PAY":
        return True
    return nodes.moved(attempt.hash, token, attempt.signer, attempt.recipient_address, attempt.amount.micro)


def _remind(out: Outstanding, nodes: Chain) -> None:
    """A pool that never had it, or has lost it, gets the stored bytes again; the others know it already."""
    last = out.attempts[-1]
    answer = nodes.send(last.raw)
    log.info("transaction sent again", payout_id=out.slot.payout_id, hash=last.hash, outcome=answer.outcome)


def _not_there(tx: Tx, payout_id: UUID, seen: Slot) -> None:
    """No receipt proves nothing. A block that was left behind by a reorganisation makes the slot LIVE again."""
    slot = payout_slots.open_slot(tx, payout_id)
    if slot == seen and slot.state is SlotState.MINED:
        log.warning("a block was reorganised away", payout_id=payout_id, block_number=slot.block_number)
        payout_slots.see_dropped(tx, slot, clock.now())


def _there(tx: Tx, payout_id: UUID, seen: Slot, mined: Mined, *, final: bool) -> bool:
    """Record where it is; when that is final, what it means."""
    payout = _load(tx, payout_id)
    slot = payout_slots.open_slot(tx, payout_id)
    if slot is None or slot.nonce != seen.nonce or payout.state is not PayoutState.IN_FLIGHT:
        return True
    now = clock.now()
    if (slot.winning_hash, slot.block_hash) != (mined.hash, mined.block_hash):
        payout_slots.see_mined(tx, slot, mined, now)
        slot = payout_slots.open_slot(tx, payout_id)
        assert slot
    if not final:
        return False
    winner = next(attempt for attempt in payout_slots.attempts(tx, slot) if attempt.hash == slot.winning_hash)
    if payout.source_kind == "comp" and payout.member_id:
        comps.lock_totals(tx, payout.member_id)
    state = payouts.finalize(tx, payout, slot, winner.kind, now)
    if state is PayoutState.PAID and payout.source_kind == "comp":
        comps.mark_paid(tx, UUID(payout.source_id), slot.signer, payout.recipient_address, winner.hash, now)
    log.info("payout is final", payout_id=payout_id, state=state.value, hash=winner.hash)
    return True


def _load(tx: Tx, payout_id: UUID) -> Payout:
    payout = payouts.load(tx, payout_id)
    assert payout, "payouts are never deleted"
    return payout


def _pick_up(tx: Tx, now: datetime) -> None:
    for lost in payouts.neglected(tx, now - NEGLECTED_AFTER, SWEPT_MAX):
        log.warning("a payout was neglected", payout_id=lost.id, state=lost.state.value)
        if lost.state is PayoutState.IN_FLIGHT:
            payouts.confirm_soon(tx, lost.id, now)
        payouts.send_soon(tx, lost.id, lost.treasury, now)


def _pause() -> timedelta:
    return timedelta(seconds=read(ConfirmConfig).confirm_poll_seconds)
