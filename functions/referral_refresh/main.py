"""Job: keep what affiliates are shown of their referrals and of the present week (docs/affiliates.md, "Referrals").

Scans are followed by their numbers, from where the last run stopped, under one row's lock: any number of runs,
concurrent, late or killed, note each scan once. Nothing that a scan writes or locks is written here.
"""

from datetime import datetime

from flask import Request, Response

from functions.referral_refresh import store
from shared import db
from shared.db import Tx
from shared.job import Job
from shared.ledger import journals
from shared.sweep import Sweep
from shared.values.money import ZERO

SCANS_AT_ONCE = 2_000
FOLLOWED_MAX = 100  # batches of scans in one run
SHARED_POOL = "pool:affiliate"

job = Job("referral_refresh")


def referral_refresh(request: Request) -> Response:
    return job.handle(request)


@job.schedule("refresh")
def refresh(now: datetime) -> None:
    """Follow the scans, then the tiers that changed otherwise, then those who have not scanned for 30 days."""
    follow_scans(now)
    with Sweep() as parts:
        parts.part(lambda: db.atomically(store.follow_tiers, now, SCANS_AT_ONCE), "tiers that have changed")
        parts.part(lambda: db.atomically(store.lapse, now, SCANS_AT_ONCE), "referrals that have gone quiet")


def follow_scans(now: datetime) -> None:
    """Follow batch by batch until no scan is left; the next run goes on if there are more than FOLLOWED_MAX batches."""
    for _ in range(FOLLOWED_MAX):
        if not db.atomically(_follow, now):
            return


def _follow(tx: Tx, now: datetime) -> bool:
    """Follow the next batch; True if there may be more."""
    progress = store.lock_progress(tx)
    if progress is None or progress.as_of > now:
        return False  # another run has it, or was faster
    last = store.last_of_batch(tx, progress.last_number, SCANS_AT_ONCE)
    if last is None:
        last = progress.last_number
    else:
        store.note_scans(tx, progress.last_number, last, now)
    ended = store.newest_week(tx)
    is_same_week = progress.week_on == ended.next_on
    after = progress.last_number if is_same_week else ended.last_number
    chips = store.chips(tx, after, last) + (progress.scan_chips if is_same_week else 0)
    pool = max(journals.balance(tx, SHARED_POOL) - store.unshipped(tx, now), ZERO)
    store.move(tx, last, ended.next_on, chips, pool, now=now)
    return last - progress.last_number >= SCANS_AT_ONCE
