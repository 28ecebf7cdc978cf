"""Job: work out the figures that everybody is shown (docs/insights.md).

Each is kept with the moment of which it is true, and an older one never replaces a newer one. Scans are added in the
order of their numbers; all other facts are counted anew for today and yesterday, in place of what was there, and for
the last 35 days once a night. So any number of runs, concurrent, late or killed, count each fact once. Nothing that a
scan writes or locks is written here.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from uuid import uuid4

from flask import Request, Response

from functions.figure_rollup import (
    counts_store,
    days_store,
    documents,
    periods_store,
    public_document,
    public_store,
    quick_store,
    scans_store,
    steady_store,
    store,
    totals_store,
)
from functions.figure_rollup.store import Figure
from shared import clock, db, leases
from shared.config import Config, read
from shared.db import Tx
from shared.figures import kept
from shared.figures.names import Name
from shared.job import Job
from shared.ports import firestore
from shared.sweep import Sweep
from shared.values.periods import Interval, start_after, start_of

LEASE = "figures"
LEASE_LIFE = timedelta(seconds=30)
SCANS_AT_ONCE = 5_000
BATCHES_MAX = 40  # in one turn; the next turn continues
DAYS_ANEW = 35
LONG_PERIODS = (Interval.WEEK, Interval.MONTH)

job = Job("figure_rollup")


def figure_rollup(request: Request) -> Response:
    return job.handle(request)


class FigureConfig(Config):
    """How often figures are worked out. Each version of a document costs one read per listener: publish less often
    while they are many.
    """

    figure_pool_seconds: float = 5.0
    figure_seconds: float = 30.0
    figure_run_seconds: float = 54.0  # the schedule starts the next run each minute


@dataclass
class Shown:
    """The values that this run has published last, by the document's path."""

    values: dict[str, Mapping[str, object]] = field(default_factory=dict)


@job.schedule("figures")
def work_out(now: datetime) -> None:
    """Work figures out every few seconds, for a minute, as the only run that does, and publish what has changed."""
    config, holder, shown = read(FigureConfig), uuid4(), Shown()
    begun = time.monotonic()
    ends_at, steady_at = begun + config.figure_run_seconds, begun
    with Sweep() as parts:
        while True:
            moment = clock.now()
            if db.atomically(leases.take, LEASE, holder, moment, moment + LEASE_LIFE):
                is_steady = time.monotonic() >= steady_at
                if is_steady:
                    steady_at = time.monotonic() + config.figure_seconds
                _turn(parts, shown, is_steady=is_steady)
            if clock.is_advancing() or time.monotonic() + config.figure_pool_seconds >= ends_at:
                break
            time.sleep(config.figure_pool_seconds)
    db.atomically(leases.release, LEASE, holder, clock.now())


@job.schedule("days")
def count_days(now: datetime) -> None:
    """Count yesterday and today anew, and work out what is summed up from days."""
    count_recent(now)
    with Sweep() as parts:
        parts.part(partial(work, totals_store.figures), "sums of days")
        parts.part(lambda: db.atomically(store.keep_for_years, clock.now()), "hourly numbers")


@job.schedule("count")
def count(now: datetime) -> None:
    """Count the members and affiliates."""
    work(counts_store.figures)


@job.schedule("days-anew")
def count_anew(now: datetime) -> None:
    """Count the last 35 days anew, each in a transaction of its own: what was committed late is found."""
    today = now.astimezone(UTC).date()
    with Sweep() as parts:
        for back in reversed(range(DAYS_ANEW)):
            day = today - timedelta(days=back)
            parts.part(partial(_count_alone, day, now), day)


@job.schedule("periods")
def count_periods(now: datetime) -> None:
    """Count the weeks and months of yesterday and today anew, and those in which no run has counted."""
    today = now.astimezone(UTC).date()
    seen = min(db.atomically(_first_not_counted, today), today)
    with Sweep() as parts:
        for interval in LONG_PERIODS:
            start = start_of(interval, seen - timedelta(days=1))
            while start <= today:
                parts.part(partial(_count_period, interval, start, now), start)
                start = start_after(interval, start)
    db.atomically(periods_store.note, now)


def count_recent(now: datetime) -> None:
    """Count yesterday and today anew, and the days of which no run has counted; nothing while another run does it."""
    db.atomically(_count_recent, now)


def follow_scans() -> None:
    """Add batch by batch until no scan is left, or BATCHES_MAX batches are added."""
    for _ in range(BATCHES_MAX):
        if not db.atomically(_follow, clock.now()):
            return


def work(figures: Callable[[Tx, datetime], list[Figure]]) -> None:
    """Work out figures and keep them."""
    db.atomically(_work, figures, clock.now())


def publish_to_all(shown: Shown) -> None:
    """Write the document of the public pages if something in it has changed since this run has written it."""
    moment = clock.now()
    fields = public_document.fields(db.atomically(public_store.find, moment))
    if shown.values.get(public_document.PATH) != fields:
        firestore.put_newer([public_document.document(fields, moment)])
        shown.values[public_document.PATH] = fields


def _work(tx: Tx, figures: Callable[[Tx, datetime], list[Figure]], now: datetime) -> None:
    store.keep(tx, figures(tx, now))


def _turn(parts: Sweep, shown: Shown, *, is_steady: bool) -> None:
    parts.part(partial(work, quick_store.figures), "figures of seconds")
    parts.part(partial(_publish, shown, documents.POOLS_PATH, documents.IN_POOLS), "the document of the pools")
    if is_steady:
        parts.part(follow_scans, "scans")
        parts.part(partial(work, steady_store.figures), "figures of half minutes")
        parts.part(partial(_publish, shown, documents.FIGURES_PATH, documents.IN_FIGURES), "the other document")
        parts.part(partial(_publish, shown, documents.BANK_PATH, documents.IN_BANK), "the document of the banks")
    parts.part(partial(publish_to_all, shown), "the document of the public pages")


def _publish(shown: Shown, path: str, names: tuple[Name, ...]) -> None:
    """Write the document if one of its values has changed since this run has written it."""
    moment = clock.now()
    figures = db.atomically(kept.find, names)
    values = documents.values(figures)
    if figures and shown.values.get(path) != values:
        firestore.put_newer([documents.document(path, figures, moment)])
        shown.values[path] = values


def _follow(tx: Tx, now: datetime) -> bool:
    """Add the next batch; True if there may be more."""
    progress = scans_store.lock(tx)
    if progress is None:
        return False
    batch = scans_store.next_batch(tx, progress.last_number, SCANS_AT_ONCE)
    last, more = progress.last_number, batch.scans == SCANS_AT_ONCE
    as_of = batch.newest_at if more and batch.newest_at else now
    if batch.last_number is not None:
        last = batch.last_number
        scans_store.add(tx, progress.last_number, last, now)
        scans_store.note_scanners(tx, progress.last_number, last)
    scans_store.note_buyers(tx, progress.as_of, as_of)
    scans_store.move(tx, last, as_of)
    return more


def _count_recent(tx: Tx, now: datetime) -> None:
    as_of = days_store.lock(tx)
    if as_of is None or as_of > now:
        return  # another run has it, or was faster
    today = now.astimezone(UTC).date()
    seen = max(as_of.astimezone(UTC).date(), days_store.first_day(tx) or today)
    for back in reversed(range((today - seen).days + 2)):
        _count_all_of(tx, today - timedelta(days=back), now)
    days_store.note(tx, now)


def _count_alone(day: date, now: datetime) -> None:
    db.atomically(_count_day, day, now)


def _count_day(tx: Tx, day: date, now: datetime) -> None:
    days_store.wait(tx)
    _count_all_of(tx, day, now)


def _count_all_of(tx: Tx, day: date, now: datetime) -> None:
    days_store.count_anew(tx, day, now)
    periods_store.count_anew(tx, Interval.DAY, day, now)


def _count_period(interval: Interval, start: date, now: datetime) -> None:
    db.atomically(_count_long_period, interval, start, now)


def _first_not_counted(tx: Tx, today: date) -> date:
    """The day up to which weeks and months are counted; nothing has happened before the first member joined."""
    as_of = periods_store.counted_up_to(tx)
    return max(as_of.astimezone(UTC).date(), days_store.first_day(tx) or today)


def _count_long_period(tx: Tx, interval: Interval, start: date, now: datetime) -> None:
    periods_store.wait(tx)
    periods_store.count_anew(tx, interval, start, now)
