"""Job: take orders to their next state, have members' ages checked, and end what was not paid in time (docs/shop.md).

Everything follows from rows: a task that comes twice, late or never changes nothing but the moment.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from flask import Request, Response

from functions.order_advance import store
from functions.order_advance.store import Check
from shared import clock, db, log, settings
from shared.db import Tx
from shared.events import AdvanceOrder
from shared.job import Hopeless, Job
from shared.orders import addresses, machine, tasks
from shared.orders.machine import OrderUnknown
from shared.orders.states import OrderState
from shared.ports import ages
from shared.ports.ages import AgeCheck, Person
from shared.ports.vendors import VendorRefused, VendorSilent
from shared.sweep import Sweep
from shared.values.states import AgeCheckStatus

NEGLECTED_AFTER = timedelta(minutes=1)
LOOKED_AT_EVERY = timedelta(seconds=30)
SWEPT_MAX = 500

Find = Callable[[Tx, datetime, int], list[UUID]]

job = Job("order_advance")


def order_advance(request: Request) -> Response:
    return job.handle(request)


@job.task(AdvanceOrder)
def advance(task: AdvanceOrder, now: datetime) -> None:
    """Take one order as far as it can go. While it waits for the check of an age, ask the provider about that.

    Raises Hopeless for an unknown order.
    """
    try:
        order = db.atomically(lambda tx: machine.advance(tx, task.order_id, clock.now()))
    except OrderUnknown as unknown:
        raise Hopeless(str(unknown)) from None
    if order.state is OrderState.AGE_VERIFICATION and order.cancel_wanted_at is None:
        _check_age(order.id)


@job.schedule("sweep")
def sweep(now: datetime) -> None:
    """Queue tasks for orders that have run out of time, that leave, or whose task was lost."""
    neglected, unseen = now - NEGLECTED_AFTER, now - LOOKED_AT_EVERY
    with Sweep() as parts:
        parts.part(partial(_queue, store.overdue, now), "orders whose time is over")
        parts.part(partial(_queue, store.leaving, neglected), "orders that are being cancelled")
        parts.part(partial(_queue, store.forgotten, neglected), "orders without a task")
        parts.part(partial(_queue, store.unasked_payments, neglected), "payments without a task")
        parts.part(partial(_queue, store.unconfirmed, neglected), "paid invoices without a task")
        parts.part(partial(_queue, store.received, neglected), "orders paid in USDT without a task")
        parts.part(partial(_queue, store.unseen_checks, unseen), "undecided checks of ages")


def _queue(find: Find, before: datetime) -> None:
    db.atomically(_queued, find, before)


def _queued(tx: Tx, find: Find, before: datetime) -> None:
    now = clock.now()
    for order_id in find(tx, before, SWEPT_MAX):
        tasks.advance_soon(tx, order_id, now)


def _check_age(order_id: UUID) -> None:
    """Begin the check, or look at what it has come to; nothing is known while the provider does not answer."""
    check, person = db.atomically(_noted, order_id, clock.now())
    if check is None or person is None:
        return
    try:
        told = ages.look(check.reference) if check.reference else ages.begin(check.id, person)
    except VendorSilent as silent:
        log.warning("the age check does not answer", check_id=check.id, reason=str(silent))
        return
    except VendorRefused as refused:
        log.error("the age check refuses to answer", check_id=check.id, reason=refused.reason)
        return
    if told.check_id != check.id:
        log.error("the age check answers about somebody else", check_id=check.id)
        return
    db.atomically(lambda tx: _record(tx, check.id, told, clock.now()))


def _noted(tx: Tx, order_id: UUID, now: datetime) -> tuple[Check | None, Person | None]:
    """The member's undecided check, noted as looked at now, with the person."""
    check = store.pending_check(tx, order_id)
    if check is None:
        return None, None
    store.note_look(tx, check.id, now)
    return check, _person(tx, order_id, check)


def _person(tx: Tx, order_id: UUID, check: Check) -> Person:
    address = addresses.unseal(tx, order_id, check.address)
    first, _, last = address.recipient.rpartition(" ")
    return Person(
        first_name=first or last,
        last_name=last,
        address=", ".join(line for line in (address.line1, address.line2) if line),
        city=address.city,
        state=address.state,
        zip=address.zip,
        country="US",
        born_on=check.date_of_birth,
        email=check.email,
    )


def _record(tx: Tx, check_id: UUID, told: AgeCheck, now: datetime) -> None:
    """Keep what the provider says; once it has decided, the orders that wait for it go on."""
    if not store.name_check(tx, check_id, told.reference, told.url):
        return
    status = AgeCheckStatus(told.status)
    if status is AgeCheckStatus.PENDING:
        return
    valid_until = None
    if status is AgeCheckStatus.ACCEPTED:
        valid_until = now + settings.load(tx).shop.age_valid
    store.decide_check(tx, check_id, status, told.reason, now, valid_until=valid_until)
    for order_id in store.waiting_for(tx, check_id):
        tasks.advance_soon(tx, order_id, now)
