"""Job: count scans per minute, hour and day, in the order of their numbers, from where the last run stopped.

The counts and the number up to which they go are one transaction under one row's lock: any number of runs, at once,
late or broken off, add each scan once. Nothing is counted where scans are made, so that no scan waits for it.
"""

import time
from datetime import datetime, timedelta
from functools import partial

from flask import Request, Response

from functions.scan_rollup import rules, store
from shared import clock, db
from shared.config import Config, read
from shared.db import Tx
from shared.job import Job

BATCH = 2_000
ROUNDS_MAX = 100
MINUTES_KEPT = timedelta(days=8)
PURGED_MAX = 10_000

job = Job("scan_rollup")


def scan_rollup(request: Request) -> Response:
    """The function's door."""
    return job.handle(request)


class RollupConfig(Config):
    """How fresh the live numbers are."""

    rollup_seconds: float = 2.0
    rollup_run_seconds: float = 56.0  # the schedule starts the next run each minute


@job.schedule("roll-up")
def roll_up(now: datetime) -> None:
    """Catch up every few seconds, for a minute; then forget old minutes."""
    config = read(RollupConfig)
    ends_at = time.monotonic() + config.rollup_run_seconds
    catch_up()
    while time.monotonic() + config.rollup_seconds < ends_at:
        time.sleep(config.rollup_seconds)
        catch_up()
    db.atomically(forget)


def catch_up() -> None:
    """Batch by batch until no scan is left, or until the next time."""
    for _ in range(ROUNDS_MAX):
        if not db.atomically(partial(_add_some, now=clock.now())):
            return


def forget(tx: Tx) -> None:
    """Minutes, counted back from the newest scan: while the job is behind, none is forgotten that may still grow."""
    newest_at = store.position(tx).newest_at
    if newest_at:
        store.purge_minutes(tx, rules.Period.MINUTE.start(newest_at) - MINUTES_KEPT, PURGED_MAX)


def _add_some(tx: Tx, now: datetime) -> bool:
    """Add the next batch; True when there may be more."""
    position = store.lock_position(tx)
    if position is None:
        return False
    scans = store.scans_after(tx, position.last_number, BATCH)
    if not scans:
        store.move(tx, position.last_number, position.newest_at, now)
        return False
    store.save(tx, rules.added(store.kept(tx, rules.keys_of(scans)), scans))
    more = len(scans) == BATCH
    newest_at = max(scan.scanned_at for scan in scans)
    as_of = newest_at if more else now
    store.move(tx, scans[-1].number, max(newest_at, position.newest_at or newest_at), as_of)
    return more
