"""Orders as their members see them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from functions.orders import records, rules
from functions.orders.birth_records import Born
from functions.orders.models import (
    AgeCheckView,
    DeliveryView,
    Order,
    OrderView,
    ParcelLine,
    ParcelView,
    PaymentView,
    Receipt,
)
from functions.orders.records import OrderRow
from shared.db import Tx
from shared.orders import addresses, usdt_requests, views
from shared.orders.addresses import DeliveryAddress
from shared.orders.states import OrderState, number_shown
from shared.orders.views import OrderLine, OrderStep
from shared.values.money import ZERO
from shared.values.problems import NotFound


def summary(row: records.Summary) -> Order:
    """An order as the list shows it."""
    return Order(
        id=row.id,
        order_number=number_shown(row.number),
        status=row.state,
        total=row.total,
        placed_at=row.placed_at,
    )


def order(tx: Tx, member_id: UUID, order_id: UUID) -> OrderView:
    """The member's own order with everything around it. Raises NotFound."""
    row = _row(tx, member_id, order_id)
    return OrderView(
        id=row.id,
        order_number=number_shown(row.number),
        status=row.state,
        placed_at=row.placed_at,
        expires_at=row.expires_at,
        confirmed_at=row.confirmed_at,
        cancel_wanted=row.cancel_wanted_at is not None and row.cancel_refused_at is None,
        cancel_refused=row.cancel_refused_at is not None,
        partly_shipped=row.partly_shipped,
        parcels=_parcels(records.parcel_lines(tx, order_id)),
        items=views.items(tx, order_id),
        subtotal=row.subtotal,
        shipping=row.shipping_cost,
        tax=row.tax_amount,
        total=row.total_amount,
        shipping_address=_delivery(tx, row),
        payment=_payment(tx, row),
        age_check=records.age_check(tx, member_id, row),
        history=views.history(tx, order_id),
    )


def born(made: Born, now: datetime) -> OrderView:
    """A new order as `order` shows it, without reading it again."""
    order, lines = made.accepted, {line.sku: line for line in made.accepted.draft.wanted}
    taxes = order.quote.taxes
    return OrderView(
        id=order.id,
        order_number=number_shown(made.number),
        status=OrderState.PENDING,
        placed_at=now,
        expires_at=order.expires_at,
        confirmed_at=None,
        cancel_wanted=False,
        cancel_refused=False,
        partly_shipped=False,
        parcels=[],
        items=[
            OrderLine(
                sku=sku,
                product_name=order.draft.names[sku],
                quantity=lines[sku].quantity,
                unit_price=lines[sku].price,
                line_total=lines[sku].amount,
                tax=taxes[sku],
            )
            for sku in made.skus
        ],
        subtotal=order.sums.subtotal,
        shipping=order.sums.shipping,
        tax=order.sums.tax,
        total=order.sums.total,
        shipping_address=_shown(made.address),
        payment=PaymentView(
            provider=order.payment.provider,
            status="pending",
            reason=None,
            action_url=None,
            refunded_amount=ZERO,
            usdt=made.usdt,
        ),
        age_check=AgeCheckView(status=order.buyer.check_status, url=order.buyer.check_url)
        if order.buyer.check_status
        else None,
        history=[OrderStep(status=OrderState.PENDING, reason=None, at=now)],
    )


def receipt(tx: Tx, member_id: UUID, order_id: UUID) -> Receipt:
    """The receipt of the member's own order. Raises NotFound, OrderNotConfirmed."""
    row = _row(tx, member_id, order_id)
    if row.confirmed_at is None:
        raise rules.OrderNotConfirmed
    return Receipt(
        order_id=row.id,
        order_number=number_shown(row.number),
        confirmed_at=row.confirmed_at,
        items=views.items(tx, order_id),
        subtotal=row.subtotal,
        shipping=row.shipping_cost,
        shipping_tax=row.shipping_tax,
        tax=row.tax_amount,
        total=row.total_amount,
        breakdown=views.shares(row.tax_breakdown),
        shipping_address=_delivery(tx, row),
        provider=_payment(tx, row).provider,
        refunds=records.refunds(tx, order_id),
    )


def _row(tx: Tx, member_id: UUID, order_id: UUID) -> OrderRow:
    found = records.order(tx, member_id, order_id)
    if found is None:
        raise NotFound
    return found


def _delivery(tx: Tx, row: OrderRow) -> DeliveryView | None:
    if row.address is None:
        return None
    return _shown(addresses.unseal(tx, row.id, row.address))


def _shown(address: DeliveryAddress) -> DeliveryView:
    return DeliveryView(
        recipient=address.recipient,
        line1=address.line1,
        line2=address.line2 or None,
        city=address.city,
        state=address.state,
        zip=address.zip,
    )


def _parcels(lines: Sequence[records.Parcelled]) -> list[ParcelView]:
    """The parcels of an order, from their lines."""
    parcels: dict[UUID, ParcelView] = {}
    for line in lines:
        parcel = parcels.setdefault(
            line.parcel_id,
            ParcelView(
                carrier=line.carrier,
                tracking_number=line.tracking_number,
                status=line.status,
                shipped_at=line.shipped_at,
                delivered_at=line.delivered_at,
                items=[],
            ),
        )
        parcel.items.append(ParcelLine(sku=line.sku, quantity=line.tins))
    return list(parcels.values())


def _payment(tx: Tx, row: OrderRow) -> PaymentView:
    return PaymentView(**vars(views.paid(tx, row.id)), usdt=usdt_requests.instructions(tx, row.id, row.expires_at))
