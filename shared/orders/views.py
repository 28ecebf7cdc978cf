"""Parts of orders and of their payments that members, wholesale accounts and admins are shown alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from pydantic import Field, InstanceOf

from shared.db import Tx
from shared.orders.states import OrderState
from shared.values.fields import Money, Reply
from shared.values.money import ZERO, Usdt
from shared.values.states import PaymentProvider, PaymentState, PaymentStatus


class TaxShare(Reply):
    """The part of the tax that a state, county, city or district takes; a rate of 0.0625 is 6.25 %."""

    name: str
    rate: InstanceOf[Decimal] = Field(json_schema_extra={"type": "number"})
    amount: Money


class OrderLine(Reply):
    """A product of an order, at the price and with the tax of its moment."""

    sku: str
    product_name: str
    quantity: int
    unit_price: Money
    line_total: Money
    tax: Money


class OrderStep(Reply):
    """A state that the order has reached. A cancelled one has a reason: member, expired, age_denied, people, short."""

    status: OrderState
    reason: str | None
    at: datetime


@dataclass(frozen=True)
class Paid:
    """The payments of an order as one: the newest says how it is paid, why it failed, and where the bank waits."""

    provider: PaymentProvider
    status: PaymentStatus
    reason: str | None
    action_url: str | None
    refunded_amount: Usdt


@dataclass(frozen=True)
class _Payment:
    provider: PaymentProvider
    state: PaymentState
    status: PaymentStatus
    refunded: Usdt
    action_url: str | None
    reason: str | None


def shares(breakdown: Sequence[Mapping[str, str | int]]) -> list[TaxShare]:
    """The jurisdictions of a stored breakdown."""
    return [
        TaxShare(name=str(part["name"]), rate=Decimal(str(part["rate"])), amount=Usdt(int(part["amount"])))
        for part in breakdown
    ]


def items(tx: Tx, order_id: UUID) -> list[OrderLine]:
    """The products of an order, by name."""
    return tx.all(
        OrderLine,
        """
        SELECT sku, product_name, quantity, unit_price, line_total, tax FROM order_items
        WHERE order_id = :order_id ORDER BY product_name, sku
        """,
        order_id=order_id,
    )


def history(tx: Tx, order_id: UUID) -> list[OrderStep]:
    """The states that an order has reached, in their order."""
    return tx.all(
        OrderStep,
        "SELECT state AS status, reason, happened_at AS at FROM order_events WHERE order_id = :order_id ORDER BY id",
        order_id=order_id,
    )


def paid(tx: Tx, order_id: UUID) -> Paid:
    """How an order is paid. Only its newest payment may have paid; earlier ones have failed."""
    payments = tx.all(
        _Payment,
        """
        SELECT provider, state, payment_word(state, amount, refunded) AS status, refunded, action_url, reason
        FROM payments WHERE order_id = :order_id ORDER BY created_at, id
        """,
        order_id=order_id,
    )
    newest = payments[-1]
    return Paid(
        provider=newest.provider,
        status=newest.status,
        reason=newest.reason,
        action_url=newest.action_url if newest.state is PaymentState.PENDING else None,
        refunded_amount=sum((each.refunded for each in payments), ZERO),
    )
