"""Tells members of their orders: a notice in the app, and a receipt by mail, which nobody can switch off."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.messages import mails, notifications
from shared.messages.mails import Letter
from shared.orders.rows import Buyer, Order
from shared.orders.states import CancelReason, number_shown
from shared.values.money import Usdt


@dataclass(frozen=True)
class _Buyer:
    email: str
    full_name: str


def confirmed(tx: Tx, order: Order, now: datetime) -> None:
    """Tell the buyer that the order is paid, and send the receipt."""
    number = number_shown(order.number)
    note = notifications.note(
        order.member_id, "order_confirmed", {"order_id": str(order.id)}, f"order-confirmed:{order.id}",
        order_number=number, total=order.total_amount,
    )  # fmt: skip
    notifications.notify(tx, note, now)
    buyer = tx.one(_Buyer, "SELECT email, full_name FROM members WHERE id = :id", id=order.member_id)
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
    letter = Letter(
        buyer.email,
        buyer.full_name,
        "order_receipt",
        {
            "name": buyer.full_name,
            "order_number": number,
            "items": items,
            "shipping": str(order.shipping_cost),
            "tax": str(order.tax_amount),
            "total": str(order.total_amount),
        },
        dedupe_key=f"order-receipt:{order.id}",
        member_id=order.member_id,
    )
    mails.queue(tx, letter, now)


def declined(tx: Tx, order: Order, payment_id: UUID, now: datetime) -> None:
    """Tell the buyer that a payment came to nothing, and that the order waits for another one."""
    note = notifications.note(
        order.member_id, "order_declined", {"order_id": str(order.id)}, f"order-declined:{payment_id}",
        order_number=number_shown(order.number),
    )  # fmt: skip
    notifications.notify(tx, note, now)


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
    note = notifications.note(
        order.member_id, code, {"order_id": str(order.id)}, f"order-cancelled:{order.id}",
        order_number=number_shown(order.number),
    )  # fmt: skip
    notifications.notify(tx, note, now)
