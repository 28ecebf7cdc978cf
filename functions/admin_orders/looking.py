"""Operations that show orders to admins, and have them cancelled."""

from datetime import datetime
from uuid import UUID

from functions.admin_orders import records, refunding, rules, store
from functions.admin_orders.common import Operations, api, locked
from functions.admin_orders.models import (
    AddressRequest,
    AdminOrder,
    AdminOrderDetail,
    OrderAddress,
    OrderChange,
    OrderFilter,
    OrderResend,
)
from functions.admin_orders.records import Wanted
from shared.db import Tx
from shared.orders import addresses, fulfilments, standings
from shared.orders.disputes import PaymentDisputed
from shared.orders.refusals import OrderNotCancellable
from shared.orders.states import PAID, CancelReason, number_read
from shared.payouts import interests
from shared.values.fields import Listing
from shared.values.problems import NotFound
from shared.web import audit, paging, quotas
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.paging import Position
from shared.web.quotas import Limit, Quota


@api.get("/v1/admin/orders")
def list_admin_orders(tx: Tx, admin: Operations, page: OrderFilter) -> Listing[AdminOrder]:
    """List orders, newest first."""
    wanted = Wanted(
        state=page.status,
        payment=page.payment,
        kind=page.kind,
        placed_from=page.placed_from,
        placed_to=page.placed_to,
        number=None if page.number is None else number_read(page.number),
        email=page.email,
    )
    found = records.orders(tx, wanted, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(found, page.limit, lambda row: Position(row.placed_at, row.id))
    return Listing[AdminOrder](items=[records.summary(row) for row in shown], next_cursor=cursor)


@api.get("/v1/admin/orders/{order_id}")
def get_admin_order(tx: Tx, admin: Operations, order_id: UUID) -> AdminOrderDetail:
    """Return an order with its payments, refunds and diary."""
    return detail(tx, order_id)


@api.put("/v1/admin/orders/{order_id}", problems=(OrderNotCancellable, PaymentDisputed, interests.OwnInterest))
def change_order(
    tx: Tx, admin: Operations, order_id: UUID, body: OrderChange, client: Client, now: datetime
) -> AdminOrderDetail:
    """Have an order cancelled, of which nothing has left: it ends as soon as it holds no money and the warehouse sends
    nothing of it. A second wish changes nothing.
    """
    locked(tx, admin, order_id)
    if standings.cancel(tx, order_id, CancelReason.PEOPLE, now):
        audit.record(tx, admin, client, Action("order.cancel", "order", order_id, {"reason": body.reason}), now)
    return detail(tx, order_id)


@api.post("/v1/admin/orders/{order_id}/resend", problems=(rules.OrderNotResendable, interests.OwnInterest))
def resend_order(
    tx: Tx, admin: Operations, order_id: UUID, body: OrderResend, client: Client, now: datetime
) -> AdminOrderDetail:
    """Give an order to the warehouse again, which has refused or cancelled it by its own word."""
    order = locked(tx, admin, order_id)
    last = fulfilments.newest(tx, order_id)
    is_off = last is not None and last.is_off
    if not is_off or order.is_leaving or order.state not in PAID or standings.has_left(tx, order_id):
        raise rules.OrderNotResendable
    fulfilment_id = fulfilments.record(tx, order_id, now)
    changes = {"fulfilment_id": str(fulfilment_id), "reason": body.reason}
    audit.record(tx, admin, client, Action("order.resend", "order", order_id, changes), now)
    return detail(tx, order_id)


@api.post(
    "/v1/admin/orders/{order_id}/address",
    problems=(rules.AddressErased, rules.TooManyAddressesShown),
    secret_reply=True,
)
def show_order_address(
    tx: Tx, admin: Operations, order_id: UUID, body: AddressRequest, client: Client, now: datetime
) -> OrderAddress:
    """Show where the parcel goes. Who looks, and why, is in the audit log; so many within an hour are shown to one
    admin that nobody copies them all.
    """
    if records.order(tx, order_id) is None:
        raise NotFound
    sealed = store.sealed_address(tx, order_id)
    if sealed is None:
        raise rules.AddressErased
    shown = Quota(f"addresses:{admin.id}", rules.ADDRESSES_PER_HOUR)
    quotas.spend_within(tx, Limit([shown], rules.TooManyAddressesShown), now)
    found = addresses.unseal(tx, order_id, sealed)
    audit.record(tx, admin, client, Action("order.address", "order", order_id, {"reason": body.reason}), now)
    return OrderAddress(
        recipient=found.recipient,
        line1=found.line1,
        line2=found.line2 or None,
        city=found.city,
        state=found.state,
        zip=found.zip,
    )


def detail(tx: Tx, order_id: UUID) -> AdminOrderDetail:
    """The order with everything around it. Raises NotFound."""
    row = records.order(tx, order_id)
    if row is None:
        raise NotFound
    return records.detail(tx, row, refunding.left(tx, order_id))
