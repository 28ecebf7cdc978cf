"""Schedule, each minute: go on with what was asked of a key: to be rebuilt from the chain, or to make way for the next.

Both can be killed anywhere and go on from the rows. docs/payouts.md tells the operator's side.
"""

from contextlib import suppress
from datetime import datetime
from functools import partial

from flask import Request, Response

from functions.payout_recover import rebuild, rotation, store
from shared import clock, db, log, payout_recovery, payout_slots, payouts
from shared.job import Job
from shared.payout_recovery import NoEvidence
from shared.payout_signing import Key
from shared.payout_slots import SignerBusy
from shared.ports import chain
from shared.ports.chain import Chain, ChainUnreachable

job = Job("payout_recover")


def payout_recover(request: Request) -> Response:
    """The function's door."""
    return job.handle(request)


@job.schedule("go-on")
def go_on(now: datetime) -> None:
    """One step further with each key; what cannot be told now is asked again in a minute.

    And quarantines that two people have agreed to end are ended as their evidence says.
    """
    for payout_id in db.atomically(store.agreed):
        with suppress(NoEvidence):
            state = db.atomically(partial(payout_recovery.resolve, payout_id=payout_id, now=clock.now()))
            log.warning("a quarantine has ended", payout_id=payout_id, state=state.value)
    for asked in db.atomically(store.asked):
        try:
            signer = db.atomically(partial(payout_slots.take_key, address=asked.address, now=now))
        except SignerBusy as busy:
            log.info("a key is busy", signer=asked.address, reason=str(busy))
            continue
        try:
            treasury = db.atomically(partial(payouts.treasury_of, name=asked.treasury))
            _step(Key(signer, treasury, chain.connect()), chain.connect())
        except ChainUnreachable as error:
            log.warning("the chain cannot be read", signer=asked.address, reason=str(error))
        finally:
            db.atomically(partial(payout_slots.release_signer, signer=signer, now=clock.now()))


def _step(key: Key, nodes: Chain) -> None:
    nodes.require(key.treasury.chain_id)
    if key.signer.rebuild_asked_at:
        rebuild.go_on(key)
    elif key.signer.status == "draining":
        rotation.go_on(key)
