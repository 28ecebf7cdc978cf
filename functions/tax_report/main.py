"""Job: report sales and refunds to the tax service, each once by our id (docs/shop.md, "Tax reports").

A report is committed as sent before it goes out. While the service does not answer, nothing is known: it is looked up
under its id, and sent again under the same id if the service has never heard of it.
"""

from datetime import datetime, timedelta
from uuid import UUID

from flask import Request, Response

from functions.tax_report import store
from functions.tax_report.store import Report
from shared import clock, db, log
from shared.db import Tx
from shared.events import ReportTax
from shared.job import Hopeless, Job
from shared.orders import addresses, tasks
from shared.ports import tax
from shared.ports.tax import TaxedRefund, TaxedSale
from shared.ports.vendors import Address, VendorRefused, VendorSilent
from shared.sweep import Sweep
from shared.values.states import TaxReportStatus

TRIED_AGAIN_AFTER = timedelta(minutes=10)
REFUSED_PAUSE = timedelta(hours=24)
NEGLECTED_AFTER = timedelta(hours=24)
SWEPT_MAX = 500

job = Job("tax_report")


def tax_report(request: Request) -> Response:
    return job.handle(request)


@job.task(ReportTax)
def report(task: ReportTax, now: datetime) -> None:
    """Report one sale or refund, unless it is done. Raises Hopeless for an unknown one."""
    transaction = db.atomically(_begin, task.transaction_id, clock.now())
    if transaction is None:
        return
    try:
        reference = tax.report(task.transaction_id, transaction)
    except VendorSilent as silent:
        log.warning("the tax service does not answer a report", transaction_id=task.transaction_id, reason=str(silent))
        return
    except VendorRefused as refused:
        db.atomically(_refused, task.transaction_id, refused.reason, clock.now())
        return
    db.atomically(store.finish, task.transaction_id, reference, clock.now())


@job.schedule("sweep")
def sweep(now: datetime) -> None:
    """Queue a task for everything that is not reported, and tell people of what has waited for a day."""
    with Sweep() as parts:
        parts.part(lambda: db.atomically(_queue, now), "transactions that are not reported")
        parts.part(lambda: db.atomically(_tell, now), "transactions that were not reported for a day")


def _queue(tx: Tx, now: datetime) -> None:
    for transaction_id in store.due(tx, now, now + TRIED_AGAIN_AFTER, SWEPT_MAX):
        tasks.report_tax_soon(tx, transaction_id, now)


def _tell(tx: Tx, now: datetime) -> None:
    neglected = store.count_open(tx, now - NEGLECTED_AFTER)
    if neglected:
        log.error("transactions are not reported to the tax service", number=neglected)


def _begin(tx: Tx, transaction_id: UUID, now: datetime) -> TaxedSale | TaxedRefund | None:
    """The transaction, noted as sent; None if it is reported, or if it is a refund whose sale is not reported yet."""
    found = store.lock(tx, transaction_id)
    if found is None:
        raise Hopeless("there is no such sale or refund")
    if found.status is TaxReportStatus.DONE:
        return None
    if found.refund_id is not None and not found.sale_is_done:
        return None  # the sweep comes again
    store.mark_sent(tx, transaction_id, now, now + TRIED_AGAIN_AFTER)
    return _refund(tx, found) if found.refund_id else _sale(tx, found)


def _sale(tx: Tx, found: Report) -> TaxedSale:
    items, charged = store.items(tx, found.order_id), store.charged(tx, found.order_id)
    return TaxedSale(
        at=found.recorded_at,
        lines=[item.line for item in items],
        taxes={item.sku: item.tax for item in items},
        shipping=charged.shipping,
        shipping_tax=charged.shipping_tax,
        address=_address(tx, found.order_id),
    )


def _refund(tx: Tx, found: Report) -> TaxedRefund:
    assert found.refund_id, "a refund has an id"
    items, given = store.refunded_items(tx, found.refund_id), store.refunded(tx, found.refund_id)
    return TaxedRefund(
        of=found.order_id,
        at=found.recorded_at,
        lines=[item.line for item in items],
        taxes={item.sku: item.tax for item in items},
        shipping=given.shipping,
        shipping_tax=given.shipping_tax,
    )


def _address(tx: Tx, order_id: UUID) -> Address:
    """Where the order went. Once the address was removed, state and ZIP code are left."""
    to = store.destination(tx, order_id)
    if to.address is None:
        return Address("", "", "", to.ship_state, to.ship_zip)
    sent = addresses.unseal(tx, order_id, to.address)
    return Address(sent.line1, sent.line2, sent.city, sent.state, sent.zip)


def _refused(tx: Tx, transaction_id: UUID, reason: str, now: datetime) -> None:
    log.error("the tax service refuses a transaction", transaction_id=transaction_id, reason=reason)
    store.refuse(tx, transaction_id, reason, now + REFUSED_PAUSE)
