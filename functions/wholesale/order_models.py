"""Requests and replies of wholesale orders. Amounts are USD."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, InstanceOf

from functions.wholesale.common import BusinessAddress, WholesaleAddress
from functions.wholesale.order_rules import LINES_MAX, TINS_MAX, PaymentWord
from shared.orders.states import OrderState
from shared.values.fields import Body, Money, Reply, Shape, Sku
from shared.values.states import PaymentProvider

CardToken = Annotated[str, Shape(r"^[!-~]{1,200}$", "a token of the card's provider")]


class WholesaleItem(Body):
    """Tins of a product: at least `tins_min`, in steps of `tins_step`, as the list of products says."""

    sku: Sku
    quantity: Annotated[int, Field(ge=1, le=TINS_MAX)]


class WholesaleQuestion(Body):
    """Goods whose price and tax are asked; without an address they go to that of the business."""

    items: Annotated[list[WholesaleItem], Field(min_length=1, max_length=LINES_MAX)]
    delivery_address: BusinessAddress | None = None


class CardPayment(Body):
    """A card, by the token that its provider gave the app."""

    provider: Literal["card"]
    token: CardToken


class PaymentChoice(Body):
    """A card, by the token that its provider gave the app, or an invoice, which is paid by a transfer to our bank
    before it is due.
    """

    provider: Literal["card", "invoice"]
    token: CardToken | None = None


class WholesaleOrderRequest(Body):
    """An order. `expected_total` is the sum that the member has seen and agrees to. Without an address the goods go to
    that of the business.
    """

    items: Annotated[list[WholesaleItem], Field(min_length=1, max_length=LINES_MAX)]
    delivery_address: BusinessAddress | None = None
    payment: PaymentChoice
    expected_total: Money


class TaxShare(Reply):
    """The part of the tax that a state, county, city or district takes; a rate of 0.0625 is 6.25 %."""

    name: str
    rate: InstanceOf[Decimal] = Field(json_schema_extra={"type": "number"})
    amount: Money


class WholesaleLine(Reply):
    """A product of an order, at the price and with the tax of its moment."""

    sku: str
    product_name: str
    quantity: int
    unit_price: Money
    line_total: Money
    tax: Money


class WholesaleEstimate(Reply):
    """The sums of the goods at that address. `is_exempt`: a resale certificate frees them from the state's tax. An
    order before `expires_at` costs the same, unless a price changes; without a tax nothing expires.
    """

    items: list[WholesaleLine]
    tins: int
    subtotal: Money
    tax: Money
    total: Money
    is_exempt: bool
    breakdown: list[TaxShare]
    expires_at: datetime | None


class WholesaleOrder(Reply):
    """An order of a wholesale account."""

    id: UUID
    order_number: str
    status: OrderState
    tins: int
    total: Money
    placed_at: datetime


class OrderStep(Reply):
    """A state that the order has reached; a cancelled one has a reason."""

    status: OrderState
    reason: str | None
    at: datetime


class WholesalePayment(Reply):
    """How the order is paid. `failed`: the last card was declined, or nothing was paid in time; `reason` says why.
    While the bank wants to see the member, `action_url` is its page.
    """

    provider: PaymentProvider
    status: PaymentWord
    reason: str | None
    action_url: str | None
    refunded_amount: Money


class WholesaleDelivery(Reply):
    """Where the goods go."""

    recipient: str
    address: WholesaleAddress


class InvoiceReference(Reply):
    """The invoice of an order; it is named in the transfer, and paid until it is due."""

    number: str
    issued_at: datetime
    due_at: datetime


class WholesaleOrderView(Reply):
    """An order with its sums, payment and history. Until it is confirmed, it ends at `expires_at`; one with
    `cancel_wanted` is cancelled as soon as it holds no money and has not left; `cancel_refused` says that it had. The
    delivery is null once it was removed.
    """

    id: UUID
    order_number: str
    status: OrderState
    placed_at: datetime
    expires_at: datetime
    confirmed_at: datetime | None
    cancel_wanted: bool
    cancel_refused: bool
    items: list[WholesaleLine]
    tins: int
    subtotal: Money
    tax: Money
    total: Money
    is_exempt: bool
    delivery: WholesaleDelivery | None
    payment: WholesalePayment
    invoice: InvoiceReference | None
    history: list[OrderStep]


class Invoice(Reply):
    """The invoice of an order as a document: `document` is the whole as plain text, to be printed or saved."""

    number: str
    order_id: UUID
    order_number: str
    issued_at: datetime
    due_at: datetime
    total: Money
    status: PaymentWord
    document: str
