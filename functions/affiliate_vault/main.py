"""Job: what becomes of vaulted chips in time (docs/affiliates.md, "Chips and the vault").

Each step is a transaction of its own over a portion, and what is done is in its rows: a run that comes twice, late,
beside another one, or dies anywhere does nothing twice, and the next one does the rest.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from flask import Request, Response

from functions.affiliate_vault import bonus_store, store
from shared import db, log
from shared.affiliates import program
from shared.db import ConstraintViolated, Tx
from shared.job import Job
from shared.messages import notifications
from shared.sweep import Sweep
from shared.values.encoding import moment
from shared.values.ids import NIL
from shared.values.programs import ProgramState

PORTIONS_MAX = 5_000  # of one part of a run; each takes a portion of 1,000

job = Job("affiliate_vault")


def affiliate_vault(request: Request) -> Response:
    return job.handle(request)


@job.schedule("hourly")
def keep(now: datetime) -> None:
    """Let chips expire, warn of those that will soon, and give the bonuses that are due. A part that fails does not
    stop the others. When the affiliate program has closed, vaulted chips are nothing any more, and stay as they are.
    """
    if db.atomically(program.find).state is not ProgramState.OPEN:
        return
    with Sweep() as parts:
        parts.part(partial(_repeat, partial(db.atomically, store.expire, now)), "vaulted chips that expire")
        parts.part(partial(_warn, now), "vaulted chips that expire soon")
        parts.part(partial(_give_bonuses, now), "the bonus of vaulted chips")


def _repeat(step: Callable[[], bool]) -> None:
    for _ in range(PORTIONS_MAX):
        if not step():
            return


def _warn(now: datetime) -> None:
    """Tell each member once a day, in one notification, of all lots that end 30 or 7 days later, or sooner if nobody
    has told them yet. A day's first run tells all that end on one day.
    """
    after = NIL
    for _ in range(PORTIONS_MAX):
        last = db.atomically(_warn_portion, after, now)
        if last is None:
            return
        after = last


def _warn_portion(tx: Tx, after: UUID, now: datetime) -> UUID | None:
    """Tell the next members, by their ids; returns the last of them, None if there is none."""
    people = store.unwarned(tx, after, now)
    if not people:
        return None
    day = now.astimezone(UTC).date()
    notes = [
        notifications.note(
            row.affiliate_id,
            "vault_expiring",
            {"expires_at": moment(row.first_at)},
            f"vault-expiring:{day}",
            chips=row.chips,
            at=row.first_at,
        )
        for row in store.note_warned(tx, people, now)
    ]
    notifications.notify_many(tx, notes, now)
    return people[-1]


def _give_bonuses(now: datetime) -> None:
    """While a week is being closed no chips move: the next run goes on."""
    try:
        _repeat(partial(db.atomically, _give_portion, now))
    except ConstraintViolated as refused:
        if refused.constraint != "week_closing":
            raise
        log.info("the bonus waits for the week that is being closed")


def _give_portion(tx: Tx, now: datetime) -> bool:
    """Give the bonus of the oldest month that is due to the next affiliates; False if there is nothing to do now.

    The bonus is active in the present week, and not vaulted: it earns none itself.
    """
    bonus_store.lock(tx, now)
    month = bonus_store.open_one(tx)
    if month is None:
        return bonus_store.open_month(tx, now)
    if bonus_store.has_unrecorded_ends(tx, month.month):
        log.info("a bonus waits for chips that have expired", month=month.month)
        return False
    last = bonus_store.give_portion(tx, month, now)
    bonus_store.note_portion(tx, month, last, now)
    return True
