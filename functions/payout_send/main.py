"""Task: bring payouts to the chain (docs/payouts.md).

REQUESTED -> APPROVED -> RESERVED -> IN_FLIGHT -> stored -> broadcast. Each arrow is a transaction of its own; what
the outside must be asked is asked between them. Killed anywhere and started again, it goes on from the rows.

A task is worth PAYOUTS_PER_TASK payouts of its treasury, first requested first: its own id is only where it began.
One that cannot go on steps aside; none waits for it.
"""

from datetime import datetime

from flask import Request, Response

from functions.payout_send import steps
from functions.payout_send.signing import sign_taken, tend
from functions.payout_send.steps import Shift
from shared import clock, db, log, payout_queue, payout_slots, payout_watch, payouts, settings
from shared.config import Config, read
from shared.db import Tx
from shared.events import SendPayout
from shared.job import ComeAgain, Hopeless, Job
from shared.payout_slots import Signer, SignerBusy
from shared.payouts import Payout, PayoutState
from shared.ports import chain
from shared.ports.chain import Chain

job = Job("payout_send")


def payout_send(request: Request) -> Response:
    """The function's door."""
    return job.handle(request)


class SendConfig(Config):
    """How much one task does; the queue's pace is counted in tasks."""

    payouts_per_task: int = 1


@job.task(SendPayout)
def send(task: SendPayout, now: datetime) -> None:
    """Take the treasury's next payouts as far as they go today."""
    asked_for = db.atomically(lambda tx: payouts.load(tx, task.payout_id))
    if asked_for is None:
        raise Hopeless("there is no such payout")
    try:
        signer = db.atomically(lambda tx: payout_slots.take_signer(tx, task.treasury, now, task.payout_id))
    except SignerBusy as busy:
        raise ComeAgain(str(busy)) from None
    try:
        work(signer, chain.connect(), asked_for)
    finally:
        db.atomically(lambda tx: payout_slots.release_signer(tx, signer, clock.now()))


def work(signer: Signer, nodes: Chain, asked_for: Payout) -> None:
    """One shift at a key: look after what is out, sign what has a nonce, and take the next payouts on their way."""
    shift = db.atomically(lambda tx: _shift(tx, signer, nodes))
    nodes.require(shift.treasury.chain_id)
    if not _may_sign(shift):
        return
    chosen = _choose(shift, asked_for)
    steps.decide(shift, chosen)
    why_not = steps.reserve(shift, chosen) or steps.allocate(shift, chosen)
    sign_taken(shift, read(SendConfig).payouts_per_task)
    tend(shift, asked_for.id)
    if why_not and asked_for.state not in (PayoutState.IN_FLIGHT, PayoutState.PAID):
        raise ComeAgain(why_not)


def _shift(tx: Tx, signer: Signer, nodes: Chain) -> Shift:
    bounds = settings.load(tx).payouts
    return Shift(signer, payouts.treasury_of(tx, signer.treasury), nodes, bounds, bounds.limits[signer.treasury])


def _choose(shift: Shift, asked_for: Payout) -> list[Payout]:
    """The first that wait; or the one that was asked for, when it is held and may only wait for its cause to end."""
    limit = read(SendConfig).payouts_per_task

    def choose(tx: Tx) -> list[Payout]:
        if asked_for.state is PayoutState.HELD:
            return payouts.load_all(tx, [asked_for.id])
        rotation_only = shift.signer.status == "draining"
        ids = payout_queue.waiting(tx, shift.treasury.name, clock.now(), limit, rotation_only=rotation_only)
        return payouts.load_all(tx, ids)

    return db.atomically(choose)


def _may_sign(shift: Shift) -> bool:
    """Not while what a key has done is being found out."""
    signer = shift.signer
    if signer.rebuild_asked_at:
        log.warning("a key is being rebuilt", treasury=signer.treasury, signer=signer.address)
        return False
    return payout_watch.rebuild_unless_ours(signer.address, shift.nodes)
