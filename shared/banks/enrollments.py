"""Enrollments, which owners have connected at banks: states, the sealed token, and who is told of changes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared import events
from shared.db import Tx
from shared.events import SyncBank
from shared.payouts import treasuries
from shared.payouts.treasuries import TreasuryNotice
from shared.values.states import BankState

TOLD_EVERY = timedelta(days=7)


@dataclass(frozen=True)
class Wording:
    """The mail about a state: what has become of a bank, and what its reader should do."""

    subject: str
    what: str
    remedy: str


WORDINGS = {
    BankState.ACTIVE: Wording(
        "is connected",
        "Its balances are read every six hours, and every member sees them.",
        "If nobody knows of it, an owner ends it: DELETE /v1/admin/banks/{id}.",
    ),
    BankState.NEEDS_REAUTH: Wording(
        "wants its owner to sign in again",
        "Until then its balances get no newer; members see how old they are.",
        "An owner signs in by Teller Connect and sends the result to /v1/admin/banks/{id}/reconnect.",
    ),
    BankState.DISCONNECTED: Wording(
        "is disconnected",
        "Its balances are not read and not shown any more.",
        "If nobody knows of it, an owner connects it anew, and asks the others why.",
    ),
}


def row_of(enrollment_id: UUID) -> str:
    """The name of the row that an enrollment's sealed token is bound to."""
    return f"teller_enrollments:{enrollment_id}"


def sync_soon(tx: Tx, enrollment_id: UUID, now: datetime, *, name: str | None = None) -> None:
    """Queue a task of teller_sync for an enrollment. Two of one `name` within about a day are one task."""
    events.enqueue(tx, now, SyncBank(enrollment_id=enrollment_id, attempt=1), name=name)


def tell(tx: Tx, enrollment_id: UUID, institution: str, state: BankState, state_at: datetime, now: datetime) -> None:
    """Queue a mail to treasury admins and owners about the state that a bank is in since `state_at`: one for the
    change, and one for each full week after it.
    """
    wording = WORDINGS[state]
    weeks = (now - state_at) // TOLD_EVERY
    notice = TreasuryNotice(
        subject=f"{institution} {wording.subject}",
        what=f"{wording.what} So it is since {state_at:%Y-%m-%d %H:%M} UTC.",
        remedy=wording.remedy.format(id=enrollment_id),
        dedupe_key=f"bank:{enrollment_id}:{state}:{state_at.isoformat()}:{weeks}",
    )
    treasuries.tell_admins(tx, notice, now)


def tell_closed(tx: Tx, connection_id: UUID, institution: str, last_four: str, now: datetime) -> None:
    """Queue a mail to treasury admins and owners about an account that its bank has closed."""
    notice = TreasuryNotice(
        subject=f"{institution} has closed the account that ends in {last_four}",
        what="Its balance is not read and not shown any more.",
        remedy="Ask the bank why. An owner connects the account that replaces it: POST /v1/admin/banks/connect.",
        dedupe_key=f"bank-account-closed:{connection_id}",
    )
    treasuries.tell_admins(tx, notice, now)
