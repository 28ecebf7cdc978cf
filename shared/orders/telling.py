"""Tells members of their orders: a notice in the app, a receipt by mail, which nobody can switch off, and a mail for
each parcel.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.messages import mails, notifications
from shared.messages.mails import Letter
from shared.orders.refund_shares import RefundShare
from shared.orders.rows import Buyer, Order
from shared.orders.states import CancelReason, number_shown
from shared.values.money import Usdt


@dataclass(frozen=True)
class _Buyer:
    email: str
    full_name: str


@dataclass(frozen=True)
class _Parcel:
    carrier: str
    tracking_number: str


def confirmed(tx: Tx, order: Order, now: datetime) -> None:
    """Tell the buyer that the order is paid, and send the receipt."""
    note = notifications.note(
        order.member_id, "order_confirmed", {"order_id": str(order.id)}, f"order-confirmed:{order.id}",
        order_number=order.number_shown, total=order.total_amount,
    )  # fmt: skip
    notifications.notify(tx, note, now)
    items = ", ".join(
        tx.column(
            str,
            """
            SELECT item.quantity || ' x ' || item.product_name || ' ' || product.strength_mg || ' mg'
            FROM order_items item JOIN products product USING (sku) WHERE item.order_id = :id ORDER BY sku
            """,
            id=order.id,
        )
    )
    values = {
        "items": items,
        "shipping": str(order.shipping_cost),
        "tax": str(order.tax_amount),
        "total": str(order.total_amount),
    }
    _mail(tx, order, "order_receipt", f"order-receipt:{order.id}", values, now=now)


def refunded(tx: Tx, order: Order, refund_id: UUID, share: RefundShare, now: datetime) -> None:
    """Send the receipt of a refund, which corrects that of the order."""
    values = {
        "goods": str(share.goods),
        "shipping": str(share.shipping),
        "tax": str(share.tax),
        "total": str(share.amount),
    }
    _mail(tx, order, "order_refund", f"order-refund:{refund_id}", values, now=now)


def declined(tx: Tx, order: Order, payment_id: UUID, now: datetime) -> None:
    """Tell the buyer that a payment came to nothing, and that the order waits for another one."""
    _tell(tx, order, "order_declined", f"order-declined:{payment_id}", now)


def sent_back(tx: Tx, buyer: Buyer, return_id: UUID, amount: Usdt, now: datetime) -> None:
    """Tell the buyer that USDT of theirs is sent back: it came too late or twice, or was too much or too little."""
    note = notifications.note(
        buyer.member_id, "order_usdt_returned", {"order_id": str(buyer.order_id)}, f"order-usdt-returned:{return_id}",
        order_number=number_shown(buyer.number), amount=amount,
    )  # fmt: skip
    notifications.notify(tx, note, now)


def cancelled(tx: Tx, order: Order, now: datetime, *, refunded: bool) -> None:
    """Tell the buyer that the order is cancelled, and why, or that the money was paid back."""
    code = "order_refunded" if refunded else "order_cancelled"
    if order.cancel_reason is CancelReason.EXPIRED and not refunded:
        code = "order_expired"
    if order.cancel_reason is CancelReason.AGE_DENIED:
        code = "order_age_denied"
    _tell(tx, order, code, f"order-cancelled:{order.id}", now)


def shipped(tx: Tx, order: Order, parcel_id: UUID, now: datetime) -> None:
    """Tell the buyer that a parcel has left, with its tracking number and what is in it."""
    parcel = tx.one(_Parcel, "SELECT carrier, tracking_number FROM parcels WHERE id = :id", id=parcel_id)
    note = notifications.note(
        order.member_id, "order_shipped", {"order_id": str(order.id)}, f"order-shipped:{parcel_id}",
        order_number=order.number_shown, tracking_number=parcel.tracking_number, carrier=parcel.carrier,
    )  # fmt: skip
    notifications.notify(tx, note, now)
    items = ", ".join(
        tx.column(
            str,
            """
            SELECT line.tins || ' x ' || product.name || ' ' || product.strength_mg || ' mg'
            FROM parcel_lines line JOIN products product USING (sku) WHERE line.parcel_id = :id ORDER BY sku
            """,
            id=parcel_id,
        )
    )
    values = {"tracking_number": parcel.tracking_number, "carrier": parcel.carrier, "items": items}
    _mail(tx, order, "order_shipped", f"order-shipped:{parcel_id}", values, now=now)


def delivered(tx: Tx, order: Order, now: datetime) -> None:
    """Tell the buyer that the last parcel has arrived."""
    _tell(tx, order, "order_delivered", f"order-delivered:{order.id}", now)
    _mail(tx, order, "order_delivered", f"order-delivered:{order.id}", {}, now=now)


def short(tx: Tx, order: Order, refund_id: UUID, now: datetime) -> None:
    """Tell the buyer that a part of the order does not come, and what is paid back for it."""
    amount = tx.scalar(Usdt, "SELECT amount FROM refunds WHERE id = :id", id=refund_id)
    note = notifications.note(
        order.member_id, "order_short", {"order_id": str(order.id)}, f"order-short:{refund_id}",
        order_number=order.number_shown, amount=amount,
    )  # fmt: skip
    notifications.notify(tx, note, now)


def not_cancelled(tx: Tx, order: Order, now: datetime) -> None:
    """Tell the buyer that the order cannot be cancelled any more, because it has left."""
    _tell(tx, order, "order_not_cancelled", f"order-not-cancelled:{order.id}", now)


def _tell(tx: Tx, order: Order, code: str, dedupe_key: str, now: datetime) -> None:
    data = {"order_id": str(order.id)}
    note = notifications.note(order.member_id, code, data, dedupe_key, order_number=order.number_shown)
    notifications.notify(tx, note, now)


def _mail(tx: Tx, order: Order, template: str, dedupe_key: str, values: Mapping[str, str], *, now: datetime) -> None:
    buyer = tx.one(_Buyer, "SELECT email, full_name FROM members WHERE id = :id", id=order.member_id)
    parameters = {"name": buyer.full_name, "order_number": order.number_shown, **values}
    letter = Letter(buyer.email, buyer.full_name, template, parameters, dedupe_key, member_id=order.member_id)
    mails.queue(tx, letter, now)
