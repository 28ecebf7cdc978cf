"""Job: give the pools their shares of sales, less refunds (docs/shop.md, "What a sale gives to the pools").

Each order is a short transaction of its own, which follows the order's rows and never a message: a task that comes
twice, late, beside another one or never changes nothing but the moment.
"""

from datetime import datetime, timedelta
from uuid import UUID

from flask import Request, Response

from functions.sale_accrue import rules, store
from functions.sale_accrue.store import Accrued
from shared import clock, db, log
from shared.db import Tx
from shared.events import AccrueSale
from shared.job import Hopeless, Job
from shared.ledger import journals
from shared.orders import rows, tasks
from shared.sweep import Sweep

NEGLECTED_AFTER = timedelta(minutes=1)
SWEPT_MAX = 500

job = Job("sale_accrue")


def sale_accrue(request: Request) -> Response:
    return job.handle(request)


@job.task(AccrueSale)
def accrue(task: AccrueSale, now: datetime) -> None:
    """Bring what the pools have of one order to what it gives them. Raises Hopeless for an unknown order."""
    if not db.atomically(bring_up_to_date, task.order_id, clock.now()):
        log.warning("an order without a booked sale gives nothing yet", order_id=task.order_id)


@job.schedule("sweep")
def sweep(now: datetime) -> None:
    """Queue a task for every order of which the pools have had something else than it gives for a minute."""
    with Sweep() as parts:
        parts.part(lambda: db.atomically(_queue, now), "orders that owe the pools something")


def _queue(tx: Tx, now: datetime) -> None:
    for order_id in store.due(tx, now - NEGLECTED_AFTER, SWEPT_MAX):
        tasks.accrue_soon(tx, order_id, now)


def bring_up_to_date(tx: Tx, order_id: UUID, now: datetime) -> bool:
    """Compare the order with its last row, and post the difference; False while there is no sale.

    The journal comes last, so that the pools' balances are held for the commit alone.
    """
    if rows.lock(tx, order_id) is None:
        raise Hopeless(f"there is no order {order_id}")
    sold, before = store.sold(tx, order_id), store.last(tx, order_id)
    if sold is None:
        return False
    if before is not None and before.sold == sold:
        store.settle(tx, order_id)
        return True
    gross = rules.profit(sold)
    shares = rules.shares(gross)
    made = Accrued(sequence=before.sequence + 1 if before else 1, **vars(sold), **vars(shares))
    store.insert(tx, order_id, made, gross, now)
    store.settle(tx, order_id)
    if lines := rules.difference(before.shares if before else rules.NO_SHARES, shares):
        journals.post(tx, f"accrual:{order_id}:{made.sequence}", lines, now)
    return True
