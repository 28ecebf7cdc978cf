"""Job: compare the books with the chain, each day at 05:00 UTC and on request (docs/treasury.md).

A run is for one block that is final at every node when it begins. The Transfer logs of the treasuries' keys are read up
to it, from where the last run stopped; each is matched with the payout that it pays, exactly. What is left over on
either side is a finding: it pauses the treasury and alerts people, once. What cannot be known yet is pending and
compared again later. A repeated run finds the same.
"""

from collections import defaultdict
from datetime import datetime
from uuid import UUID

from flask import Request, Response

from functions.reconciliation import compare, records, rules, store
from functions.reconciliation.records import ChainBalance
from functions.reconciliation.rules import Result, Status
from shared import clock, db, events, log
from shared.db import Tx
from shared.events import Reconcile
from shared.job import Hopeless, Job
from shared.payouts import transfer_logs, treasuries
from shared.payouts.treasuries import Key
from shared.ports.polygon import nodes
from shared.ports.polygon.failures import ChainFailure
from shared.ports.polygon.nodes import Nodes
from shared.sweep import Sweep
from shared.values.money import Usdt

UNKNOWN = Result(Status.PENDING, Status.PENDING)

job = Job("reconciliation")


def reconciliation(request: Request) -> Response:
    return job.handle(request)


@job.schedule("daily")
def daily(now: datetime) -> None:
    """Start or continue the run of this day."""
    work(db.atomically(store.begin_daily, now.date(), now), nodes.connect())


@job.task(Reconcile)
def again(task: Reconcile, now: datetime) -> None:
    """Continue a run that was requested, or that was pending."""
    work(task.reconciliation_id, nodes.connect())


def work(run_id: UUID, asked: Nodes) -> None:
    """Compare as much as is possible now; if anything is pending, a task continues the run later. Does nothing for a
    run that is finished. Raises Hopeless for an unknown one.
    """
    run = db.atomically(store.run, run_id)
    if run is None:
        raise Hopeless("there is no such reconciliation")
    if run.finished_at:
        return
    keys = db.atomically(treasuries.keys)
    try:
        block_number = run.block_number or _begin(run_id, keys, asked)
    except ChainFailure as error:
        _end(run_id, [UNKNOWN], f"{type(error).__name__}: {error}")
        return
    if block_number is None:
        _end(run_id, [UNKNOWN], "the nodes lag behind what they have told before")
        return
    with Sweep() as sweep:
        _end(run_id, _compare_each(run_id, keys, block_number, asked, sweep), None)


def _begin(run_id: UUID, keys: list[Key], asked: Nodes) -> int | None:
    """Fix the run's block and the balances at it; None while the nodes are behind our own rows."""
    asked.require(keys[0].chain_id)
    block = asked.finalized()
    if db.atomically(store.paid_above, block.number):
        return None
    balances: defaultdict[str, Usdt] = defaultdict(lambda: Usdt(0))
    for key in keys:
        balances[key.treasury] += Usdt(asked.balance(key.token_address, key.address, block.number))

    def fix(tx: Tx) -> int:
        run = store.run(tx, run_id)
        assert run, "runs are never deleted"
        if run.block_number is None:
            store.fix_block(tx, run_id, block, balances)
        return run.block_number or block.number

    return db.atomically(fix)


def _compare_each(run_id: UUID, keys: list[Key], block_number: int, asked: Nodes, sweep: Sweep) -> list[Result]:
    """Compare each treasury; a failure of one is pending and leaves the others alone."""
    results: dict[str, Result] = {}

    def compare_one(has: ChainBalance) -> None:
        results[has.treasury] = UNKNOWN
        own = [key for key in keys if key.treasury == has.treasury]
        reasons = [reason for key in own if (reason := transfer_logs.read_up_to(key, block_number, asked))]
        if reasons:
            db.atomically(records.postpone_treasury, run_id, has.treasury, reasons[0])
        else:
            results[has.treasury] = compare.treasury(run_id, has, block_number)

    sweep.each(db.atomically(records.chain_balances, run_id), compare_one, lambda has: has.treasury)
    return list(results.values())


def _end(run_id: UUID, results: list[Result], reason: str | None) -> None:
    """Save the result. The run is finished if nothing is pending, or if it was pending for too long."""
    result = rules.overall(results)

    def end(tx: Tx) -> None:
        run, now = store.run(tx, run_id), clock.now()
        assert run, "runs are never deleted"
        pending = Status.PENDING in [it.badge for it in results]
        given_up = pending and now - run.requested_at >= rules.GIVE_UP_AFTER
        records.save(tx, run_id, result, reason, now if given_up or not pending else None)
        if given_up:
            log.error("reconciliation is given up while pending", reconciliation_id=run_id, reason=reason)
        elif pending:
            task = Reconcile(reconciliation_id=run_id)
            events.enqueue(tx, now, task, deliver_at=now + rules.LOOK_AGAIN_AFTER)

    db.atomically(end)
    log.info("reconciled", reconciliation_id=run_id, status=result.status.value, badge=result.badge.value)
