"""Job: each day, create the next six months of every table that is partitioned by month, and the next weeks of those
that are partitioned by week, and drop those of which every row has been kept as long as shared/database/retention.py
says.

A row without a partition for its month goes to the table's default partition. Such rows are moved into a month of their
own and an error is logged, because it means that this job has failed unnoticed for half a year (of weeks: two months).
"""

from datetime import UTC, date, datetime
from functools import partial

from flask import Request, Response

from functions.partition_maintain import store
from shared import db, log
from shared.database.retention import PERIODS
from shared.job import Job
from shared.sweep import Sweep

MONTHS_AHEAD = 6
WEEKS_AHEAD = 9
STRANDED_MAX = 12  # months per table and run, out of the default partition

job = Job("partition_maintain")


def partition_maintain(request: Request) -> Response:
    return job.handle(request)


@job.schedule("make-months")
def make_months(now: datetime) -> None:
    """Create and drop months table by table, so that one table's failure leaves the others alone."""
    today = now.astimezone(UTC).date()
    with Sweep() as sweep:
        sweep.each(db.atomically(store.partitioned), lambda table: _make(table, today), str)
        sweep.each(store.DROPS, lambda table: _drop(table, now), lambda table: f"old months of {table}")


def _make(table: str, today: date) -> None:
    is_weekly = table in store.WEEKLY
    stranded = db.atomically(store.stranded_weeks if is_weekly else store.stranded_months, table)
    if stranded:
        log.error("rows lie in a default partition", table=table, months=[month.isoformat() for month in stranded])
    ensure, ahead = (store.ensure_weeks, WEEKS_AHEAD) if is_weekly else (store.ensure_months, MONTHS_AHEAD)
    made = sum(db.atomically(ensure, table, month, 1) for month in stranded[:STRANDED_MAX])
    made += db.atomically(ensure, table, today, ahead + 1)
    if made:
        log.info("months were made", table=table, number=made)
    db.atomically(partial(store.validate_references, table=table))


def _drop(table: str, now: datetime) -> None:
    before = now - PERIODS[table].kept
    if table == "social_messages":
        db.atomically(store.hide_messages, before)
    dropped = db.atomically(partial(store.drop_months, table=table, before=before))
    if dropped:
        log.info("old months were dropped", table=table, number=dropped)
