"""The orders of wholesale accounts, for admins (docs/shop.md, "Wholesale orders"). Amounts are USD.

An order with everything around it, and what people do with it, is `admin_orders`' as for members' orders.
"""

from datetime import datetime
from uuid import UUID

from functions.admin_wholesale import order_records
from functions.admin_wholesale.common import Operations, api
from functions.admin_wholesale.order_records import ListedOrder, Wanted
from shared.db import Tx
from shared.orders.states import OrderState, wholesale_number_shown
from shared.values.fields import Listing, Money, Page, Reply
from shared.values.states import PaymentProvider, PaymentStatus
from shared.web import paging
from shared.web.paging import Position


class WholesaleOrderFilter(Page):
    """A page of the wholesale orders that match every given filter."""

    account_id: UUID | None = None
    status: OrderState | None = None
    payment: PaymentStatus | None = None


class AdminWholesaleOrder(Reply):
    """A wholesale order in a list. `payment` tells of all its payments, `payment_kind` how the newest one is made; its
    invoice is null if that is a card. `is_overdue`: the invoice was due and is not paid. `company_name` is null after
    the erasure of the member's account. One with `cancel_wanted` is cancelled as soon as it holds no money.
    """

    id: UUID
    order_number: str
    account_id: UUID
    account_number: str
    company_name: str | None
    status: OrderState
    tins: int
    total: Money
    payment_kind: PaymentProvider
    payment: PaymentStatus
    invoice_number: str | None
    invoice_due_at: datetime | None
    is_overdue: bool
    cancel_wanted: bool
    placed_at: datetime


@api.get("/v1/admin/wholesale/orders")
def list_admin_wholesale_orders(
    tx: Tx, admin: Operations, page: WholesaleOrderFilter, now: datetime
) -> Listing[AdminWholesaleOrder]:
    """List the orders of wholesale accounts, newest first."""
    wanted = Wanted(account_id=page.account_id, state=page.status, payment=page.payment)
    found = order_records.orders(tx, wanted, now, after=paging.after(page.cursor), limit=page.limit + 1)
    shown, cursor = paging.page(found, page.limit, lambda row: Position(row.placed_at, row.id))
    return Listing[AdminWholesaleOrder](items=[_shown(row) for row in shown], next_cursor=cursor)


def _shown(row: ListedOrder) -> AdminWholesaleOrder:
    """An order as the list shows it."""
    return AdminWholesaleOrder(
        id=row.id,
        order_number=wholesale_number_shown(row.number, row.placed_at),
        account_id=row.account_id,
        account_number=row.account_number,
        company_name=row.company_name,
        status=row.state,
        tins=row.tins,
        total=row.total,
        payment_kind=row.provider,
        payment=row.payment,
        invoice_number=row.invoice_number,
        invoice_due_at=row.due_at,
        is_overdue=row.is_overdue,
        cancel_wanted=row.cancel_wanted,
        placed_at=row.placed_at,
    )
