"""Requests and replies of wholesale orders. Amounts are USD."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from functions.wholesale.common import BusinessAddress, WholesaleAddress
from functions.wholesale.order_rules import LINES_MAX
from shared.orders.choices import CardToken
from shared.orders.states import OrderState
from shared.orders.usdt_requests import UsdtInstructions
from shared.orders.views import OrderLine, OrderStep, TaxShare
from shared.values.fields import Body, Money, Reply, Sku
from shared.values.goods import TINS_MAX
from shared.values.states import PaymentProvider, PaymentStatus


class WholesaleItem(Body):
    """Tins of a product: at least `tins_min`, in steps of `tins_step`, as the list of products says."""

    sku: Sku
    quantity: Annotated[int, Field(ge=1, le=TINS_MAX)]


class WholesaleQuestion(Body):
    """Goods whose price and tax are asked; without an address they go to that of the business."""

    items: Annotated[list[WholesaleItem], Field(min_length=1, max_length=LINES_MAX)]
    delivery_address: BusinessAddress | None = None


class PaymentChoice(Body):
    """How the account pays: by a card, with the token that its provider gave the app; in USDT; or by an invoice, which
    is paid by a transfer to our bank before it is due.
    """

    provider: Literal["card", "usdt", "invoice"]
    token: CardToken | None = None


class WholesaleOrderRequest(Body):
    """An order. `expected_total` is the sum that the member has seen and agrees to. Without an address the goods go to
    that of the business.
    """

    items: Annotated[list[WholesaleItem], Field(min_length=1, max_length=LINES_MAX)]
    delivery_address: BusinessAddress | None = None
    payment: PaymentChoice
    expected_total: Money


class WholesaleEstimate(Reply):
    """The sums of the goods at that address. `is_exempt`: a resale certificate frees them from the state's tax. An
    order before `expires_at` costs the same, unless a price changes; without a tax nothing expires.
    """

    items: list[OrderLine]
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


class WholesalePayment(Reply):
    """How the order is paid. `failed`: the last card was declined, or nothing was paid in time; `reason` says why.
    While the bank wants to see the member, `action_url` is its page; while USDT is awaited, `usdt` says what to send.
    """

    provider: PaymentProvider
    status: PaymentStatus
    reason: str | None
    action_url: str | None
    refunded_amount: Money
    usdt: UsdtInstructions | None


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
    items: list[OrderLine]
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
    """The invoice of an order: `document` is the whole as plain text, `pdf` as a PDF (base64, RFC 4648)."""

    number: str
    order_id: UUID
    order_number: str
    issued_at: datetime
    due_at: datetime
    total: Money
    status: PaymentStatus
    document: str
    pdf: str
