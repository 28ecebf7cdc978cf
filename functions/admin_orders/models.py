"""Orders, their payments and refunds as admins see them. Amounts are USD."""

from datetime import datetime
from typing import Annotated, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from functions.admin_orders import rules
from shared.orders.refunds import RefundReason
from shared.orders.states import CancelReason, OrderKind, OrderState
from shared.orders.views import OrderLine
from shared.values import typed
from shared.values.contacts import EmailAddress
from shared.values.fields import LINE, Body, Moment, Money, Page, Reason, Reply, Shape, SixDigits, Sku
from shared.values.goods import TINS_MAX
from shared.values.states import (
    AgeCheckStatus,
    FulfilmentStatus,
    OperationKind,
    OperationStatus,
    ParcelStatus,
    PaymentState,
    PaymentStatus,
    RefundRequestStatus,
)

SKUS_MAX = 32

Carrier = Literal["DHL", "FedEx", "OnTrac", "UPS", "USPS"]
ParcelEnd = Literal["lost", "delivered", "returned"]
RefundKind = Literal["tins", "shipping", "amount"]
Outcome = Literal["done", "not_done", "paid_elsewhere"]
OrderNumber = Annotated[str, Shape(r"^((SO|WO-[0-9]{4})-)?[0-9]{1,18}$", "a number such as SO-000042 or WO-2026-0042")]


class OrderFilter(Page):
    """A page of the orders that match every given filter; `placed_from` is inclusive, `placed_to` exclusive. `number`
    may have its prefix, `email` is the buyer's.
    """

    status: OrderState | None = None
    payment: PaymentStatus | None = None
    kind: OrderKind | None = None
    placed_from: Moment | None = None
    placed_to: Moment | None = None
    number: OrderNumber | None = None
    email: EmailAddress | None = None


class RefundFilter(Page):
    """A page of the refunds that admins have asked for, of one status if given."""

    status: RefundRequestStatus | None = None


class OrderChange(Body):
    """The wish to cancel an order, with its reason, which is kept and not told to the member. People set no other
    state.
    """

    status: Literal["cancelled"]
    reason: Reason


class OrderResend(Body):
    """The reason why an order is given to the warehouse again."""

    reason: Reason


class AddressRequest(Body):
    """Why somebody has to see the address; the audit log keeps it."""

    reason: Reason


class RefundedTins(Body):
    """A product and the number of its tins that are refunded."""

    sku: Sku
    tins: Annotated[int, Field(ge=1, le=1000)]


class ShippedTins(Body):
    """A product and the number of its tins in a parcel."""

    sku: Sku
    tins: Annotated[int, Field(ge=1, le=TINS_MAX)]


TinsOf = TypeVar("TinsOf", RefundedTins, ShippedTins)


def _different(lines: list[TinsOf]) -> list[TinsOf]:
    if len({line.sku for line in lines}) != len(lines):
        raise ValueError("must name each product once")
    return lines


class ShipOrder(Body):
    """A parcel that people have handed to a carrier themselves: `tins` are what is in it, all that is left of the order
    unless any are named. The reason is kept, and not told to the member.
    """

    carrier: Carrier
    tracking_number: Annotated[str, StringConstraints(max_length=typed.PASTED_MAX), AfterValidator(typed.parcel_number)]
    tins: Annotated[list[ShippedTins], Field(max_length=SKUS_MAX), AfterValidator(_different)] = Field([])
    reason: Reason


class ParcelOutcome(Body):
    """The outcome of a parcel that was sent by hand, and how it is known, which is kept."""

    outcome: ParcelEnd
    reason: Reason


class RefundOrder(Body):
    """A refund: of `tins` with their tax, of what is left of the shipping, or of an `amount`, taxes included. An amount
    names no tins: they stay sold. The note is kept, and not told to the member.
    """

    kind: RefundKind
    tins: Annotated[list[RefundedTins], Field(max_length=SKUS_MAX), AfterValidator(_different)] = Field([])
    amount: Annotated[Money, AfterValidator(rules.price)] | None = None
    reason: Literal["faulty", "lost", "returned", "goodwill"]
    note: Reason


class RefundApproval(Body):
    """A code of the second person's own app, and a note about what they have checked, which is kept."""

    totp: SixDigits
    note: Reason


class RefundRejection(Body):
    """The reason for the rejection."""

    reason: Reason


class PaymentResolution(Body):
    """A person's word about an operation, with the evidence, which is kept. `reference` is the provider's name for what
    it has done, or that of the payment by which a refused refund was paid in another way.
    """

    outcome: Outcome
    reference: Annotated[str, StringConstraints(min_length=1, max_length=200), LINE] | None = None
    evidence: Reason
    totp: SixDigits


class AdminOrder(Reply):
    """An order in a list. `payment` tells of all its payments; one with `cancel_wanted` is cancelled as soon as it
    holds no money.
    """

    id: UUID
    order_number: str
    status: OrderState
    payment: PaymentStatus
    total: Money
    refunded_amount: Money
    cancel_wanted: bool
    placed_at: datetime
    member_id: UUID
    username: str
    email: str


class AdminOrderLine(OrderLine):
    """A product of an order: the tins that have left the warehouse, and those that refunds have named."""

    shipped: int
    refunded: int


class AgeResult(Reply):
    """The result of the order's age check, by the provider's word."""

    status: AgeCheckStatus
    reference: str | None
    reason: str | None
    decided_at: datetime | None


class ResolutionSaid(Reply):
    """One person's word about what became of an operation."""

    person_id: UUID
    username: str
    outcome: Outcome
    reference: str | None
    evidence: str
    said_at: datetime


class PaymentOperation(Reply):
    """An operation that the provider is asked for under its id. `reference` is the provider's name for it; `evidence`
    says by whose word it has ended.
    """

    id: UUID
    kind: OperationKind
    amount: Money
    status: OperationStatus
    recorded_at: datetime
    sent_at: datetime | None
    answered_at: datetime | None
    evidence: str | None
    reference: str | None
    reason: str | None
    resolutions: list[ResolutionSaid]


class AdminPayment(Reply):
    """A payment with its operations, oldest first; `refund_open` is owed and on its way."""

    id: UUID
    provider: str
    state: PaymentState
    amount: Money
    refund_open: Money
    refunded: Money
    reason: str | None
    created_at: datetime
    operations: list[PaymentOperation]


class AdminRefundLine(Reply):
    """The part of a line that a refund gives back."""

    sku: str
    tins: int
    goods: Money
    tax: Money


class AdminRefund(Reply):
    """A refund, which is owed from `recorded_at` on; `paid_at` is null while nobody has paid it."""

    id: UUID
    reason: RefundReason
    lines: list[AdminRefundLine]
    goods: Money
    shipping: Money
    tax: Money
    amount: Money
    recorded_at: datetime
    paid_at: datetime | None


class RefundRequest(Reply):
    """A refund that an admin has asked for, and who has decided. `waiting` needs a second person; once it is
    `recorded`, the refund has the same id.
    """

    id: UUID
    order_id: UUID
    kind: RefundKind
    tins: dict[str, int]
    amount: Money
    reason: RefundReason
    note: str
    status: RefundRequestStatus
    needs_approval: bool
    requested_by: UUID
    requested_at: datetime
    decided_by: UUID | None
    decided_at: datetime | None
    decision_note: str | None


class AdminParcelLine(Reply):
    """The tins of a product in a parcel."""

    sku: str
    tins: int


class AdminParcel(Reply):
    """A parcel that has left. `sent_by` and `reason` are of one that an admin has sent by hand."""

    id: UUID
    carrier: str
    tracking_number: str
    status: ParcelStatus
    shipped_at: datetime
    delivered_at: datetime | None
    sent_by: UUID | None
    reason: str | None
    lines: list[AdminParcelLine]


class AdminFulfilment(Reply):
    """An order as the warehouse was asked to send it, under this id; `reference` is the warehouse's name for it, and
    `reason` that of a refusal. The warehouse knows nothing of one `by_hand`, which people send.
    """

    id: UUID
    by_hand: bool
    status: FulfilmentStatus
    recorded_at: datetime
    sent_at: datetime | None
    reference: str | None
    reason: str | None
    parcels: list[AdminParcel]


class DiaryEntry(Reply):
    """Something that happened to the order: a state that it reached, an operation that ended, or an act of an admin."""

    at: datetime
    kind: Literal["state", "payment", "act"]
    what: str
    reason: str | None
    username: str | None


class AdminOrderDetail(AdminOrder):
    """An order with everything around it. `left` is what could be refunded now: nothing while the payment is not
    captured, or disputed. The address is shown by an operation of its own.
    """

    items: list[AdminOrderLine]
    subtotal: Money
    shipping: Money
    shipping_tax: Money
    tax: Money
    left: Money
    expires_at: datetime
    confirmed_at: datetime | None
    cancel_reason: CancelReason | None
    ship_state: str
    ship_zip: str
    age_check: AgeResult | None
    payments: list[AdminPayment]
    fulfilments: list[AdminFulfilment]
    refunds: list[AdminRefund]
    refund_requests: list[RefundRequest]
    diary: list[DiaryEntry]


class OrderAddress(Reply):
    """Where the parcel goes."""

    recipient: str
    line1: str
    line2: str | None
    city: str
    state: str
    zip: str


class PaymentResolved(Reply):
    """The operation after a person's word: how many people agree and how many must. The last one needed ends it."""

    operation: PaymentOperation
    agreed: int
    needed: int
