"""Wholesale orders and their invoices, as their accounts see them."""

import base64
from uuid import UUID

from functions.wholesale import documents, order_records, order_rules
from functions.wholesale.common import WholesaleAddress
from functions.wholesale.documents import Billed
from functions.wholesale.order_drafts import Draft, Taxed
from functions.wholesale.order_models import (
    Invoice,
    WholesaleDelivery,
    WholesaleEstimate,
    WholesaleOrder,
    WholesaleOrderView,
    WholesalePayment,
)
from functions.wholesale.order_records import OrderRow, Summary
from shared import settings
from shared.db import Tx
from shared.orders import addresses, usdt_requests, views
from shared.orders.states import wholesale_number_shown
from shared.orders.views import OrderLine
from shared.values.problems import NotFound


def estimate(draft: Draft, taxed: Taxed) -> WholesaleEstimate:
    """The sums of a draft with its tax."""
    total, quote = taxed.sums(draft), taxed.quote
    return WholesaleEstimate(
        items=[
            OrderLine(
                sku=line.sku,
                product_name=draft.names[line.sku],
                quantity=line.quantity,
                unit_price=line.price,
                line_total=line.amount,
                tax=taxed.taxes[line.sku],
            )
            for line in draft.wanted
        ],
        tins=draft.tins,
        subtotal=total.subtotal,
        tax=total.tax,
        total=total.total,
        is_exempt=draft.certificate_id is not None,
        breakdown=views.shares(quote.breakdown) if quote else [],
        expires_at=quote.expires_at if quote else None,
    )


def summary(row: Summary) -> WholesaleOrder:
    """A wholesale order as the list shows it."""
    return WholesaleOrder(
        id=row.id,
        order_number=wholesale_number_shown(row.number, row.placed_at),
        status=row.state,
        tins=row.tins,
        total=row.total,
        placed_at=row.placed_at,
    )


def order(tx: Tx, member_id: UUID, order_id: UUID) -> WholesaleOrderView:
    """An order of the member's account with everything around it. Raises NotFound."""
    row = _row(tx, member_id, order_id)
    return WholesaleOrderView(
        id=row.id,
        order_number=wholesale_number_shown(row.number, row.placed_at),
        status=row.state,
        placed_at=row.placed_at,
        expires_at=row.expires_at,
        confirmed_at=row.confirmed_at,
        cancel_wanted=row.cancel_wanted_at is not None and row.cancel_refused_at is None,
        cancel_refused=row.cancel_refused_at is not None,
        items=views.items(tx, order_id),
        tins=row.tins,
        subtotal=row.subtotal,
        tax=row.tax_amount,
        total=row.total_amount,
        is_exempt=row.certificate_id is not None,
        delivery=_delivery(tx, row),
        payment=WholesalePayment(
            **vars(views.paid(tx, order_id)), usdt=usdt_requests.instructions(tx, order_id, row.expires_at)
        ),
        invoice=order_records.invoice(tx, order_id),
        history=views.history(tx, order_id),
    )


def invoice(tx: Tx, member_id: UUID, order_id: UUID) -> Invoice:
    """The invoice of an order of the member's account. Raises NotFound, OrderWithoutInvoice."""
    from functions.wholesale import printing

    row = _row(tx, member_id, order_id)
    found = order_records.invoice(tx, order_id)
    if found is None:
        raise order_rules.OrderWithoutInvoice
    number = wholesale_number_shown(row.number, row.placed_at)
    to = addresses.unseal(tx, row.id, row.address) if row.address else None
    configured = settings.load(tx)
    billed = Billed(
        invoice=found,
        order_number=number,
        lines=views.items(tx, order_id),
        subtotal=row.subtotal,
        tax=row.tax_amount,
        total=row.total_amount,
        is_exempt=row.certificate_id is not None,
        to=to,
        sender=configured.wholesale.invoice_sender,
        bank=configured.wholesale.invoice_bank,
        asked=configured.concierge_email,
    )
    return Invoice(
        number=found.number,
        order_id=row.id,
        order_number=number,
        issued_at=found.issued_at,
        due_at=found.due_at,
        total=row.total_amount,
        status=views.paid(tx, order_id).status,
        document=documents.invoice(billed),
        pdf=base64.b64encode(printing.pdf(billed)).decode(),
    )


def _row(tx: Tx, member_id: UUID, order_id: UUID) -> OrderRow:
    found = order_records.order(tx, member_id, order_id)
    if found is None:
        raise NotFound
    return found


def _delivery(tx: Tx, row: OrderRow) -> WholesaleDelivery | None:
    if row.address is None:
        return None
    found = addresses.unseal(tx, row.id, row.address)
    return WholesaleDelivery(
        recipient=found.recipient,
        address=WholesaleAddress(
            address_line1=found.line1,
            address_line2=found.line2 or None,
            city=found.city,
            state=found.state,
            zip_code=found.zip,
        ),
    )
