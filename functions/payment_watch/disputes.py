"""Disputes of card payments: the provider is asked what they have come to, and what it has taken for them is booked.

An answer is recorded with the moment at which it was asked for, so that an older one that comes late changes nothing.
"""

from datetime import datetime, timedelta
from functools import partial

from functions.payment_watch import dispute_records, dispute_shares
from functions.payment_watch.dispute_records import Known
from shared import clock, db, log
from shared.db import Tx
from shared.job import ComeAgain, Hopeless
from shared.ledger import journals
from shared.orders import fulfilments, machine, rows, tasks
from shared.orders.disputes import is_disputed
from shared.orders.rows import Order
from shared.orders.states import OrderState
from shared.ports import card
from shared.ports.card import Dispute
from shared.ports.vendors import VendorSilent
from shared.sweep import Sweep
from shared.values.money import ZERO
from shared.values.states import FULFILMENT_ENDS, DisputeState, FulfilmentStatus

CHANGED_WITHIN = timedelta(days=30)
SEEN_WITHIN = timedelta(hours=20)
PAGES_MAX = 100
UNDECIDED_MAX = 500


def look(reference: str) -> None:
    """Ask for one dispute and record it. Raises ComeAgain while the provider is silent, Hopeless for an unknown one."""
    asked_at = clock.now()
    try:
        told = card.dispute(reference)
    except VendorSilent as silent:
        raise ComeAgain(f"the payment provider does not answer: {silent}") from None
    if told is None:
        raise Hopeless("the payment provider knows no such dispute")
    db.atomically(lambda tx: record(tx, told, asked_at, clock.now()))


def look_at_all() -> None:
    """Record what has changed within a month, and have the undecided ones looked at that are not among it. People are
    told when the list goes on after PAGES_MAX pages.
    """
    began = clock.now()
    with Sweep(passing=VendorSilent) as sweep:
        cursor = None
        for _ in range(PAGES_MAX):
            asked_at = clock.now()
            page = card.disputes(began - CHANGED_WITHIN, cursor)
            for told in page.disputes:
                sweep.part(partial(db.atomically, record, told, asked_at, clock.now()), told.reference)
            cursor = page.cursor
            if cursor is None:
                break
        else:
            log.error("more disputes have changed than are read at once", pages=PAGES_MAX)
        sweep.part(partial(db.atomically, _queue_unseen, began), "undecided disputes")


def _queue_unseen(tx: Tx, began: datetime) -> None:
    for reference in dispute_records.undecided(tx, began - SEEN_WITHIN, UNDECIDED_MAX):
        tasks.look_at_dispute_soon(tx, reference, began)


def record(tx: Tx, told: Dispute, asked_at: datetime, now: datetime) -> None:
    """Record what the provider said at that moment, book the money, and take the order further, in one commit."""
    disputed = dispute_records.of_capture(tx, told.key) if told.key else None
    order = rows.lock(tx, disputed.order_id) if disputed else None
    if disputed is None or order is None:
        log.error("a dispute is about no payment of ours", dispute=told.reference, amount=str(told.amount))
        return
    if order.confirmed_at is None and not order.is_leaving:
        order = machine.advance(tx, order.id, now)  # who was charged is confirmed first
    before = dispute_records.known(tx, told.reference)
    if before and before.looked_at > asked_at:
        return
    dispute = before or dispute_records.insert(tx, disputed.payment_id, told, asked_at, now)
    if before:
        dispute_records.update(tx, dispute.id, told, asked_at, now)
    is_moved = told.withdrawn != dispute.withdrawn
    if is_moved:
        _move(tx, order, dispute, told, now)
    is_changed = before is None or before.state != told.state
    if is_changed:
        _tell(order, told)
    if is_changed or is_moved:
        _stop(tx, order, now)
        machine.advance(tx, order.id, now)


def _move(tx: Tx, order: Order, dispute: Known, told: Dispute, now: datetime) -> None:
    """Book the difference between what the provider has taken now and what it had before."""
    had = dispute_records.taken(tx, dispute.id)
    moved = dispute_shares.taken(dispute_records.left(tx, order.id) + had, told.withdrawn) + -had
    number = dispute_records.move(tx, dispute.id, moved, now)
    lines = {
        "takings:card": -moved.amount,
        "turnover:shop": moved.goods,
        "shipping:shop": moved.shipping,
        "sales_tax:shop": moved.tax,
        "excess:disputes": moved.excess,
    }
    posted = {account: amount for account, amount in lines.items() if amount}
    journals.post(tx, f"dispute:{dispute.id}:{number}", posted, now)
    tasks.accrue_soon(tx, order.id, now)
    if moved.excess > ZERO:
        log.error("a dispute takes more than the order has left", order_id=order.id, dispute=told.reference)
    if moved.amount < ZERO and order.state is OrderState.CANCELLED:
        log.error("a dispute of a cancelled order was won", order_id=order.id, dispute=told.reference)


def _stop(tx: Tx, order: Order, now: datetime) -> None:
    """Have the warehouse stop what has not left of a disputed order. What was not sent to the warehouse waits there by
    itself, and `machine.advance` sends again what was stopped, once the order is disputed no more. Nobody sends
    anything of it by hand meanwhile.
    """
    last = fulfilments.newest(tx, order.id)
    if last is None or last.by_hand or last.status is FulfilmentStatus.RECORDED or last.status in FULFILMENT_ENDS:
        return
    if is_disputed(tx, order.id):
        fulfilments.want_cancelled(tx, last.id, now)


def _tell(order: Order, told: Dispute) -> None:
    """Tell people of a new dispute, and of each change of its state."""
    what = {"order_id": order.id, "dispute": told.reference, "amount": str(told.amount), "reason": told.reason}
    due = told.evidence_by.isoformat() if told.evidence_by else None
    if told.state in (DisputeState.INQUIRY, DisputeState.OPEN):
        log.error("a payment is disputed", state=told.state, evidence_by=due, **what)
    elif told.state is DisputeState.LOST:
        log.warning("a dispute is lost", **what)
    else:
        log.info("a dispute is won", **what)
