"""Job: close a quarter that is over. No tier depends on it, since a tier belongs to its quarter: it records which tiers
have ended and notifies their members, once each.

A member's history line, notification and mark are one transaction, so that any number of runs, concurrent, late or
killed, give the same result: it depends on the state at the end of the quarter, not on the state when the job runs.
"""

from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from flask import Request, Response

from functions.tier_rollover import rules, store
from functions.tier_rollover.store import Open
from shared import db, log
from shared.comps import award_inputs
from shared.db import Tx
from shared.job import Job
from shared.members import tier_history
from shared.members.tier_history import TierChange
from shared.messages import notifications
from shared.sweep import Sweep
from shared.values import tiers

GRACE = timedelta(minutes=5)  # a scan of the quarter's last second may commit that late
BATCH = 100
ROUNDS_MAX = 500

job = Job("tier_rollover")


def tier_rollover(request: Request) -> Response:
    return job.handle(request)


@job.schedule("close")
def close(now: datetime) -> None:
    """Close batch by batch until nothing is open, or until the next run. One member's failure leaves the others
    alone.
    """
    closed, failed = set[UUID](), set[UUID]()
    with Sweep() as members:
        for _ in range(ROUNDS_MAX):
            seen, done = db.atomically(partial(_close_some, members=members, skipped=list(failed), now=now))
            closed, failed = closed | done, failed | (seen - done)
            if not seen:
                break
    log.info("quarters closed", members=len(closed))


def _close_some(tx: Tx, members: Sweep, skipped: list[UUID], now: datetime) -> tuple[set[UUID], set[UUID]]:
    """Close some members; returns those that were tried, and those of them that are closed."""
    quarter = store.oldest_open(tx, tiers.quarter_of(now - GRACE), skipped)
    if quarter is None:
        return set(), set()
    rows = store.lock_open(tx, quarter, tiers.quarter_ends_at(quarter), skipped, BATCH)
    done = [row.member_id for row in rows if members.part(partial(_end_alone, tx, quarter, row, now), row.member_id)]
    store.mark_closed(tx, quarter, done, now)
    return {row.member_id for row in rows}, set(done)


def _end_alone(tx: Tx, quarter: str, row: Open, now: datetime) -> None:
    with tx.savepoint():
        _end(tx, quarter, row, now)


def _end(tx: Tx, quarter: str, row: Open, now: datetime) -> None:
    needed = award_inputs.in_force(tx).tier_thresholds[row.tier]
    ending = rules.ending(quarter, row.tier, row.permanent_tier, needed)
    if ending is None:
        return
    ended_at = tiers.quarter_ends_at(quarter)
    change = TierChange(row.member_id, "ended", ending.left, ended_at, quarter=quarter, scan_count=row.scans)
    tier_history.record(tx, change)
    data = {"tier": ending.left.value, "quarter": quarter}
    note = notifications.note(row.member_id, ending.code, data, f"tier-ended:{quarter}", **ending.values)
    notifications.notify(tx, note, now)
