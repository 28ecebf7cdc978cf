"""Task and sweep: follow the transactions of a key until their blocks are final, then post the journal and notify the
member (docs/payouts.md).

A payout is paid only with a receipt that every node has, in a block that every node has, finalized and ten deep.
Everything else (an error, a missing receipt, a lagging node) is checked again later.
"""

from collections import Counter
from datetime import datetime, timedelta
from functools import partial

from flask import Request, Response

from functions.payout_confirm import release, store
from functions.payout_confirm.observing import observe
from shared import clock, db, log
from shared.config import Config, read
from shared.db import Tx
from shared.events import ConfirmPayouts
from shared.job import Job
from shared.payouts import machine, watch
from shared.payouts.slots import SlotState
from shared.ports.polygon import chain
from shared.ports.polygon.failures import ChainUnreachable
from shared.sweep import Sweep

NEGLECTED_AFTER = timedelta(minutes=2)
SWEPT_MAX = 100  # tasks per treasury and minute: as many as its queue dispatches

job = Job("payout_confirm")


def payout_confirm(request: Request) -> Response:
    return job.handle(request)


class ConfirmConfig(Config):
    """How often a key's transactions are checked."""

    confirm_poll_seconds: float = 5.0


@job.task(ConfirmPayouts)
def confirm(task: ConfirmPayouts, now: datetime) -> None:
    """Compare the key's nonces with the chain once, and enqueue the next task while some are open."""
    del now
    if observe(task.signer, chain.connect()):
        poll = timedelta(seconds=read(ConfirmConfig).confirm_poll_seconds)
        db.atomically(lambda tx: machine.confirm_soon(tx, task.signer, clock.now(), poll))


@job.schedule("sweep")
def sweep(now: datetime) -> None:
    """Pick up what tasks have missed: payouts and nonces without a task, keys that somebody else uses, holds whose
    cause is gone.
    """
    with Sweep() as sweep:
        sweep.part(lambda: db.atomically(_pick_up, now), "neglected payouts")
        busy = db.atomically(store.open_signers)
        sweep.each(busy, lambda it: observe(it.signer, chain.connect()), lambda it: it.signer)
        sweep.part(_watch, "keys")
        sweep.part(lambda: release.sweep(now), "holds")


def _watch() -> None:
    """Check every key, also idle ones, for transactions that are not ours, because a thief does not wait for a payout.
    After one key for which the chain does not answer, the rest is left for the next run.
    """
    try:
        with Sweep(passing=ChainUnreachable) as sweep:
            addresses = db.atomically(store.watched)
            look = partial(watch.rebuild_unless_ours, nodes=chain.connect())
            sweep.each(addresses, look, str)
    except ChainUnreachable as error:
        log.warning("the chain cannot be read", reason=str(error))


def _pick_up(tx: Tx, now: datetime) -> None:
    _make_up_tasks(tx, now)
    for busy in store.open_signers(tx):
        if busy.payout_id and busy.state == SlotState.ALLOCATED:
            machine.send_soon(tx, busy.payout_id, busy.treasury, now)


def _make_up_tasks(tx: Tx, now: datetime) -> None:
    """Enqueue tasks for payouts that wait too long; the name allows one per payout in NEGLECTED_AFTER, however often
    this runs.
    """
    period = int(now.timestamp() // NEGLECTED_AFTER.total_seconds())
    numbers: Counter[tuple[str, bool]] = Counter()
    for it in store.neglected(tx, now - NEGLECTED_AFTER, now, SWEPT_MAX):
        machine.send_soon(tx, it.payout_id, it.treasury, now, name=f"swept-{it.payout_id}-{period}")
        numbers[it.treasury, it.idle] += 1
    for (treasury, idle), number in numbers.items():
        if idle:
            log.warning("payouts were neglected", treasury=treasury, number=number)
        else:
            log.info("tasks were made up for", treasury=treasury, number=number)
