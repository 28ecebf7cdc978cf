"""HTTP: a member orders what is in the cart, and sees, pays and cancels orders (docs/product.md, "Orders").

The order exists before any money: it is recorded here with its payment, and the machine takes it further.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from flask import Request, Response

from functions.orders import checkout, quotes, reads, records, rules
from functions.orders.birth_records import Born
from functions.orders.models import (
    Order,
    OrderRequest,
    OrderView,
    Receipt,
    TaxedLine,
    TaxEstimate,
    TaxQuestion,
)
from shared.api import Api
from shared.auth import Member
from shared.db import Tx
from shared.orders import refusals, views
from shared.orders.choices import OrderPayment
from shared.orders.disputes import PaymentDisputed
from shared.orders.tax_quotes import Inquiry
from shared.values.fields import Listing, Page
from shared.values.goods import ProductNotOnSale
from shared.values.problems import Problem
from shared.web import paging
from shared.web.idempotency import IdempotencyKey
from shared.web.paging import Position
from shared.web.signatures import AskedPrepared, NotPrepared

CANNOT_BE_ORDERED = (
    rules.CartEmpty,
    refusals.DestinationNotServed,
    refusals.QuoteStale,
    refusals.TaxUnavailable,
    refusals.TooManyEstimates,
    ProductNotOnSale,
)

api = Api("orders")


def orders(request: Request) -> Response:
    return api.handle(request)


@api.post("/v1/tax/estimate", limit=quotes.limit_estimates, before=quotes.for_estimate, problems=CANNOT_BE_ORDERED)
def estimate_tax(tx: Tx, member: Member, body: TaxQuestion, inquiry: Inquiry, now: datetime) -> TaxEstimate:
    """Return what the open cart would cost at an address, with its tax."""
    draft, quote = checkout.estimate(tx, member.id, body.shipping_address, inquiry, now)
    sums, taxes = draft.sums(quote), quote.taxes
    return TaxEstimate(
        cart_id=draft.cart.id,
        revision=draft.cart.revision,
        items=[
            TaxedLine(
                sku=line.sku,
                quantity=line.quantity,
                unit_price=line.price,
                line_total=line.amount,
                tax=taxes[line.sku],
            )
            for line in draft.wanted
        ],
        subtotal=sums.subtotal,
        shipping=sums.shipping,
        shipping_tax=sums.shipping_tax,
        tax=sums.tax,
        total=sums.total,
        breakdown=views.shares(quote.breakdown),
        expires_at=quote.expires_at,
    )


@api.post(
    "/v1/orders/create",
    status=201,
    before=quotes.for_order,
    secret_reply=True,
    key_required=True,
    problems=(
        *CANNOT_BE_ORDERED,
        rules.CartAlreadyOrdered,
        refusals.LimitReached,
        refusals.StockShort,
        refusals.TooManyDeclines,
        refusals.TooManyOrders,
        refusals.TotalChanged,
        refusals.UsdtNotAvailable,
        refusals.WalletRequired,
    ),
)
def create_order(
    tx: Tx, group: Sequence[AskedPrepared[Member, OrderRequest, Inquiry]], now: datetime
) -> list[OrderView | Problem | NotPrepared]:
    """Order what is in the open cart. The order is recorded and its tins are promised; nothing is charged yet."""
    placed = checkout.place(tx, group, now)
    return [reads.born(each, now) if isinstance(each, Born) else each for each in placed]


@api.get("/v1/users/me/orders")
def list_orders(tx: Tx, member: Member, page: Page) -> Listing[Order]:
    """List the member's orders, newest first."""
    rows = records.summaries(tx, member.id, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.placed_at, row.id))
    return Listing[Order](items=[reads.summary(row) for row in shown], next_cursor=cursor)


@api.get("/v1/orders/{order_id}")
def get_order(tx: Tx, member: Member, order_id: UUID) -> OrderView:
    """Return one of the member's orders."""
    return reads.order(tx, member.id, order_id)


@api.post("/v1/orders/{order_id}/cancel", secret_reply=True, problems=(refusals.OrderNotCancellable, PaymentDisputed))
def cancel_order(tx: Tx, member: Member, key: IdempotencyKey, order_id: UUID, now: datetime) -> OrderView:
    """Have an order cancelled: it ends as soon as it holds no money."""
    checkout.cancel(tx, member.id, order_id, now)
    return reads.order(tx, member.id, order_id)


@api.post(
    "/v1/orders/{order_id}/pay",
    secret_reply=True,
    problems=(refusals.OrderNotPayable, refusals.TooManyDeclines, refusals.UsdtNotAvailable, refusals.WalletRequired),
)
def pay_order(
    tx: Tx, member: Member, key: IdempotencyKey, order_id: UUID, body: OrderPayment, now: datetime
) -> OrderView:
    """Pay with another card or in USDT, after the last card was declined."""
    checkout.pay_again(tx, member.id, order_id, body, now)
    return reads.order(tx, member.id, order_id)


@api.get("/v1/orders/{order_id}/receipt", problems=(rules.OrderNotConfirmed,))
def get_receipt(tx: Tx, member: Member, order_id: UUID) -> Receipt:
    """Return the receipt of a paid order."""
    return reads.receipt(tx, member.id, order_id)
