"""Job: divide the pool of affiliates each week, and pay what they are owed (docs/affiliates.md, "The week").

Each step is a transaction of its own, which locks the week's row and follows what it says. So a run that comes twice,
late, beside another one, or dies anywhere does nothing twice and loses nothing: the next one goes on from the row.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import partial

from flask import Request, Response

from functions.affiliate_week import payout_store, proposal_store, share_store, week_store
from functions.affiliate_week.week_store import Week
from shared import db, log
from shared.db import Tx
from shared.events import AdvanceWeek
from shared.job import Job
from shared.sweep import Sweep
from shared.values.states import WeekState

STEPS_MAX = 5_000  # of one week in one run; each takes a portion of 5,000 affiliates at most

job = Job("affiliate_week")

# What is done in each state; a step returns False when the week has to wait.
STEPS: Mapping[WeekState, Callable[[Tx, Week, datetime], bool]] = {
    WeekState.OPENED: share_store.count,
    WeekState.COUNTED: proposal_store.propose,
    WeekState.READY: proposal_store.settle,
    WeekState.APPROVED: payout_store.request_portion,
    WeekState.REQUESTED: payout_store.tell_portion,
    WeekState.TOLD: payout_store.complete,
}


def affiliate_week(request: Request) -> Response:
    return job.handle(request)


@job.schedule("sunday")
def open_weeks(now: datetime) -> None:
    """Open every week that has ended, oldest first, and take it as far as it can go."""
    go_on(now)


@job.schedule("go-on")
def go_on(now: datetime) -> None:
    """Open weeks that have ended, and take all open ones further. A week that fails does not delay the others."""
    while db.atomically(week_store.open_next, now):
        pass
    if week_store.is_closing(now):
        log.info("the weeks wait until the one that has just ended is opened")
        return
    with Sweep() as parts:
        parts.part(lambda: db.atomically(payout_store.release_cancelled, now), "cancelled payouts of affiliates")
        parts.part(lambda: db.atomically(share_store.judge_postponed, now), "chips that waited for a decision")
        for week_on in db.atomically(week_store.open_ones):
            parts.part(partial(_advance, week_on, now), f"the week of {week_on}")


@job.task(AdvanceWeek)
def advance(task: AdvanceWeek, now: datetime) -> None:
    """Take all open weeks further: people have decided about one."""
    del task
    go_on(now)


def _advance(week_on: date, now: datetime) -> None:
    for _ in range(STEPS_MAX):
        if not db.atomically(_step, week_on, now):
            return


def _step(tx: Tx, week_on: date, now: datetime) -> bool:
    week = week_store.lock(tx, week_on)
    if week is None:
        return False  # another run has it, or it is completed
    before = week.state
    moved = STEPS[before](tx, week, now)
    if moved:
        log.info("a week went on", week_on=week.week_on, state=before)
    return moved
