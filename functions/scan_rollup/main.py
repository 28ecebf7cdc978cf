"""Job: count scans per minute, hour and day, in the order of their numbers, from where the last run stopped.

The counts and the number up to which they go are one transaction under one row's lock: any number of runs, concurrent,
late or killed, add each scan once. Scans are not counted when they are made, so that no scan waits for it.
"""

import time
from datetime import datetime
from functools import partial

from flask import Request, Response

from functions.scan_rollup import rules, store
from shared import clock, db
from shared.config import Config, read
from shared.database.retention import PERIODS
from shared.db import Tx
from shared.job import Job

BATCH = 2_000
ROUNDS_MAX = 100
PURGED_MAX = 10_000

job = Job("scan_rollup")


def scan_rollup(request: Request) -> Response:
    return job.handle(request)


class RollupConfig(Config):
    """How fresh the live figures are."""

    rollup_seconds: float = 2.0
    rollup_run_seconds: float = 56.0  # the schedule starts the next run each minute


@job.schedule("roll-up")
def roll_up(now: datetime) -> None:
    """Catch up every few seconds, for a minute; then delete old minutes."""
    config = read(RollupConfig)
    ends_at = time.monotonic() + config.rollup_run_seconds
    catch_up()
    while time.monotonic() + config.rollup_seconds < ends_at and not clock.is_advancing():
        time.sleep(config.rollup_seconds)
        catch_up()
    db.atomically(forget)


def catch_up() -> None:
    """Add batch by batch until no scan is left; the next call continues if there are more than ROUNDS_MAX batches."""
    for _ in range(ROUNDS_MAX):
        if not db.atomically(partial(_add_some, now=clock.now())):
            return


def forget(tx: Tx) -> None:
    """Delete old minutes. Their age is counted back from the newest scan, so that no minute that may still grow is
    deleted.
    """
    newest_at = store.position(tx).newest_at
    if newest_at:
        store.purge_minutes(tx, rules.Period.MINUTE.start(newest_at) - PERIODS["scan_rollups"].kept, PURGED_MAX)


def _add_some(tx: Tx, now: datetime) -> bool:
    """Add the next batch; True if there may be more."""
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
