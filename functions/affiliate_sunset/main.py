"""Job: judge the volume of sales, and close the program of affiliates at its end (docs/affiliates.md, "Sunset").

One transaction under the program's row: a run that comes twice, late or beside another one tells nobody twice.
"""

from datetime import UTC, datetime

from flask import Request, Response

from functions.affiliate_sunset import rules, store, telling
from shared import db, log, settings
from shared.affiliates import program
from shared.db import Tx
from shared.job import Job
from shared.values.programs import STEPS, Program, ProgramState

job = Job("affiliate_sunset")


def affiliate_sunset(request: Request) -> Response:
    return job.handle(request)


@job.schedule("judge")
def judge(now: datetime) -> None:
    """Judge the volume, a quarter of an hour apart. One that is older than an hour is not judged."""
    db.atomically(_judge, now)


def _judge(tx: Tx, now: datetime) -> None:
    found = store.lock(tx)
    if found is None:
        return  # another run has it
    volume = program.volume(tx)
    if not rules.is_fresh(volume.as_of, now):
        log.warning("the volume is too old to be judged", as_of=volume.as_of)
        return
    configured = settings.load(tx).affiliates
    step = rules.step(volume.tins_per_month, configured.sunset_volume)
    for reached in store.note_steps(tx, min(step, STEPS), volume.tins_per_month, now):
        telling.of_step(tx, reached, volume.tins_per_month, now)
    days = rules.days(found, step, now.astimezone(UTC).date())
    store.note_check(tx, step, days, now)
    if found.state is ProgramState.OPEN and days.full_days >= configured.sunset_days:
        _close(tx, found, now)


def _close(tx: Tx, found: Program, now: datetime) -> None:
    """Lock the shares and close the program, once."""
    assert found.sunset_at is None, "an open program has not been closed"
    weights = store.lock_shares(tx, now)
    store.close(tx, weights, now)
    telling.of_close(tx, now)
    log.warning("the program of affiliates has closed", weights=weights)
