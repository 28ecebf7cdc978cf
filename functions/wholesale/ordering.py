"""Operations on wholesale orders: what goods cost, ordering, seeing, paying and cancelling them."""

from datetime import datetime
from uuid import UUID

from functions.wholesale import order_checkout, order_drafts, order_reads, order_records, order_rules, rules
from functions.wholesale.common import api
from functions.wholesale.order_models import (
    Invoice,
    WholesaleEstimate,
    WholesaleOrder,
    WholesaleOrderRequest,
    WholesaleOrderView,
    WholesaleQuestion,
)
from shared.auth import Member
from shared.db import Tx
from shared.orders import refusals
from shared.orders.choices import OrderPayment
from shared.orders.disputes import PaymentDisputed
from shared.orders.tax_quotes import Inquiry
from shared.values.fields import Listing, Page
from shared.values.goods import ProductNotOnSale, ProductUnknown
from shared.web import paging
from shared.web.idempotency import IdempotencyKey
from shared.web.paging import Position

CANNOT_BE_ORDERED = (
    rules.AccountNotApproved,
    refusals.DestinationNotServed,
    refusals.QuoteStale,
    refusals.TaxUnavailable,
    refusals.TooManyEstimates,
    ProductNotOnSale,
    ProductUnknown,
)


@api.post(
    "/v1/wholesale/estimate",
    limit=order_drafts.limit_estimates,
    before=order_drafts.for_estimate,
    problems=CANNOT_BE_ORDERED,
)
def estimate_wholesale_order(
    tx: Tx, member: Member, body: WholesaleQuestion, inquiry: Inquiry, now: datetime
) -> WholesaleEstimate:
    """Return what goods would cost the member's account, with their tax."""
    draft = order_drafts.read(tx, member.id, body.items, body.delivery_address, now)
    return order_reads.estimate(draft, order_drafts.taxed(tx, draft, inquiry, now))


@api.post(
    "/v1/wholesale/orders",
    status=201,
    before=order_drafts.for_order,
    secret_reply=True,
    problems=(
        *CANNOT_BE_ORDERED,
        refusals.LimitReached,
        refusals.StockShort,
        refusals.TooManyDeclines,
        refusals.TooManyOrders,
        refusals.TotalChanged,
        refusals.UsdtNotAvailable,
        refusals.WalletRequired,
    ),
)
def create_wholesale_order(
    tx: Tx, member: Member, key: IdempotencyKey, body: WholesaleOrderRequest, inquiry: Inquiry, now: datetime
) -> WholesaleOrderView:
    """Order goods for the member's account. The order is recorded and its tins are promised; nothing is paid yet."""
    order_id = order_checkout.place(tx, member.id, body, inquiry, now)
    return order_reads.order(tx, member.id, order_id)


@api.get("/v1/wholesale/orders")
def list_wholesale_orders(tx: Tx, member: Member, page: Page) -> Listing[WholesaleOrder]:
    """List the orders of the member's account, newest first."""
    rows = order_records.summaries(tx, member.id, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.placed_at, row.id))
    return Listing[WholesaleOrder](items=[order_reads.summary(row) for row in shown], next_cursor=cursor)


@api.get("/v1/wholesale/orders/{order_id}")
def get_wholesale_order(tx: Tx, member: Member, order_id: UUID) -> WholesaleOrderView:
    """Return one order of the member's account."""
    return order_reads.order(tx, member.id, order_id)


@api.get("/v1/wholesale/orders/{order_id}/invoice", problems=(order_rules.OrderWithoutInvoice,))
def get_wholesale_invoice(tx: Tx, member: Member, order_id: UUID) -> Invoice:
    """Return the invoice of an order, to be printed or saved."""
    return order_reads.invoice(tx, member.id, order_id)


@api.post(
    "/v1/wholesale/orders/{order_id}/cancel",
    secret_reply=True,
    problems=(refusals.OrderNotCancellable, PaymentDisputed),
)
def cancel_wholesale_order(
    tx: Tx, member: Member, key: IdempotencyKey, order_id: UUID, now: datetime
) -> WholesaleOrderView:
    """Have an order cancelled: it ends as soon as it holds no money."""
    order_checkout.cancel(tx, member.id, order_id, now)
    return order_reads.order(tx, member.id, order_id)


@api.post(
    "/v1/wholesale/orders/{order_id}/pay",
    secret_reply=True,
    problems=(
        refusals.OrderNotPayable,
        refusals.TooManyDeclines,
        refusals.UsdtNotAvailable,
        refusals.WalletRequired,
    ),
)
def pay_wholesale_order(
    tx: Tx, member: Member, key: IdempotencyKey, order_id: UUID, body: OrderPayment, now: datetime
) -> WholesaleOrderView:
    """Pay in another way, after the last card was declined."""
    order_checkout.pay_again(tx, member.id, order_id, body, now)
    return order_reads.order(tx, member.id, order_id)
