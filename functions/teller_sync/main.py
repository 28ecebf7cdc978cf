"""Job: read the balances of the accounts at banks (docs/treasury.md, "Accounts at banks").

Each enrollment is tried each time, whatever its state, so that no state is a trap. A try notes its moment first, and
decides about the state only while it is still the newest one: whatever was asked before an owner has reconnected or
disconnected the bank changes nothing. Old balances stay, with their age.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from flask import Request, Response

from functions.teller_sync import rules, store
from functions.teller_sync.rules import Said, Standing, Try
from functions.teller_sync.store import Connection, Enrollment, Result
from shared import clock, db, events, log
from shared.banks import enrollments
from shared.credentials import vault
from shared.db import Tx
from shared.events import SyncBank
from shared.figures import critical
from shared.job import Hopeless, Job
from shared.payouts import treasuries
from shared.payouts.treasuries import TreasuryNotice
from shared.ports import teller
from shared.ports.teller import AccountClosed, EnrollmentDisconnected, TellerBalance, TokenRefused
from shared.ports.vendors import VendorFailure, VendorMisconfigured, VendorRefused, VendorSilent
from shared.sweep import Sweep
from shared.values.incidents import Cause, CriticalKind
from shared.values.states import BankState

ERROR_LENGTH_MAX = 200

job = Job("teller_sync")


def teller_sync(request: Request) -> Response:
    return job.handle(request)


@dataclass(frozen=True)
class Begun:
    """A try that has been noted: the enrollment as it was, its token, and its accounts."""

    enrollment: Enrollment
    token: str = field(repr=False)
    connections: Sequence[Connection]
    at: datetime


@dataclass
class Heard:
    """The words of the bank about each account, and of the whole enrollment."""

    balances: list[tuple[Connection, TellerBalance, datetime]] = field(default_factory=list)
    closed: list[Connection] = field(default_factory=list)
    tries: list[Try] = field(default_factory=list)


@job.schedule("balances")
def sync_all(now: datetime) -> None:
    """Queue a task for every enrollment, and tell people when our certificate comes near its end."""
    with Sweep() as parts:
        if parts.part(lambda: db.atomically(_queue, now), "banks"):
            parts.part(lambda: _look_at_certificate(now), "our certificate")


@job.task(SyncBank)
def sync(task: SyncBank, now: datetime) -> None:
    """Read the balances of an enrollment, or tell its bank that it has ended. Raises Hopeless for an unknown one."""
    begun = db.atomically(_begin, task.enrollment_id, clock.now())
    if begun is None:
        return
    if begun.enrollment.state == BankState.DISCONNECTED:
        _end(begun, task.attempt)
        return
    db.atomically(_record, begun, _ask(begun), task.attempt)


def _queue(tx: Tx, now: datetime) -> None:
    for enrollment_id in store.with_token(tx):
        enrollments.sync_soon(tx, enrollment_id, now, name=f"bank-{enrollment_id}-{now:%Y%m%d%H}")


def _look_at_certificate(now: datetime) -> None:
    """Tell people when our certificate is near its end. Without a bank nobody needs it."""
    if not db.atomically(store.with_token):
        db.atomically(critical.settle, [CriticalKind.CERTIFICATE], [], now)
        return
    try:
        ends_at = teller.certificate_ends_at()
    except VendorMisconfigured as fault:
        log.error("Teller cannot be asked", reason=str(fault))
        return
    days = (ends_at - datetime.now(UTC)).days  # certificates end by the real clock
    log.info("the certificate for Teller is good", days=days)
    is_near = days < rules.CERTIFICATE_DAYS_MIN
    detail = f"Our certificate for Teller ends on {ends_at:%Y-%m-%d}."
    causes = [Cause(CriticalKind.CERTIFICATE, "teller", detail, now)] if is_near else []
    db.atomically(critical.settle, [CriticalKind.CERTIFICATE], causes, now)
    if is_near:
        db.atomically(_tell_of_certificate, ends_at, now)


def _tell_of_certificate(tx: Tx, ends_at: datetime, now: datetime) -> None:
    notice = TreasuryNotice(
        subject=f"The certificate for Teller ends on {ends_at:%Y-%m-%d}",
        what="After that moment no balance of a bank is read.",
        remedy='Renew it as docs/treasury.md says under "Accounts at banks".',
        dedupe_key=f"teller-certificate:{ends_at.isoformat()}:{now:%G-%V}",
    )
    treasuries.tell_admins(tx, notice, now)


def _begin(tx: Tx, enrollment_id: UUID, now: datetime) -> Begun | None:
    """Note the try, and open the token; None if there is nothing left to do."""
    found = store.lock(tx, enrollment_id)
    if found is None:
        raise Hopeless("there is no such enrollment")
    if found.sealed_token is None:
        return None
    token = vault.unseal(tx, found.sealed_token, enrollments.row_of(enrollment_id)).decode()
    store.begin(tx, enrollment_id, now)
    return Begun(found, token, store.open_connections(tx, enrollment_id), now)


def _ask(begun: Begun) -> Heard:
    """Ask for the balance of each account, until an answer is about all of them. Without an open account the list of
    accounts is asked for, which tells as much of the enrollment.
    """
    heard = Heard()
    if not begun.connections:
        try:
            teller.accounts(begun.token)
        except VendorFailure as failure:
            heard.tries.append(_understood(failure))
    for connection in begun.connections:
        try:
            told = teller.balance(begun.token, connection.teller_account_id)
        except AccountClosed:
            heard.closed.append(connection)
        except VendorFailure as failure:
            tried = _understood(failure)
            heard.tries.append(tried)
            if not isinstance(failure, VendorRefused):
                break
        else:
            heard.balances.append((connection, told, clock.now()))
    return heard


def _understood(failure: VendorFailure) -> Try:
    why = (str(failure) or type(failure).__name__)[:ERROR_LENGTH_MAX]
    if isinstance(failure, EnrollmentDisconnected):
        return Try(Said.LOST, why)
    if isinstance(failure, TokenRefused):
        return Try(Said.REFUSED, why)
    if isinstance(failure, VendorSilent):
        return Try(Said.SILENT, why, failure.retry_after_seconds)
    return Try(Said.BROKEN, why)


def _record(tx: Tx, begun: Begun, heard: Heard, attempt: int) -> None:
    """Keep what the newest try was told; an older one, or one of a bank that was disconnected since, is void."""
    now, tried = clock.now(), rules.worst(heard.tries)
    found = store.lock(tx, begun.enrollment.id)
    assert found, "enrollments are never deleted"
    if found.state == BankState.DISCONNECTED or found.last_tried_at != begun.at:
        log.info("a newer try at the bank decides", enrollment_id=found.id)
        return
    for connection, told, at in heard.balances:
        store.keep_balance(tx, connection.id, told, at)
    for connection in heard.closed:
        if store.close(tx, connection.id, now):
            log.warning("a bank has closed an account", connection_id=connection.id)
            enrollments.tell_closed(tx, connection.id, found.institution, connection.last_four, now)
    _log(found, tried)
    _finish(tx, found, tried, now)
    _come_again(tx, found, tried, attempt, now)


def _finish(tx: Tx, found: Enrollment, tried: Try, now: datetime) -> None:
    before = BankState(found.state)
    standing = rules.next_standing(Standing(before, found.refusals), tried)
    state_at = found.state_at if standing.state == before else now
    is_told = rules.is_told(before, standing.state, found.told_at, now, enrollments.TOLD_EVERY)
    if is_told:
        enrollments.tell(tx, found.id, found.institution, standing.state, state_at, now=now)
    if standing.state is BankState.NEEDS_REAUTH:
        log.error("a bank wants its owner again", enrollment_id=found.id, reason=tried.why)
    result = Result(
        state=standing.state,
        state_at=state_at,
        refusals=standing.refusals,
        error=tried.why,
        synced_at=now if tried.said is Said.TOLD else None,
        told_at=now if is_told else found.told_at,
    )
    store.finish(tx, found.id, result)


def _come_again(tx: Tx, found: Enrollment, tried: Try, attempt: int, now: datetime) -> None:
    standing = rules.next_standing(Standing(BankState(found.state), found.refusals), tried)
    after = rules.again_after(tried, attempt, standing)
    if after is not None:
        task = SyncBank(enrollment_id=found.id, attempt=attempt + 1)
        events.enqueue(tx, now, task, name=f"bank-{found.id}-{now:%Y%m%d%H%M%S%f}", deliver_at=now + after)


def _end(begun: Begun, attempt: int) -> None:
    """Tell the bank that the enrollment has ended, and forget its token once it knows."""
    try:
        teller.end(begun.token)
    except VendorFailure as failure:
        db.atomically(_not_ended, begun.enrollment, _understood(failure), attempt)
        return
    db.atomically(store.forget_token, begun.enrollment.id)
    log.info("a bank knows that it is disconnected", enrollment_id=begun.enrollment.id)


def _not_ended(tx: Tx, ended: Enrollment, tried: Try, attempt: int) -> None:
    _log(ended, tried)
    store.note_error(tx, ended.id, tried.why or tried.said)
    _come_again(tx, ended, tried, attempt, clock.now())


def _log(enrollment: Enrollment, tried: Try) -> None:
    if tried.said is Said.BROKEN:
        log.error("Teller cannot be asked", enrollment_id=enrollment.id, reason=tried.why)
    elif tried.said is not Said.TOLD:
        log.warning("a bank has not told its balances", enrollment_id=enrollment.id, reason=tried.why)
