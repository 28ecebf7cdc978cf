"""Task: send payouts to the chain (docs/payouts.md).

REQUESTED -> APPROVED -> RESERVED -> IN_FLIGHT -> stored -> broadcast. Each arrow is a transaction of its own; calls to
the chain and to KMS are made between them. Killed anywhere and started again, it continues from the rows.

A task handles PAYOUTS_PER_TASK payouts of its treasury, oldest request first; the payout that it names only decides
where it began. A payout that cannot continue is postponed, and the others do not wait for it.
"""

from dataclasses import replace
from datetime import datetime

from flask import Request, Response

from functions.payout_send import steps
from functions.payout_send.signing import resend_or_replace, sign_taken
from functions.payout_send.steps import WorkerSession
from shared import clock, db, log, settings
from shared.config import Config, read
from shared.db import Tx
from shared.events import SendPayout
from shared.job import ComeAgain, Hopeless, Job
from shared.payouts import machine, queue, slots, stops, watch
from shared.payouts.machine import Payout, PayoutState, Treasury
from shared.payouts.slots import Signer, SignerBusy
from shared.ports.polygon import chain
from shared.ports.polygon.chain import Chain
from shared.values.states import SignerStatus

REMEDY = "Ask the token's issuer. Resume when it moves again: until then every task pauses it anew, before it signs."

job = Job("payout_send")


def payout_send(request: Request) -> Response:
    return job.handle(request)


class SendConfig(Config):
    """How many payouts one task handles; the queue's rate is in tasks."""

    payouts_per_task: int = 1


@job.task(SendPayout)
def send(task: SendPayout, now: datetime) -> None:
    """Take the treasury's next payouts as far as they can go now. Raises ComeAgain while another worker has the key."""
    asked_for = db.atomically(machine.load, task.payout_id)
    if asked_for is None:
        raise Hopeless("there is no such payout")
    try:
        signer = db.atomically(slots.take_signer, task.treasury, now, task.payout_id)
    except SignerBusy as busy:
        raise ComeAgain(str(busy)) from None
    try:
        work(signer, chain.connect(), asked_for)
    finally:
        db.atomically(lambda tx: slots.release_signer(tx, signer, clock.now()))


def work(signer: Signer, nodes: Chain, asked_for: Payout) -> None:
    """Work with a key once: decide and reserve the next payouts, give them nonces, sign, and tend the payout
    asked for. Does nothing while the key may not sign. Raises ComeAgain when time may help the payout asked for.
    """
    shift = db.atomically(_shift, signer, nodes)
    nodes.require(shift.treasury.chain_id)
    if not _may_sign(shift):
        return
    shift = _stop_if_halted(shift)
    chosen = _choose(shift, asked_for)
    steps.decide(shift, chosen)
    why_not = steps.reserve(shift, chosen) or steps.allocate(shift, chosen)
    sign_taken(shift, read(SendConfig).payouts_per_task)
    resend_or_replace(shift, asked_for.id)
    if why_not and asked_for.state not in (PayoutState.IN_FLIGHT, PayoutState.PAID):
        raise ComeAgain(why_not)


def _shift(tx: Tx, signer: Signer, nodes: Chain) -> WorkerSession:
    bounds = settings.load(tx).payouts
    return WorkerSession(
        signer, machine.treasury_of(tx, signer.treasury), nodes, bounds, bounds.limits[signer.treasury]
    )


def _choose(shift: WorkerSession, asked_for: Payout) -> list[Payout]:
    """The first waiting payouts; or the one asked for, if it is on hold and its cause may be gone."""
    limit = read(SendConfig).payouts_per_task

    def choose(tx: Tx) -> list[Payout]:
        if asked_for.state is PayoutState.HELD:
            return machine.load_all(tx, [asked_for.id])
        rotation_only = shift.signer.status == SignerStatus.DRAINING
        ids = queue.waiting(tx, shift.treasury.name, clock.now(), limit, rotation_only=rotation_only)
        return machine.load_all(tx, ids)

    return db.atomically(choose)


def _may_sign(shift: WorkerSession) -> bool:
    """Whether the key may sign: it is not being rebuilt, and has no transactions that are not ours; for those a
    rebuild is requested, which pauses the treasury.
    """
    signer = shift.signer
    if signer.rebuild_asked_at:
        log.warning("a key is being rebuilt", treasury=signer.treasury, signer=signer.address)
        return False
    return watch.rebuild_unless_ours(signer.address, shift.nodes)


def _stop_if_halted(shift: WorkerSession) -> WorkerSession:
    """Pause the treasury if the token is paused or its issuer has blocked the treasury's key.

    Every payment would revert then. Returns the session with the treasury as it is afterwards; unchanged if nothing is
    wrong or it is paused already. Raises ChainUnreachable.
    """
    treasury = shift.treasury
    reason = shift.nodes.halted(treasury.token_address, shift.signer.address)
    if not reason or treasury.paused_at:
        return shift

    def stop(tx: Tx) -> Treasury:
        stops.stop(tx, treasury.name, reason, REMEDY, clock.now())
        return machine.treasury_of(tx, treasury.name)

    return replace(shift, treasury=db.atomically(stop))
