"""Task: open a vote with its electors, or close it with its outcome (docs/votes.md). Schedule: find what no task did.

An open vote has a task for its end; a vote of more than 29 days, and one whose task was lost, waits for the sweep.
"""

from datetime import datetime
from uuid import UUID

from flask import Request, Response

from functions.governance_close import store, tending
from shared import db
from shared.job import ComeAgain, Job
from shared.social.events import TendVote
from shared.sweep import Sweep

job = Job("governance_close")


def governance_close(request: Request) -> Response:
    return job.handle(request)


@job.task(TendVote)
def tend(task: TendVote, now: datetime) -> None:
    """Open the vote, or close it. Raises ComeAgain when its end has not come, or another run is at it. Harmless twice,
    and late.
    """
    if not db.atomically(tending.tend, task.vote_id):
        raise ComeAgain("the vote is open, or another run is at it")


@job.schedule("sweep")
def sweep(now: datetime) -> None:
    """Open and close all votes whose time has come, but those that another run is at."""

    def tend_one(vote_id: UUID) -> None:
        db.atomically(tending.tend, vote_id)

    with Sweep() as parts:
        parts.each(db.atomically(store.waiting, now), tend_one, str)
