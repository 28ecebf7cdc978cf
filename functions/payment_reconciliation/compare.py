"""Compares our payments with the bookings that were read: in both directions, and the balances to the cent."""

from datetime import UTC, date, datetime, time, timedelta

from functions.payment_reconciliation import finding_records, rules, store
from functions.payment_reconciliation.finding_records import Found
from functions.payment_reconciliation.rules import Kind
from shared import db, log
from shared.db import Tx
from shared.values.money import ZERO

MATCH_ROUNDS_MAX = 5_000
DISPUTES_ASKED_WITHIN = timedelta(hours=1)


def everything(now: datetime) -> int:
    """Match what can be matched in batches, then judge the rest; returns the number of open findings."""
    for _ in range(MATCH_ROUNDS_MAX):
        if db.atomically(_match) < store.BOOKINGS_MATCHED_MAX:
            break
    return db.atomically(_judge, now)


def _match(tx: Tx) -> int:
    store.lock(tx)
    return store.match(tx)


def _judge(tx: Tx, now: datetime) -> int:
    store.lock(tx)
    finding_records.close_explained(tx, now)
    new = [found for found in _differences(tx, now) if finding_records.insert(tx, found, now)]
    sides = store.sides(tx)
    ref = str(sides.unexplained.micro)
    finding_records.close_balance(tx, ref, now)
    difference = Found(Kind.BALANCE_DIFFERS, ref, expected=sides.owed + sides.unexplained, found=sides.owed)
    if sides.unexplained and finding_records.insert(tx, difference, now):
        new.append(difference)
    for found in new:
        log.error(
            "payments and the provider's list differ",
            finding=found.kind.value,
            ref=found.ref,
            expected=str(found.expected),
            found=str(found.found),
        )
    return finding_records.count_open(tx)


def _differences(tx: Tx, now: datetime) -> list[Found]:
    until = store.compared_until(tx)
    found = [
        Found(kind, it.reference, expected=rules.expected(it), found=it.amount, operation_id=it.operation_id)
        for it in store.unmatched(tx, now - DISPUTES_ASKED_WITHIN)
        if (kind := rules.kind_of(it))
    ]
    if until is None:
        return found
    before = _midnight(until)
    missing = [
        Found(Kind.MISSING_BOOKING, str(it.operation_id), it.amount, ZERO, it.operation_id)
        for it in store.missing(tx, before)
    ]
    disputes = [
        Found(Kind.DISPUTE_DIFFERS, it.reference, expected=it.withdrawn, found=it.booked)
        for it in store.differing_disputes(tx, before)
    ]
    return found + missing + disputes


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
