"""Schedule, each minute: continue to rebuild keys from the chain, and to replace keys by the next ones.

Both can be killed anywhere and continue from the rows. docs/payouts.md describes the operator's part.
"""

from datetime import datetime
from uuid import UUID

from flask import Request, Response

from functions.payout_recover import rebuild, rotation, store
from functions.payout_recover.store import Asked
from shared import clock, db, log
from shared.job import Job
from shared.payouts import machine, recovery, slots
from shared.payouts.signing import HeldKey
from shared.payouts.slots import SignerBusy
from shared.ports.polygon import chain
from shared.ports.polygon.chain import Chain
from shared.ports.polygon.failures import ChainUnreachable
from shared.sweep import Sweep
from shared.values.states import SignerStatus

job = Job("payout_recover")


def payout_recover(request: Request) -> Response:
    return job.handle(request)


@job.schedule("go-on")
def advance(now: datetime) -> None:
    """Take one step with each key; a step that is not possible yet is tried again in a minute.

    Quarantines that two people have approved end by their evidence.
    """
    del now
    with Sweep() as sweep:
        sweep.each(db.atomically(store.agreed), _end_quarantine, lambda payout_id: payout_id)
        sweep.each(db.atomically(store.asked), _go_on_with, lambda asked: asked.address)


def _end_quarantine(payout_id: UUID) -> None:
    state = db.atomically(lambda tx: recovery.resolve(tx, payout_id, clock.now()))
    log.warning("a quarantine has ended", payout_id=payout_id, state=state.value)


def _go_on_with(asked: Asked) -> None:
    """Take one step with a key. If the key is busy or the chain does not answer, it is tried again in a minute."""
    try:
        signer = db.atomically(lambda tx: slots.take_key(tx, asked.address, clock.now()))
    except SignerBusy as busy:
        log.info("a key is busy", signer=asked.address, reason=str(busy))
        return
    try:
        treasury = db.atomically(machine.treasury_of, asked.treasury)
        _step(HeldKey(signer, treasury, chain.connect()), chain.connect())
    except ChainUnreachable as error:
        log.warning("the chain cannot be read", signer=asked.address, reason=str(error))
    finally:
        db.atomically(lambda tx: slots.release_signer(tx, signer, clock.now()))


def _step(key: HeldKey, nodes: Chain) -> None:
    nodes.require(key.treasury.chain_id)
    if key.signer.rebuild_asked_at:
        rebuild.advance(key)
    elif key.signer.status == SignerStatus.DRAINING:
        rotation.advance(key)
