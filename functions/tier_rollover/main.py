"""Job: close a quarter that is over. Nobody's tier depends on it (a tier belongs to its quarter): it writes down which
tiers have ended and tells their members, once each.

A member's line, notification and mark are one transaction, so that any number of runs, at once, late or broken off,
leave the same: what held at the end of the quarter decides, not what holds when the job runs.
"""

from datetime import datetime, timedelta

from flask import Request, Response

from functions.tier_rollover import rules, store
from functions.tier_rollover.store import Open
from shared import db, log, notifications, settings, tier_history, tiers
from shared.db import Tx
from shared.job import Job
from shared.notifications import Note
from shared.tier_history import Change

GRACE = timedelta(minutes=5)  # a scan of the last second may commit that late
BATCH = 100
ROUNDS_MAX = 500

job = Job("tier_rollover")


def tier_rollover(request: Request) -> Response:
    """The function's door."""
    return job.handle(request)


@job.schedule("close")
def close(now: datetime) -> None:
    """Batch by batch until nothing is open, or until the next run."""
    closed = 0
    for _ in range(ROUNDS_MAX):
        some = db.atomically(lambda tx: _close_some(tx, now))
        if not some:
            break
        closed += some
    log.info("quarters closed", members=closed)


def _close_some(tx: Tx, now: datetime) -> int:
    """How many members that were."""
    quarter = store.oldest_open(tx, tiers.quarter_of(now - GRACE))
    if quarter is None:
        return 0
    rows = store.lock_open(tx, quarter, tiers.quarter_ends_at(quarter), BATCH)
    for row in rows:
        _end(tx, quarter, row, now)
    store.mark_closed(tx, quarter, [row.member_id for row in rows], now)
    return len(rows)


def _end(tx: Tx, quarter: str, row: Open, now: datetime) -> None:
    needed = settings.load(tx).tier_thresholds[row.tier]
    ending = rules.ending(quarter, row.tier, row.permanent_tier, needed)
    if ending is None:
        return
    ended_at = tiers.quarter_ends_at(quarter)
    change = Change(row.member_id, "ended", ending.left, ended_at, quarter=quarter, scan_count=row.scans)
    tier_history.record(tx, change)
    data = {"tier": ending.left.value, "quarter": quarter}
    note = Note(row.member_id, "system", ending.title, ending.body, data, f"tier-ended:{quarter}")
    notifications.notify(tx, note, now)
