"""Job: compare the books with the chain, each day at 05:00 UTC and when asked (docs/treasury.md).

A run is of one block that is final for every node when it begins. The Transfer logs of the treasuries' keys are read up
to it, from where the last run stopped; each is tied to the payout that it pays, exactly. What is left over on either
side is a finding: it pauses the treasury and wakes people, once. What cannot be known yet is pending and looked at
again. Run twice, it finds the same.
"""

from collections import defaultdict
from datetime import datetime
from functools import partial
from uuid import UUID

from flask import Request, Response

from functions.reconciliation import compare, records, rules, scan, store
from functions.reconciliation.rules import Result, Status
from shared import clock, db, events, log, treasuries
from shared.db import Tx
from shared.events import Reconcile
from shared.job import Hopeless, Job
from shared.money import Usdt
from shared.ports import nodes
from shared.ports.nodes import NodeRefused, Nodes, NodesDiffer, NodeSilent
from shared.treasuries import Key

UNKNOWN = Result(Status.PENDING, Status.PENDING)

job = Job("reconciliation")


def reconciliation(request: Request) -> Response:
    """The function's door."""
    return job.handle(request)


@job.schedule("daily")
def daily(now: datetime) -> None:
    """The day's own run."""
    work(db.atomically(lambda tx: store.begin_daily(tx, now.date(), now)), nodes.connect())


@job.task(Reconcile)
def again(task: Reconcile, now: datetime) -> None:
    """A run that was asked for, or that was pending."""
    work(task.reconciliation_id, nodes.connect())


def work(run_id: UUID, asked: Nodes) -> None:
    """As far as it goes now; whatever is pending is looked at again in a while."""
    run = db.atomically(lambda tx: store.run(tx, run_id))
    if run is None:
        raise Hopeless("there is no such reconciliation")
    if run.finished_at:
        return
    keys = db.atomically(treasuries.keys)
    try:
        block_number = run.block_number or _begin(run_id, keys, asked)
    except (NodeSilent, NodeRefused, NodesDiffer) as error:
        _end(run_id, [UNKNOWN], f"{type(error).__name__}: {error}")
        return
    if block_number is None:
        _end(run_id, [UNKNOWN], "the nodes lag behind what they have told before")
        return
    _end(run_id, _compare_each(run_id, keys, block_number, asked), None)


def _begin(run_id: UUID, keys: list[Key], asked: Nodes) -> int | None:
    """Fix the run's block and the balances at it; None while the nodes are behind our own rows."""
    asked.require(keys[0].chain_id)
    block = asked.finalized()
    if db.atomically(lambda tx: store.paid_above(tx, block.number)):
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


def _compare_each(run_id: UUID, keys: list[Key], block_number: int, asked: Nodes) -> list[Result]:
    """Treasury by treasury: what is wrong with one keeps no other from being compared."""
    results = []
    for has in db.atomically(lambda tx: records.chain_balances(tx, run_id)):
        own = [key for key in keys if key.treasury == has.treasury]
        reasons = [reason for key in own if (reason := scan.read_up_to(key, block_number, asked))]
        if reasons:
            db.atomically(partial(records.postpone_treasury, run_id=run_id, treasury=has.treasury, reason=reasons[0]))
            results.append(UNKNOWN)
            continue
        results.append(compare.treasury(run_id, has, block_number))
    return results


def _end(run_id: UUID, results: list[Result], reason: str | None) -> None:
    """Finished when nothing is pending, or when it was pending for too long."""
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
