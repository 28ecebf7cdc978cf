"""Job: keep what affiliates are shown of their referrals and of the present week, and the figures of all affiliates
that admins are shown (docs/affiliates.md, "Referrals", "All affiliates").

Scans are followed by their numbers, from where the last run stopped, under one row's lock: any number of runs,
concurrent, late or killed, note each scan once. Nothing that a scan writes or locks is written here.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from flask import Request, Response

from functions.referral_refresh import figures_store, reviews, store
from shared import db
from shared.affiliates import pool
from shared.db import Tx
from shared.job import Job
from shared.sweep import Sweep

AT_ONCE = 2_000  # scans, tiers, referrals, changes or shares in one transaction
BATCHES_MAX = 100  # of each of them in one run

job = Job("referral_refresh")


def referral_refresh(request: Request) -> Response:
    return job.handle(request)


@job.schedule("refresh")
def refresh(now: datetime) -> None:
    """Follow the scans, then the tiers that changed otherwise, those who have not scanned for 30 days, and what else
    changes the figures of affiliates.
    """
    follow_scans(now)
    with Sweep() as parts:
        parts.part(partial(_in_batches, store.follow_tiers, now), "tiers that have changed")
        parts.part(partial(_in_batches, store.lapse, now), "referrals that have gone quiet")
        parts.part(partial(_in_batches, figures_store.add_changes, now), "referrals and earnings that are to be added")
        parts.part(partial(_in_batches, figures_store.add_shares, now), "shares that are to be added")


@job.schedule("review")
def review(now: datetime) -> None:
    """Find referrals that people should look at, and do what they have decided (docs/affiliates.md, "Rings")."""
    with Sweep() as parts:
        parts.part(partial(reviews.look, now), "referrals to be looked at")
        parts.part(partial(reviews.settle_matches, now), "matches of referrals that were looked at")


def follow_scans(now: datetime) -> None:
    """Follow batch by batch until no scan is left; the next run goes on if there are more than BATCHES_MAX batches."""
    for _ in range(BATCHES_MAX):
        if not db.atomically(_follow, now):
            return


def _in_batches(work: Callable[[Tx, datetime, int], int], now: datetime) -> None:
    """Repeat work that returns how many rows it has taken until a batch is not full."""
    for _ in range(BATCHES_MAX):
        if db.atomically(work, now, AT_ONCE) < AT_ONCE:
            return


def _follow(tx: Tx, now: datetime) -> bool:
    """Follow the next batch; True if there may be more. With the last one, or the first one of a week, the pool and the
    moved chips are summed up.
    """
    progress = store.lock_progress(tx)
    if progress is None or progress.as_of > now:
        return False  # another run has it, or was faster
    last = store.last_of_batch(tx, progress.last_number, AT_ONCE)
    if last is None:
        last = progress.last_number
    else:
        store.note_scans(tx, progress.last_number, last, now)
        figures_store.add_chips(tx, progress.last_number, last)
    ended = store.newest_week(tx)
    is_same_week = progress.week_on == ended.next_on
    after = max(progress.last_number, ended.last_number) if is_same_week else ended.last_number
    chips = store.chips(tx, after, last) + (progress.scan_chips if is_same_week else 0)
    store.move(tx, last, ended.next_on, chips)
    has_more = last - progress.last_number >= AT_ONCE
    if not has_more or not is_same_week:
        store.sum_up(tx, pool.divisible(tx, now), now)
    return has_more
