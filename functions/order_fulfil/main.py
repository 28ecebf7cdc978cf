"""Job: have the warehouse send paid orders, and follow their parcels (docs/shop.md, "How a paid order leaves").

A fulfilment is committed as sent before the first byte goes out, under its id, which the warehouse takes once. A
missing answer decides nothing: it is looked up under the id. All else follows from what the warehouse says now.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID, uuid4

from flask import Request, Response

from functions.order_fulfil import rules, store
from functions.order_fulfil.rules import Move, Told
from functions.order_fulfil.store import Fulfilment, Silent
from shared import clock, db, log
from shared.db import Tx
from shared.events import FulfilOrder
from shared.job import Hopeless, Job
from shared.orders import addresses, fulfilments, machine, parcels, rows, tasks, telling
from shared.orders.disputes import is_disputed
from shared.orders.parcels import Departure
from shared.orders.rows import Order
from shared.ports import warehouse
from shared.ports.vendors import Address, VendorRefused, VendorSilent
from shared.ports.warehouse import Parcelled, Shipment
from shared.sweep import Sweep
from shared.values.states import FulfilmentStatus, ParcelStatus
from shared.values.vendor_times import ANSWER_EXPECTED_IN, REST_AWAITED

SWEPT_MAX = 500

job = Job("order_fulfil")


def order_fulfil(request: Request) -> Response:
    return job.handle(request)


@dataclass(frozen=True)
class Step:
    """A fulfilment with the next move. `wanted` is what is to be sent, as long as the warehouse may not know it."""

    move: Move
    fulfilment: Fulfilment
    wanted: Parcelled | None


@dataclass(frozen=True)
class Answer:
    """The warehouse's word, and how we have it: `reply` or `lookup`."""

    told: Told
    shipments: list[Shipment]
    evidence: str


@job.task(FulfilOrder)
def fulfil(task: FulfilOrder, now: datetime) -> None:
    """Ask the warehouse for one fulfilment, or for what has become of it. Raises Hopeless for an unknown one."""
    step = db.atomically(lambda tx: _begin(tx, task.fulfilment_id, clock.now()))
    if step is None:
        return
    answer = _asked(step)
    if answer is not None:
        db.atomically(lambda tx: _record(tx, task.fulfilment_id, answer, clock.now()))


@job.schedule("sweep")
def sweep(now: datetime) -> None:
    """Queue a task for what is to be looked after, give up what does not come, and mark parcels without news."""
    with Sweep() as parts:
        parts.part(lambda: db.atomically(_ask_again, now), "fulfilments to be looked after")
        parts.part(lambda: db.atomically(_give_up_rest, now), "orders whose rest does not come")
        silent = db.atomically(store.silent, now - rules.NEWS_AWAITED, now - rules.HEARD_LATELY, SWEPT_MAX)
        parts.each(silent, partial(_mark_lost, now=now), lambda parcel: parcel.id)


def _ask_again(tx: Tx, now: datetime) -> None:
    for fulfilment_id in store.due(tx, now, now + ANSWER_EXPECTED_IN, SWEPT_MAX):
        tasks.fulfil_soon(tx, fulfilment_id, now)


def _give_up_rest(tx: Tx, now: datetime) -> None:
    for fulfilment_id in store.incomplete(tx, now - REST_AWAITED, SWEPT_MAX):
        log.warning("the rest of an order does not come", fulfilment_id=fulfilment_id)
        fulfilments.want_cancelled(tx, fulfilment_id, now)


def _mark_lost(parcel: Silent, now: datetime) -> None:
    if db.atomically(store.mark_lost, parcel.id, now):
        log.error("a parcel is lost", order_id=parcel.order_id, tracking_number=parcel.tracking_number)


def _begin(tx: Tx, fulfilment_id: UUID, now: datetime) -> Step | None:
    """Decide the next move under the order's lock; what is to be submitted is marked as sent. None if there is none:
    nobody has sent this, and the order is to be cancelled, or its payment is disputed; or people send it by hand.
    """
    order, found = _locked(tx, fulfilment_id)
    if found.by_hand:
        _look_at_hand_shipment(tx, found, now)
        return None
    if found.status is FulfilmentStatus.RECORDED and order.is_leaving:
        machine.advance(tx, order.id, now)
        return None
    if found.status is FulfilmentStatus.CANCELLED and found.sent_at is None:
        return None
    if found.status is FulfilmentStatus.RECORDED and is_disputed(tx, order.id):
        store.hold(tx, fulfilment_id, now + rules.DISPUTED_PAUSE)
        return None
    move = rules.move(found.status, is_cancel_wanted=found.cancel_wanted_at is not None)
    is_asked_for = found.status in (FulfilmentStatus.RECORDED, FulfilmentStatus.SENT)
    step = Step(move, found, _wanted(tx, found) if is_asked_for else None)
    if move is Move.SUBMIT:
        store.mark_sent(tx, fulfilment_id, now, now + ANSWER_EXPECTED_IN)
    return step


def _look_at_hand_shipment(tx: Tx, found: Fulfilment, now: datetime) -> None:
    """Give up what people have not sent by hand within seven days. The warehouse is not asked: it does not know it."""
    if found.status is FulfilmentStatus.PACKED and rules.is_given_up(found.recorded_at, now):
        log.warning("the rest of an order does not come", fulfilment_id=found.id)
        fulfilments.end_by_hand(tx, found.id, FulfilmentStatus.CANCELLED, now)
        machine.advance(tx, found.order_id, now)


def _locked(tx: Tx, fulfilment_id: UUID) -> tuple[Order, Fulfilment]:
    order_id = store.order_of(tx, fulfilment_id)
    order = rows.lock(tx, order_id) if order_id else None
    if order is None:
        raise Hopeless("there is no such fulfilment")
    return order, store.fulfilment(tx, fulfilment_id)


def _wanted(tx: Tx, found: Fulfilment) -> Parcelled:
    """The goods that the warehouse is asked to send, and where to."""
    assert found.address, "an address stays until its order was delivered"
    home = addresses.unseal(tx, found.order_id, found.address)
    to = Address(street=home.line1, unit=home.line2, city=home.city, state=home.state, zip=home.zip)
    return Parcelled(home.recipient, to, store.lines(tx, found.id))


def _asked(step: Step) -> Answer | None:
    """The warehouse's answer; None if nothing is known. What it has never heard of is submitted again after a while."""
    asked = step.fulfilment
    try:
        if step.move is Move.SUBMIT:
            return _submitted(step)
        found = _looked_up(step)
        if found is not None:
            return _answer(found, "lookup")
        if asked.sent_at and step.wanted and rules.is_unheard_of(asked.sent_at, clock.now()):
            return _submitted(step)
    except VendorSilent as silent:
        log.warning("the warehouse does not answer", fulfilment_id=asked.id, reason=str(silent))
        return None
    except VendorRefused as refused:
        log.error("the warehouse refuses to answer", fulfilment_id=asked.id, reason=refused.reason)
        return None
    if asked.status is not FulfilmentStatus.SENT:
        log.error("the warehouse has forgotten an order", fulfilment_id=asked.id)
    return None


def _submitted(step: Step) -> Answer:
    """Have the warehouse send it. Its refusal is an answer. Raises VendorSilent."""
    assert step.wanted, "what is submitted has lines and an address"
    try:
        return _answer(warehouse.submit(step.fulfilment.id, step.wanted), "reply")
    except VendorRefused as refused:
        return Answer(Told(FulfilmentStatus.REFUSED, None, refused.reason), [], "reply")


def _looked_up(step: Step) -> warehouse.Fulfilment | None:
    """How far the warehouse is, after it was asked to cancel if that is wanted; None if it knows of no such order."""
    if step.move is Move.FIND:
        return warehouse.find(step.fulfilment.id)
    try:
        return warehouse.cancel(step.fulfilment.id)
    except VendorRefused as refused:
        if refused.reason != warehouse.UNKNOWN:
            raise
        return None


def _answer(found: warehouse.Fulfilment, evidence: str) -> Answer:
    return Answer(Told(FulfilmentStatus(found.status), found.reference, found.reason), found.shipments, evidence)


def _record(tx: Tx, fulfilment_id: UUID, answer: Answer, now: datetime) -> None:
    """Record the warehouse's word and its parcels, and take the order further, in one commit."""
    order, found = _locked(tx, fulfilment_id)
    status = found.status
    if rules.is_news(status, answer.told.status):
        status = answer.told.status
        store.tell(tx, fulfilment_id, answer.told, answer.evidence, now)
        _wake_people(found, answer.told)
    reached = _record_parcels(tx, order, found, answer.shipments, now)
    pause = rules.next_look(status, is_cancel_wanted=found.cancel_wanted_at is not None, parcels=reached)
    store.note_answer(tx, fulfilment_id, now, None if pause is None else now + pause)
    machine.advance(tx, order.id, now)


def _wake_people(found: Fulfilment, told: Told) -> None:
    """People decide about an order that the warehouse will not send, though nobody wants it cancelled."""
    if told.status in rules.SENT_NO_MORE and found.cancel_wanted_at is None:
        log.error(
            "the warehouse does not send an order", fulfilment_id=found.id, status=told.status, reason=told.reason
        )


def _record_parcels(
    tx: Tx, order: Order, found: Fulfilment, shipments: list[Shipment], now: datetime
) -> list[ParcelStatus]:
    """Add the parcels that are new, move those that are known, and return how far all of them are."""
    known, waiting = store.parcels(tx, found.id), parcels.open_tins(tx, order.id)
    reached = {parcel.id: parcel.status for parcel in known.values()}
    for sent in shipments:
        parcel, status = known.get((sent.carrier, sent.tracking_number)), ParcelStatus(sent.status)
        if parcel is None:
            lines = {} if found.status in rules.SENT_NO_MORE else rules.fitting(sent.lines, waiting)
            waiting = {sku: tins - lines.get(sku, 0) for sku, tins in waiting.items()}
            if lines != sent.lines:
                log.error("the warehouse has sent what no order waits for", fulfilment_id=found.id, sent=sent.lines)
            parcel_id = uuid4()
            if lines and parcels.add(tx, parcel_id, found.id, _departure(sent, lines), now):
                telling.shipped(tx, order, parcel_id, now)
                reached[parcel_id] = status
        elif parcels.is_further(parcel.status, status):
            parcels.move(tx, parcel.id, status, sent.delivered_at, now)
            reached[parcel.id] = status
    return list(reached.values())


def _departure(sent: Shipment, lines: Mapping[str, int]) -> Departure:
    """A parcel of the warehouse with those of its tins that an order waits for."""
    return Departure(
        carrier=sent.carrier,
        tracking_number=sent.tracking_number,
        status=ParcelStatus(sent.status),
        shipped_at=sent.shipped_at,
        delivered_at=sent.delivered_at,
        lines=lines,
    )
