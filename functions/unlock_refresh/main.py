"""Job: the tins sold per month on average, which unlock comps (docs/product.md, "Locked prizes")."""

from datetime import datetime

from flask import Request, Response

from functions.unlock_refresh import store
from shared import db
from shared.db import Tx
from shared.job import Job

job = Job("unlock_refresh")


def unlock_refresh(request: Request) -> Response:
    return job.handle(request)


@job.schedule("unlock")
def refresh(now: datetime) -> None:
    """Sum up the trailing days, today included. A late run does not overwrite the result of a newer one."""

    def work(tx: Tx) -> None:
        if store.lock(tx, now):
            store.refresh(tx, now)

    db.atomically(work)
