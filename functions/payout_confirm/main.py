"""Task and sweep: follow the transactions of a key until their blocks are final, then post and tell (docs/payouts.md).

Only a receipt that every node has, in a block that every node has, finalized and ten deep, makes a payout paid.
Everything else (an error, a missing receipt, a lagging node) means: look again later.
"""

from datetime import datetime, timedelta

from flask import Request, Response

from functions.payout_confirm import release, store
from functions.payout_confirm.looking import look_at
from shared import clock, db, log, payout_queue, payout_watch, payouts
from shared.config import Config, read
from shared.db import Tx
from shared.events import ConfirmPayouts
from shared.job import Job
from shared.ports import chain
from shared.ports.chain import ChainUnreachable

NEGLECTED_AFTER = timedelta(minutes=2)
SWEPT_MAX = 100  # tasks per treasury and minute: as many as its queue lets go

job = Job("payout_confirm")


def payout_confirm(request: Request) -> Response:
    """The function's door."""
    return job.handle(request)


class ConfirmConfig(Config):
    """How often a key's transactions are looked at."""

    confirm_poll_seconds: float = 5.0


@job.task(ConfirmPayouts)
def confirm(task: ConfirmPayouts, now: datetime) -> None:
    """Look once; have it looked at again while something is open."""
    del now
    if look_at(task.signer, chain.connect()):
        poll = timedelta(seconds=read(ConfirmConfig).confirm_poll_seconds)
        db.atomically(lambda tx: payouts.confirm_soon(tx, task.signer, clock.now(), poll))


@job.schedule("sweep")
def sweep(now: datetime) -> None:
    """What fell through: payouts at which nobody works, nonces that nobody follows, keys that others use, holds whose
    cause is gone.
    """
    db.atomically(lambda tx: _pick_up(tx, now))
    for busy in db.atomically(payout_queue.open_signers):
        look_at(busy.signer, chain.connect())
    _watch()
    release.sweep(now)


def _watch() -> None:
    """Also keys that rest: a thief waits for no payout."""
    for key in db.atomically(store.watched):
        try:
            payout_watch.rebuild_unless_ours(key.address, chain.connect())
        except ChainUnreachable as error:  # nor for the next key: each would wait as long
            log.warning("the chain cannot be read", signer=key.address, reason=str(error))
            return


def _pick_up(tx: Tx, now: datetime) -> None:
    for idle in payout_queue.neglected(tx, now - NEGLECTED_AFTER, now, SWEPT_MAX):
        log.warning("a payout was neglected", payout_id=idle.payout_id, treasury=idle.treasury)
        payouts.send_soon(tx, idle.payout_id, idle.treasury, now)
    for busy in payout_queue.open_signers(tx):
        if busy.payout_id and busy.state == "ALLOCATED":
            payouts.send_soon(tx, busy.payout_id, busy.treasury, now)
