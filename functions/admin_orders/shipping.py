"""Operations by which people send an order themselves that the warehouse does not send, and say what became of the
parcel. The warehouse is never told (docs/shop.md, "Shipping by hand").
"""

from datetime import datetime
from uuid import UUID, uuid4

from functions.admin_orders import looking, rules, store
from functions.admin_orders.common import Operations, api, locked
from functions.admin_orders.models import AdminOrderDetail, ParcelOutcome, ShipOrder
from shared.db import Tx
from shared.orders import dispatch, disputes, fulfilments, parcels, refunds, telling
from shared.orders.disputes import PaymentDisputed
from shared.orders.fulfilments import LastFulfilment
from shared.orders.parcels import Departure, Sender
from shared.orders.rows import Order
from shared.orders.states import OrderState
from shared.payouts import interests
from shared.values.money import ZERO
from shared.values.problems import NotFound, NotValid
from shared.values.states import FulfilmentStatus, ParcelStatus
from shared.web import audit
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.idempotency import IdempotencyKey

NUMBER_USED = {"field": "/tracking_number", "message": "is the number of another parcel"}


@api.post(
    "/v1/admin/orders/{order_id}/ship",
    problems=(
        rules.FulfilmentNotRefused,
        rules.OrderNotShippable,
        rules.RefundUndecided,
        PaymentDisputed,
        interests.OwnInterest,
    ),
)
def ship_order(
    tx: Tx, admin: Operations, key: IdempotencyKey, order_id: UUID, body: ShipOrder, client: Client, now: datetime
) -> AdminOrderDetail:
    """Record a parcel that people have handed to a carrier. Its tins leave the stock, the buyer is told, and the order
    goes on as by a parcel of the warehouse, in one commit.
    """
    order = locked(tx, admin, order_id)
    last = _for_people(tx, order)
    left = parcels.open_tins(tx, order_id)
    lines, faults = rules.tins_sent([(line.sku, line.tins) for line in body.tins], left)
    if faults:
        raise NotValid(errors=faults)
    fulfilment_id = last.id if last.by_hand else fulfilments.record_by_hand(tx, order_id, now)
    parcel_id, sender = uuid4(), Sender(admin.id, body.reason)
    sent = Departure(body.carrier, body.tracking_number, ParcelStatus.SHIPPED, now, None, lines=lines, sender=sender)
    if not parcels.add(tx, parcel_id, fulfilment_id, sent, now):
        raise NotValid(errors=[NUMBER_USED])
    if sum(lines.values()) == sum(left.values()):
        fulfilments.end_by_hand(tx, fulfilment_id, FulfilmentStatus.SHIPPED, now)
    telling.shipped(tx, order, parcel_id, now)
    dispatch.go_out(tx, order, now)
    changes = {"parcel_id": str(parcel_id), "tins": lines} | body.model_dump(mode="json", exclude={"tins"})
    audit.record(tx, admin, client, Action("order.ship", "order", order_id, changes), now)
    return looking.detail(tx, order_id)


@api.post(
    "/v1/admin/orders/{order_id}/parcels/{parcel_id}/outcome",
    problems=(rules.ParcelNotByHand, rules.ParcelOutcomeKnown, interests.OwnInterest),
)
def record_parcel_outcome(
    tx: Tx, admin: Operations, order_id: UUID, parcel_id: UUID, body: ParcelOutcome, client: Client, now: datetime
) -> AdminOrderDetail:
    """Record what became of a parcel that was sent by hand; the order goes on in the same commit. One that is lost may
    still arrive, and one that has arrived may come back.
    """
    order = locked(tx, admin, order_id)
    parcel = store.parcel(tx, order_id, parcel_id)
    if parcel is None:
        raise NotFound
    if not parcel.by_hand:
        raise rules.ParcelNotByHand
    outcome = ParcelStatus(body.outcome)
    if not parcels.is_further(parcel.status, outcome):
        raise rules.ParcelOutcomeKnown(parcel_status=parcel.status.value)
    parcels.move(tx, parcel_id, outcome, now if outcome is ParcelStatus.DELIVERED else None, now)
    dispatch.go_out(tx, order, now)
    changes = {"parcel_id": str(parcel_id)} | body.model_dump(mode="json")
    audit.record(tx, admin, client, Action("order.parcel_outcome", "order", order_id, changes), now)
    return looking.detail(tx, order_id)


def _for_people(tx: Tx, order: Order) -> LastFulfilment:
    """The order's last fulfilment, if people may send what is left of the order.

    Raises OrderNotShippable, PaymentDisputed, FulfilmentNotRefused, RefundUndecided.
    """
    if order.state not in (OrderState.CONFIRMED, OrderState.FULFILLED) or order.is_leaving:
        raise rules.OrderNotShippable
    disputes.refuse_disputed(tx, order.id)
    last = fulfilments.newest(tx, order.id)
    assert last, "a paid order has a fulfilment"
    if not last.is_for_people:
        raise rules.FulfilmentNotRefused(fulfilment_status=last.status.value)
    if store.refund_waits(tx, order.id):
        raise rules.RefundUndecided
    if refunds.charge(tx, order.id).left == ZERO:
        raise rules.OrderNotShippable
    return last
