"""Pauses a treasury whose money the token would not move."""

from dataclasses import replace

from functions.payout_send.steps import WorkerSession
from shared import clock, db
from shared.db import Tx
from shared.payouts import machine, stops
from shared.payouts.machine import Treasury

REMEDY = "Ask the token's issuer. Resume when it moves again: until then every task pauses it anew, before it signs."


def heed(shift: WorkerSession) -> WorkerSession:
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
