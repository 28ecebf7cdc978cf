"""Job: take over what the warehouse has counted, and tell people which products run low or are missing (docs/shop.md).

Both follow from rows: a run that comes twice, late, beside another one or never changes nothing but the moment.
"""

from datetime import datetime

from flask import Request, Response

from functions.inventory_sync import rules, store
from shared import clock, db, log, settings
from shared.db import ConstraintViolated, Tx
from shared.events import SyncInventory
from shared.job import ComeAgain, Job
from shared.messages import mails
from shared.messages.mails import Letter
from shared.ports import warehouse
from shared.ports.vendors import VendorRefused, VendorSilent
from shared.ports.warehouse import Counts

job = Job("inventory_sync")


def inventory_sync(request: Request) -> Response:
    return job.handle(request)


@job.task(SyncInventory)
def sync(task: SyncInventory, now: datetime) -> None:
    """Ask the warehouse after it has told of new counts. Raises ComeAgain while it does not answer."""
    _sync()


@job.schedule("hourly")
def sync_hourly(now: datetime) -> None:
    """Ask the warehouse whether it has told of new counts or not. Raises ComeAgain while it does not answer."""
    _sync()


@job.schedule("watch")
def watch(now: datetime) -> None:
    """Tell people of products that have run low or short since, and note which ones have recovered."""
    db.atomically(_watched, now)


def _sync() -> None:
    told = _asked()
    now = clock.now()
    if told.as_of > now:
        log.warning("the warehouse's clock is ahead of ours", as_of=told.as_of.isoformat())
        raise ComeAgain("the count is of a moment that has not come yet")
    try:
        counted = db.atomically(store.keep, told, rules.REASON, now)
    except ConstraintViolated as refused:
        if refused.constraint != "stock_count_old":
            raise
        raise ComeAgain("somebody has counted at this moment") from None
    _note(told, counted)
    db.atomically(_watched, now)


def _asked() -> Counts:
    """The warehouse's counts. Raises ComeAgain."""
    try:
        return warehouse.counts()
    except VendorSilent as silent:
        log.warning("the warehouse does not tell its counts", reason=str(silent))
        raise ComeAgain("the warehouse does not answer") from None
    except VendorRefused as refused:
        log.error("the warehouse refuses to tell its counts", reason=refused.reason)
        raise ComeAgain("the warehouse refuses to answer") from None


def _note(told: Counts, counted: store.Kept) -> None:
    """Log what was taken over, and which products were not: unknown to us, counted later, or not counted at all."""
    if unknown := told.counts.keys() - counted.known:
        log.warning("the warehouse counts products that we do not know", skus=sorted(unknown))
    if older := counted.known & told.counts.keys() - counted.taken:
        log.info("these products were counted later already", skus=sorted(older))
    if missing := counted.known - told.counts.keys():
        log.info("the warehouse does not count these products", skus=sorted(missing))
    log.info("the warehouse's counts are taken over", products=len(counted.taken), as_of=told.as_of.isoformat())


def _watched(tx: Tx, now: datetime) -> None:
    low_below = settings.load(tx).shop.low_below
    for recovered in store.recover(tx, rules.enough(low_below)):
        log.info("a product has recovered", sku=recovered.sku, kind=recovered.kind)
    low, short = store.cross_low(tx, low_below, now), store.cross_shortage(tx, now)
    for product in low:
        log.warning("a product runs low", sku=product.sku, sellable=product.sellable)
    for product in short:
        log.error("more tins are promised than are there", sku=product.sku, shortage=product.shortage)
    if low:
        _tell(tx, "low", rules.running_low(low, low_below), now)
    if short:
        _tell(tx, "shortage", rules.missing(short), now)


def _tell(tx: Tx, kind: str, notice: rules.Notice, now: datetime) -> None:
    """Queue a mail to everybody who may count: active operations admins and owners."""
    for person in store.admins(tx):
        key = f"stock:{kind}:{now.isoformat()}:{person.id}"
        given = {"subject": notice.subject, "what": notice.what, "remedy": notice.remedy}
        mails.queue(tx, Letter(person.email, person.full_name, "shop_notice", given, key, member_id=person.id), now)
