"""Job: each day, close what the ledger has taken since the last seal, and check that it still adds up.

The new seal's digest goes into the log, which nobody who changes the database can change with it. What does not hold
stops every treasury: payments rest on these balances (docs/treasury.md).
"""

from datetime import datetime

from flask import Request, Response

from shared import db, ledger_seals, log, payouts, treasuries
from shared.db import Tx
from shared.job import Job
from shared.treasuries import TREASURIES, Notice

SEALS_VERIFIED = 7  # each day the last of them; `make ledger-check` verifies all
NAMED_MAX = 10

job = Job("ledger_seal")


def ledger_seal(request: Request) -> Response:
    """The function's door."""
    return job.handle(request)


@job.schedule("daily")
def daily(now: datetime) -> None:
    """Look first, then close: what is wrong is not sealed as if it were right."""
    if faults := check():
        db.atomically(lambda tx: _alarm(tx, faults, now))
        return
    made = db.atomically(lambda tx: ledger_seals.seal(tx, now))
    if made:
        log.info("the ledger is sealed", number=made.number, journals=made.journals, digest=made.digest.hex())


def check(seals: int | None = SEALS_VERIFIED) -> list[str]:
    """What does not hold, in sentences: balances, journals, the last seals (None: all of them)."""
    faults = [
        f"{it.account} is kept as {it.kept} and its postings sum to {it.recomputed}"
        for it in db.atomically(ledger_seals.differences)
    ]
    faults += [
        f"journal {it.journal_id} ({it.ref}) sums to {it.total}"
        for it in db.atomically(lambda tx: ledger_seals.unbalanced(tx, NAMED_MAX))
    ]
    found = db.atomically(lambda tx: ledger_seals.first_broken(tx, seals))
    return faults + ([f"seal {found.number} is broken: {found.what}"] if found else [])


def _alarm(tx: Tx, faults: list[str], now: datetime) -> None:
    log.error("the ledger does not add up", faults=faults[:NAMED_MAX], number=len(faults))
    for name in TREASURIES:
        payouts.pause(tx, name, f"the ledger does not add up: {faults[0]}"[:200], now)
    notice = Notice(
        subject="Every treasury is paused: the ledger does not add up",
        what=f"{len(faults)} faults, the first: {faults[0]}.",
        remedy="Run make ledger-check, compare with the last backup, and resume nothing before it is understood.",
        dedupe_key=f"ledger-broken:{now.date()}",
    )
    treasuries.tell_admins(tx, notice, now)
