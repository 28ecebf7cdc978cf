"""Job: the tins sold per month on average, which unlock comps (plan section "Comp Unlocking")."""

from datetime import datetime

from flask import Request, Response

from functions.unlock_refresh import store
from shared import db
from shared.db import Tx
from shared.job import Job

job = Job("unlock_refresh")


def unlock_refresh(request: Request) -> Response:
    """The function's door."""
    return job.handle(request)


@job.schedule("unlock")
def refresh(now: datetime) -> None:
    """Sum up the trailing days, today included; a run that comes late changes nothing that a later one has found."""

    def work(tx: Tx) -> None:
        if store.lock(tx, now):
            store.refresh(tx, now)

    db.atomically(work)
