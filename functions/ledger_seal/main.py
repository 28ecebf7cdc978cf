"""Job: each day, check that the ledger still adds up, and seal what it has recorded since the last seal.

The new seal's digest goes to the log, which cannot be changed through the database. Any fault pauses every treasury,
because payments rest on these balances (docs/treasury.md).
"""

from datetime import datetime
from functools import partial

from flask import Request, Response

from shared import db, log
from shared.db import Tx
from shared.job import Job
from shared.ledger import seals
from shared.payouts import machine, treasuries
from shared.payouts.treasuries import TREASURIES, TreasuryNotice
from shared.sweep import Sweep

SEALS_VERIFIED = 7  # the newest seals, verified each day
SEALS_AGAIN = 20  # older seals verified each day, in turn; `make ledger-check` verifies all
NAMED_MAX = 10

job = Job("ledger_seal")


def ledger_seal(request: Request) -> Response:
    return job.handle(request)


@job.schedule("daily")
def daily(now: datetime) -> None:
    """Check first, then seal, so that a fault is never sealed as if it were right."""
    if faults := check(now):
        _alarm(faults, now)
        return
    made = db.atomically(seals.seal, now)
    if made:
        log.info("the ledger is sealed", number=made.number, journals=made.journals, digest=made.digest.hex())


def check(now: datetime | None = None) -> list[str]:
    """The faults found, as sentences. With a moment it checks the postings since the last seal, the newest seals, and
    in turn the older ones, so that a day's check does not grow with the years. Without one it checks all postings and
    all seals.
    """
    newest = db.atomically(seals.newest)
    since = newest if now else None
    faults = [
        f"{it.account} is kept as {it.kept} and its postings sum to {it.recomputed}"
        for it in db.atomically(seals.differences, since)
    ]
    faults += [
        f"journal {it.journal_id} ({it.ref}) sums to {it.total}"
        for it in db.atomically(seals.unbalanced, NAMED_MAX, since)
    ]
    for after_number, limit in _ranges(newest.number if newest else 0, now):
        found = db.atomically(partial(seals.first_broken, after_number=after_number, limit=limit))
        if found:
            return [*faults, f"seal {found.number} is broken: {found.what}"]
    return faults


def _ranges(newest: int, now: datetime | None) -> list[tuple[int, int | None]]:
    """The ranges of seals to verify, each as the number before its first and its length; None for all."""
    last = max(0, newest - SEALS_VERIFIED)
    if now is None or not last:
        return [(0, None)]
    turns = -(-last // SEALS_AGAIN)
    return [(now.toordinal() % turns * SEALS_AGAIN, SEALS_AGAIN), (last, SEALS_VERIFIED)]


def _alarm(faults: list[str], now: datetime) -> None:
    log.error("the ledger does not add up", faults=faults[:NAMED_MAX], number=len(faults))
    reason = f"the ledger does not add up: {faults[0]}"[:200]
    with Sweep() as sweep:
        sweep.each(TREASURIES, lambda name: db.atomically(machine.pause, name, reason, now), str)
        sweep.part(lambda: db.atomically(_tell, faults, now), "mails")


def _tell(tx: Tx, faults: list[str], now: datetime) -> None:
    notice = TreasuryNotice(
        subject="Every treasury is paused: the ledger does not add up",
        what=f"{len(faults)} faults, the first: {faults[0]}.",
        remedy="Run make ledger-check, compare with the last backup, and resume nothing before it is understood.",
        dedupe_key=f"ledger-broken:{now.date()}",
    )
    treasuries.tell_admins(tx, notice, now)
