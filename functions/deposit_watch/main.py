"""Job: find what buyers have sent in USDT, book it, and send back what is owed to them (docs/shop.md, "USDT").

Each step goes on from rows: transfers that were read, deposits whose order is known, refunds that were recorded. So a
run may die anywhere, come twice, or run beside another one; and what the chain does not tell now holds up nothing else.
"""

from datetime import datetime
from uuid import UUID

from flask import Request, Response

from functions.deposit_watch import reading, rules, store
from functions.deposit_watch.rules import Arrival
from functions.deposit_watch.store import Named, Owed, Return
from shared import clock, db, log
from shared.db import Tx
from shared.events import WatchDeposits
from shared.job import Job
from shared.ledger import journals
from shared.orders import books, tasks, usdt
from shared.orders.rows import Buyer
from shared.payouts import machine, treasuries
from shared.payouts.states import Promise
from shared.payouts.treasuries import TreasuryNotice
from shared.ports.polygon import nodes
from shared.ports.polygon.failures import ChainFailure
from shared.sweep import Sweep
from shared.values.states import PaymentState

SWEPT_MAX = 200  # of each step in one run
SOURCE = "refund"

job = Job("deposit_watch")


def deposit_watch(request: Request) -> Response:
    return job.handle(request)


@job.task(WatchDeposits)
def watch(task: WatchDeposits, now: datetime) -> None:
    """Do every step once; while a buyer is awaited, another task follows in ten seconds."""
    del task, now
    _work()


@job.schedule("sweep")
def sweep(now: datetime) -> None:
    """Do every step once, also while nobody is awaited: money may come at any time."""
    del now
    _work()


def _work() -> None:
    with Sweep() as parts:
        parts.part(_read, "the chain")
        parts.each(db.atomically(store.unbooked, SWEPT_MAX), _book_one, lambda it: it.id)
        parts.each(db.atomically(store.unpromised, SWEPT_MAX), _promise_one, lambda it: it.id)
        parts.each(db.atomically(store.paid_returns, SWEPT_MAX), _end_one, lambda it: it.id)
        parts.part(lambda: db.atomically(_settle_orders), "refunds that have ended")
        parts.part(lambda: db.atomically(_come_again), "the next look")


def _read() -> None:
    """Read the chain, and find out whose the new transfers are. Without an answer it is tried again later."""
    try:
        final = reading.read(nodes.connect())
    except ChainFailure as failure:
        log.warning("the chain cannot be read for deposits", reason=str(failure))
        return
    with Sweep() as parts:
        parts.each(db.atomically(store.arrivals, final, SWEPT_MAX), _find_one, lambda it: it.transaction_hash)


def _find_one(came: Arrival) -> None:
    db.atomically(lambda tx: _find(tx, came, clock.now()))


def _find(tx: Tx, came: Arrival, now: datetime) -> None:
    """Record a transfer as a deposit for the request that it fits; one that fits none is for people."""
    found = rules.match(came, store.asked_for(tx, came, now))
    identity = store.insert(tx, came, found, now)
    if identity is None or found is not None:
        return
    log.error("a deposit belongs to no order", deposit_id=identity, amount=str(came.amount), hash=came.transaction_hash)
    notice = TreasuryNotice(
        subject=f"{came.amount} USDT came to the shop, and nobody knows for which order",
        what=f"{came.sender} sent {came.amount} USDT in transaction {came.transaction_hash}.",
        remedy="Look at GET /v1/admin/deposits; assign it to an order that waits, or send it back.",
        dedupe_key=f"deposit-unmatched:{identity}",
    )
    treasuries.tell_admins(tx, notice, now)


def _book_one(known: Named) -> None:
    db.atomically(lambda tx: _book(tx, known, clock.now()))


def _book(tx: Tx, known: Named, now: datetime) -> None:
    """Count a deposit for its order, or send it back if the order waits for none any more; a task takes the order
    further.
    """
    asked, deposit = usdt.lock(tx, known.payment_id), store.deposit(tx, known.id)
    if deposit.booked_at is not None:
        return  # another run has booked it
    ref = f"deposit:{deposit.transaction_hash}:{deposit.log_index}"
    journals.move(tx, ref, "takings:usdt", "external:shop", deposit.amount, now=now)
    store.book(tx, deposit.id, "returned" if asked.closed_at else "counted", now)
    if asked.closed_at:
        buyer = Buyer(known.order_id, known.number, known.member_id)
        reason: usdt.ReturnReason = "duplicate" if deposit.payment_state is PaymentState.CAPTURED else "late"
        usdt.send_back(tx, buyer, known.payment_id, deposit.amount, reason, now=now)
    tasks.advance_soon(tx, known.order_id, now)


def _promise_one(owed: Owed) -> None:
    db.atomically(lambda tx: _promise(tx, owed, clock.now()))


def _promise(tx: Tx, owed: Owed, now: datetime) -> UUID:
    """Promise a refund or return as a payout to the buyer's wallet; one that is promised stays as it is."""
    promise = Promise(
        treasury=reading.TREASURY,
        source_kind=SOURCE,
        source_id=str(owed.id),
        recipient_address=owed.refund_to,
        amount=owed.amount,
        member_id=owed.member_id,
        scope=SOURCE,
        idempotency_key=str(owed.id),
    )
    return machine.request(tx, promise, now)


def _end_one(paid: Return) -> None:
    db.atomically(lambda tx: _end(tx, paid, clock.now()))


def _end(tx: Tx, paid: Return, now: datetime) -> None:
    """Book a return that was paid; a task takes the order further."""
    usdt.lock(tx, paid.payment_id)
    if not store.is_unpaid(tx, paid.id):
        return  # another run has booked it
    books.book_returned(tx, "return", paid.id, paid.amount, now)
    store.end_return(tx, paid.id, now)
    tasks.advance_soon(tx, paid.order_id, now)


def _settle_orders(tx: Tx) -> None:
    for order_id in store.orders_refunded(tx, SWEPT_MAX):
        tasks.advance_soon(tx, order_id, clock.now())


def _come_again(tx: Tx) -> None:
    if store.open_requests(tx):
        tasks.watch_deposits(tx, clock.now(), again=True)
