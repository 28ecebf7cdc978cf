"""Job: count the tins that have left the warehouse (docs/shop.md, "What tins that have left cause").

They count for the prizes from the day on which they left, less those that were given back since; and, once, for the
permanent tier of who referred the buyer, when nothing can be cancelled any more. Each order is a transaction of its own
that follows its rows, so that a run may come twice, late, or die anywhere.
"""

from datetime import datetime
from functools import partial
from uuid import UUID

from flask import Request, Response

from functions.sales_count import store
from shared import db, settings
from shared.comps import sales
from shared.db import Tx
from shared.job import Job
from shared.members import downline
from shared.orders import rows
from shared.orders.states import OrderKind
from shared.sweep import Sweep

COUNTED_MAX = 1_000  # orders in a minute
SETTLED_MAX = 10_000  # orders in a day

SOURCES = {OrderKind.RETAIL: "shop", OrderKind.WHOLESALE: "wholesale"}

job = Job("sales_count")


def sales_count(request: Request) -> Response:
    return job.handle(request)


@job.schedule("sweep")
def sweep(now: datetime) -> None:
    """Count what has left, and what was given back, since the last run."""
    with Sweep() as orders:
        orders.each(db.atomically(store.due, COUNTED_MAX), partial(_bring_up_to_date, now=now), str)


@job.schedule("settle")
def settle(now: datetime) -> None:
    """Count the tins of orders that left so many days ago for the members who referred the buyers."""
    before = now - db.atomically(lambda tx: settings.load(tx).shop.tins_settle)
    with Sweep() as orders:
        orders.each(db.atomically(store.unsettled, before, SETTLED_MAX), partial(_settle, now=now), str)


def _bring_up_to_date(order_id: UUID, now: datetime) -> None:
    db.atomically(_count, order_id, now)


def _count(tx: Tx, order_id: UUID, now: datetime) -> None:
    """Bring what the days' sales have of an order to what its parcels give. The days come last: they are shared."""
    order = rows.lock(tx, order_id)
    assert order is not None
    changes = store.changes(tx, order_id)
    for change in changes:
        store.note(tx, order_id, change, now)
    store.done(tx, order_id)
    for change in changes:
        sales.record(tx, change.day, SOURCES[order.kind], change.difference)


def _settle(order_id: UUID, now: datetime) -> None:
    db.atomically(_settled, order_id, now)


def _settled(tx: Tx, order_id: UUID, now: datetime) -> None:
    rows.lock(tx, order_id)
    found = store.settle(tx, order_id, now)
    if found is not None:
        downline.add_tins(tx, found.buyer_id, found.tins, f"order:{order_id}", now)
