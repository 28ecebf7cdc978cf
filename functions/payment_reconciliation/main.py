"""Job: compare payments with the card provider's own list, each day at 07:00 UTC and on request (docs/shop.md).

A day's list is read page by page, from where the last reading stopped; each row is kept once, with its fee or deposit
in the ledger. The days before are read again, because rows may come late. What does not agree is a finding.
"""

from datetime import date, datetime, timedelta

from flask import Request, Response

from functions.payment_reconciliation import compare, finding_records, rules, store
from functions.payment_reconciliation.finding_records import Found
from functions.payment_reconciliation.rules import Kind
from functions.payment_reconciliation.store import Day
from shared import clock, db, events, log
from shared.db import Tx
from shared.events import ReconcilePayments
from shared.job import ComeAgain, Job
from shared.ledger import journals
from shared.orders import tasks
from shared.ports import card
from shared.ports.card import Deposit, Settled, SettledPage
from shared.ports.vendors import VendorRefused, VendorSilent
from shared.values.money import ZERO, Usdt

PAGES_MAX = 10_000

job = Job("payment_reconciliation")


def payment_reconciliation(request: Request) -> Response:
    return job.handle(request)


@job.schedule("daily")
def daily(now: datetime) -> None:
    """Queue a task for each day that is over and was not read, and for some days before it. Days that an earlier run
    has queued and nobody has read are told.
    """
    left_behind = db.atomically(store.unread)
    if left_behind:
        oldest = left_behind[0].isoformat()
        log.error("days of the card provider's list are not read", oldest=oldest, number=len(left_behind))
    db.atomically(_queue, now)


@job.task(ReconcilePayments)
def reconcile(task: ReconcilePayments, now: datetime) -> None:
    """Read the list of a day to its end, then compare. Raises ComeAgain while the provider is silent."""
    db.atomically(store.begin, task.day, clock.now())
    try:
        complete = _read(task.day)
    except VendorSilent as silent:
        raise ComeAgain(f"the payment provider does not answer: {silent}") from None
    if complete:
        log.info("payments were compared", day=task.day.isoformat(), findings=compare.everything(clock.now()))


def _queue(tx: Tx, now: datetime) -> None:
    today = now.date()
    store.begin_until(tx, today - timedelta(days=1), now)
    for day in rules.days(store.unread(tx), today):
        events.enqueue(tx, now, ReconcilePayments(day=day))


def _read(day: date) -> bool:
    """Read the day's pages, from where the last reading stopped; False if another run reads the same ones."""
    for _ in range(PAGES_MAX):
        at = db.atomically(store.day, day)
        page = _page(at)
        if not db.atomically(_keep, at, page, clock.now()):
            log.info("another run reads the same day", day=day.isoformat())
            return False
        if page.cursor is None:
            return True
    raise ComeAgain("the list of the day does not end")


def _page(at: Day) -> SettledPage:
    """The next page. A cursor that the provider does not take any more is given up: the day begins anew."""
    try:
        return card.settled(at.day, at.cursor)
    except VendorRefused as refused:
        if at.cursor is None:
            raise
        db.atomically(store.restart, at)
        raise ComeAgain(f"the payment provider refuses the page: {refused.reason}") from None


def _keep(tx: Tx, at: Day, page: SettledPage, now: datetime) -> bool:
    """Keep what is new of a page, and book it; False if another run was faster."""
    store.lock(tx)
    if not store.advance(tx, at, page.cursor, now):
        return False
    _compare_with_kept(tx, page, now)
    new = set(store.keep(tx, at.day, page.operations, now))
    for booked in page.operations:
        if booked.reference in new:
            _book(tx, booked, now)
    paid = set(store.keep_deposits(tx, page.deposits, now))
    for deposit in page.deposits:
        if deposit.reference in paid:
            _settle(tx, deposit, now)
    return True


def _compare_with_kept(tx: Tx, page: SettledPage, now: datetime) -> None:
    """Find rows of which the list says something else than before."""
    told: dict[str, Usdt] = {it.reference: it.amount - it.fee for it in page.operations}
    told |= {it.reference: it.amount for it in page.deposits}
    kept = {it.reference: it.amount for it in store.net_amounts(tx, list(told))}
    finding_records.close_unchanged(tx, [ref for ref, amount in kept.items() if amount == told[ref]], now)
    for reference, amount in kept.items():
        found = Found(Kind.BOOKING_CHANGED, reference, expected=amount, found=told[reference])
        if amount != told[reference] and finding_records.insert(tx, found, now):
            log.error("the provider's list has changed", ref=reference, expected=str(amount), found=str(found.found))


def _book(tx: Tx, booked: Settled, now: datetime) -> None:
    """Post the fee of a booking, and have the dispute looked at that it is about."""
    if booked.fee != ZERO:
        journals.move(tx, f"fee:{booked.reference}", "takings:card", "fees:card", booked.fee, now=now)
    if booked.dispute is not None:
        tasks.look_at_dispute_soon(tx, booked.dispute, now)


def _settle(tx: Tx, deposit: Deposit, now: datetime) -> None:
    """Post a deposit to our bank."""
    if deposit.amount != ZERO:
        ref = f"settlement:{deposit.reference}"
        journals.move(tx, ref, "takings:card", "bank:operating", deposit.amount, now=now)
    log.info("the provider has settled", deposit=deposit.reference, amount=str(deposit.amount))
