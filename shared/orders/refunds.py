"""Refunds: what is given back of an order is recorded, booked as a debt, and paid by an operation of its payment.

The caller has locked the order. A refund counts from its record on, for the pools and for what is left of the order;
the provider's word only ends the debt.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from shared.db import Tx
from shared.ledger import journals
from shared.orders import operations, refund_shares, tasks, telling
from shared.orders.refund_shares import Charge, ChargedLine, RefundShare
from shared.orders.rows import Order, Payment
from shared.values.money import Usdt
from shared.values.states import PaymentProvider


class RefundReason(StrEnum):
    """The values of `refunds.reason`. Tins that are refunded as `cancelled` or `short` never leave the warehouse."""

    CANCELLED = "cancelled"
    SHORT = "short"
    FAULTY = "faulty"
    LOST = "lost"
    RETURNED = "returned"
    GOODWILL = "goodwill"


@dataclass(frozen=True)
class _Shipping:
    shipping: Usdt
    shipping_tax: Usdt


@dataclass(frozen=True)
class _DisputedShares:
    goods: Usdt
    shipping: Usdt
    tax: Usdt


def refund_tins(
    tx: Tx, order: Order, payment: Payment, tins: Mapping[str, int], reason: RefundReason, now: datetime
) -> UUID:
    """Refund so many tins of each product, with their tax; returns the refund's id. Raises MoreThanLeft."""
    return record(tx, order, payment, refund_shares.of_tins(charge(tx, order.id), tins), reason, now=now)


def refund_rest(tx: Tx, order: Order, payment: Payment, reason: RefundReason, now: datetime) -> UUID | None:
    """Refund everything that is left of the order; returns the refund's id, or None if nothing is left."""
    share = refund_shares.of_rest(charge(tx, order.id))
    return record(tx, order, payment, share, reason, now=now) if share else None


def charge(tx: Tx, order_id: UUID) -> Charge:
    """The order's charges, with what was given back of them, and without what disputes have taken."""
    disputed = tx.one(
        _DisputedShares, "SELECT goods, shipping, tax FROM order_disputed(CAST(:order_id AS uuid))", order_id=order_id
    )
    charged = _charged(tx, order_id)
    if not disputed.goods + disputed.shipping + disputed.tax:
        return charged
    return refund_shares.without_disputed(charged, goods=disputed.goods, shipping=disputed.shipping, tax=disputed.tax)


def _charged(tx: Tx, order_id: UUID) -> Charge:
    shipping = tx.one(
        _Shipping,
        """
        SELECT shipping_cost - CAST(coalesce(sum(refunds.shipping), 0) AS bigint) AS shipping,
               orders.shipping_tax - CAST(coalesce(sum(refunds.shipping_tax), 0) AS bigint) AS shipping_tax
        FROM orders LEFT JOIN refunds ON refunds.order_id = orders.id WHERE orders.id = :order_id GROUP BY orders.id
        """,
        order_id=order_id,
    )
    return Charge(_lines(tx, order_id), shipping.shipping, shipping.shipping_tax)


def _lines(tx: Tx, order_id: UUID) -> list[ChargedLine]:
    return tx.all(
        ChargedLine,
        """
        SELECT item.sku, item.quantity, item.line_total AS goods, item.tax, item.refunded AS tins_back,
               CAST(coalesce(sum(line.goods) FILTER (WHERE line.tins > 0), 0) AS bigint) AS tins_goods,
               CAST(coalesce(sum(line.tax) FILTER (WHERE line.tins > 0), 0) AS bigint) AS tins_tax,
               CAST(coalesce(sum(line.goods) FILTER (WHERE line.tins = 0), 0) AS bigint) AS lowered_goods,
               CAST(coalesce(sum(line.tax) FILTER (WHERE line.tins = 0), 0) AS bigint) AS lowered_tax
        FROM order_items item
        LEFT JOIN refunds ON refunds.order_id = item.order_id
        LEFT JOIN refund_lines line ON line.refund_id = refunds.id AND line.sku = item.sku
        WHERE item.order_id = :order_id GROUP BY item.order_id, item.sku ORDER BY item.sku
        """,
        order_id=order_id,
    )


def record(
    tx: Tx, order: Order, payment: Payment, share: RefundShare, reason: RefundReason, *, now: datetime,
    refund_id: UUID | None = None,
) -> UUID:  # fmt: skip
    """Record a refund of that share, which is owed from now on, and have the payment's provider pay it."""
    identity = refund_id or uuid4()
    lines = {
        "turnover:shop": share.goods,
        "shipping:shop": share.shipping,
        "sales_tax:shop": share.tax,
        "owed:refunds": -share.amount,
    }
    journals.post(tx, f"refund:{identity}", {account: amount for account, amount in lines.items() if amount}, now)
    _pay_back(tx, payment, identity, share.amount, now)
    _insert(tx, identity, order.id, share, reason, now=now)
    telling.refunded(tx, order, identity, share, now)
    tasks.accrue_soon(tx, order.id, now)
    return identity


def _pay_back(tx: Tx, payment: Payment, refund_id: UUID, amount: Usdt, now: datetime) -> None:
    """Have the money paid back: a card's provider does it when it is asked, an invoice people pay back at the
    bank, and USDT goes by a payout.
    """
    is_asked = payment.provider is not PaymentProvider.INVOICE
    operations.record(tx, payment.id, "refund", amount, now, operation_id=refund_id, asked=is_asked)


def _insert(tx: Tx, refund_id: UUID, order_id: UUID, share: RefundShare, reason: RefundReason, now: datetime) -> None:
    tx.run(
        """
        INSERT INTO refunds (id, order_id, tins, goods, shipping, shipping_tax, tax, amount, reason, recorded_at)
        VALUES (:id, :order_id, :tins, :goods, :shipping, :shipping_tax, :tax, :amount, :reason, :now)
        """,
        id=refund_id,
        order_id=order_id,
        tins=share.tins,
        goods=share.goods,
        shipping=share.shipping,
        shipping_tax=share.shipping_tax,
        tax=share.tax,
        amount=share.amount,
        reason=reason.value,
        now=now,
    )
    tx.run(
        """
        INSERT INTO refund_lines (refund_id, sku, tins, goods, tax)
        SELECT :id, sku, tins, goods, tax
        FROM unnest(CAST(:skus AS text[]), CAST(:tins AS integer[]), CAST(:goods AS bigint[]), CAST(:taxes AS bigint[]))
             AS given (sku, tins, goods, tax)
        """,
        id=refund_id,
        skus=[line.sku for line in share.lines],
        tins=[line.tins for line in share.lines],
        goods=[line.goods.micro for line in share.lines],
        taxes=[line.tax.micro for line in share.lines],
    )
