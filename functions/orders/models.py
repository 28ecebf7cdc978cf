"""Requests and replies of the function `orders`. Amounts are USD."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, StringConstraints

from shared.orders.choices import OrderPayment
from shared.orders.refunds import RefundReason
from shared.orders.states import OrderState
from shared.orders.usdt_requests import UsdtInstructions
from shared.orders.views import OrderLine, OrderStep, TaxShare
from shared.values import typed
from shared.values.fields import LINE, Body, Money, Reply
from shared.values.states import AgeCheckStatus, ParcelStatus, PaymentStatus

AddressLine = Annotated[str, StringConstraints(min_length=1, max_length=100), LINE]


class ShippingAddress(Body):
    """Where the parcel goes, within the United States. It is addressed to the member, whose age is checked."""

    line1: AddressLine
    line2: AddressLine | None = None
    city: AddressLine
    state: Annotated[str, StringConstraints(max_length=typed.TYPED_MAX), AfterValidator(typed.state_code)]
    zip: Annotated[str, StringConstraints(max_length=typed.TYPED_MAX), AfterValidator(typed.zip_code)]


class TaxQuestion(Body):
    """The address for which the tax of the open cart is asked."""

    shipping_address: ShippingAddress


Provider = Literal["card", "usdt"]


class OrderRequest(Body):
    """An order of what is in the open cart. `expected_total` is the sum that the member has seen and agrees to;
    `cart_id` may name the cart, which is then ordered or nothing.
    """

    shipping_address: ShippingAddress
    payment: OrderPayment
    expected_total: Money
    cart_id: UUID | None = None


class TaxedLine(Reply):
    """A product of the cart with its tax."""

    sku: str
    quantity: int
    unit_price: Money
    line_total: Money
    tax: Money


class TaxEstimate(Reply):
    """The sums of the cart at that address. An order before `expires_at` costs the same, as long as neither the
    cart nor a price changes.
    """

    cart_id: UUID
    revision: int
    items: list[TaxedLine]
    subtotal: Money
    shipping: Money
    shipping_tax: Money
    tax: Money
    total: Money
    breakdown: list[TaxShare]
    expires_at: datetime


class Order(Reply):
    """An order of the shop; `total` is in USD."""

    id: UUID
    order_number: str
    status: OrderState
    total: Money
    placed_at: datetime


class DeliveryView(Reply):
    """Where the parcel goes."""

    recipient: str
    line1: str
    line2: str | None
    city: str
    state: str
    zip: str


class PaymentView(Reply):
    """How the order is paid. `failed`: the last card was declined, or nothing was taken; `reason` says why. While the
    bank wants to see the member, `action_url` is its page; while USDT is awaited, `usdt` says what to send.
    """

    provider: Provider
    status: PaymentStatus
    reason: str | None
    action_url: str | None
    refunded_amount: Money
    usdt: UsdtInstructions | None


class AgeCheckView(Reply):
    """The check of the member's age; `url` is where the member proves more, if that is asked for."""

    status: AgeCheckStatus
    url: str | None


class ParcelLine(Reply):
    """A product in a parcel."""

    sku: str
    quantity: int


class ParcelView(Reply):
    """A parcel of an order that has left the warehouse. `lost`: there was no news of it for 14 days; it may still
    arrive.
    """

    carrier: str
    tracking_number: str
    status: ParcelStatus
    shipped_at: datetime
    delivered_at: datetime | None
    items: list[ParcelLine]


class OrderView(Reply):
    """An order with its sums, payment, age check, parcels and history. Until it is confirmed, it ends at `expires_at`;
    one with `cancel_wanted` is cancelled as soon as it holds no money and has not left; `cancel_refused` says that it
    had. The address is null once it was removed.
    """

    id: UUID
    order_number: str
    status: OrderState
    placed_at: datetime
    expires_at: datetime
    confirmed_at: datetime | None
    cancel_wanted: bool
    cancel_refused: bool
    partly_shipped: bool
    parcels: list[ParcelView]
    items: list[OrderLine]
    subtotal: Money
    shipping: Money
    tax: Money
    total: Money
    shipping_address: DeliveryView | None
    payment: PaymentView
    age_check: AgeCheckView | None
    history: list[OrderStep]


class RefundedItem(Reply):
    """The part of a line that a refund gives back. An amount names no tins: they stay bought."""

    sku: str
    product_name: str
    tins: int
    goods: Money
    tax: Money


class RefundLine(Reply):
    """A refund, which corrects the receipt: goods, shipping and tax, and its part of each line. `paid_at` is null while
    nobody has paid it.
    """

    id: UUID
    reason: RefundReason
    items: list[RefundedItem]
    goods: Money
    shipping: Money
    tax: Money
    amount: Money
    recorded_at: datetime
    paid_at: datetime | None


class Receipt(Reply):
    """The receipt of a paid order, with everything that was paid back since."""

    order_id: UUID
    order_number: str
    confirmed_at: datetime
    items: list[OrderLine]
    subtotal: Money
    shipping: Money
    shipping_tax: Money
    tax: Money
    total: Money
    breakdown: list[TaxShare]
    shipping_address: DeliveryView | None
    provider: Provider
    refunds: list[RefundLine]
