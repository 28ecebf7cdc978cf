"""Invoices of wholesale accounts: what has come to our bank for them, and what was sent back from it, is booked here.

A booking is the word that ends the operation, as a provider's answer is for a card. What it means for the order is the
machine's work, for which a task is queued.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, StringConstraints

from functions.admin_treasury import invoice_records, rules
from functions.admin_treasury.common import Treasurer, api
from functions.admin_treasury.invoice_records import Awaited, AwaitedTransfer
from shared.auth import Admin
from shared.credentials import totp
from shared.credentials.totp import SECOND_FACTOR
from shared.db import ConstraintViolated, Tx
from shared.orders import books, tasks
from shared.payouts import interests
from shared.values import typed
from shared.values.fields import Body, Listing, Money, Page, Reason, Reply, SixDigits
from shared.values.problems import NotFound
from shared.values.states import PaymentProvider
from shared.web import audit, paging
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.idempotency import IdempotencyKey
from shared.web.paging import Position

BOOKING_PROBLEMS = (
    rules.TransferNotAwaited,
    rules.TransferAmountDiffers,
    rules.BankReferenceUsed,
    interests.OwnInterest,
    *SECOND_FACTOR,
)


class BankTransfer(Body):
    """A transfer as the bank's statement has it: its reference there and its amount. `reason` says how it was found;
    `totp` is a code of the admin's own app.
    """

    bank_reference: Annotated[str, StringConstraints(max_length=typed.PASTED_MAX), AfterValidator(rules.bank_reference)]
    amount: Money
    reason: Reason
    totp: SixDigits


class BookedTransfer(Reply):
    """A transfer that is booked; the order follows within seconds."""

    operation_id: UUID
    order_id: UUID
    bank_reference: str
    amount: Money
    booked_at: datetime


@api.get("/v1/admin/treasury/invoices")
def list_awaited_transfers(tx: Tx, admin: Treasurer, page: Page) -> Listing[AwaitedTransfer]:
    """List the transfers that invoices wait for, newest first."""
    rows = invoice_records.awaited(tx, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.recorded_at, row.operation_id))
    return Listing[AwaitedTransfer](items=list(shown), next_cursor=cursor)


@api.post("/v1/admin/wholesale/orders/{order_id}/paid", problems=BOOKING_PROBLEMS)
def book_invoice_paid(
    tx: Tx, admin: Treasurer, key: IdempotencyKey, order_id: UUID, body: BankTransfer, client: Client, now: datetime
) -> BookedTransfer:
    """Book the transfer by which an order's invoice is paid."""
    totp.spend(tx, admin.id, body.totp, now)
    if not invoice_records.exists(tx, order_id):
        raise NotFound
    found = invoice_records.payment_of(tx, order_id)
    booked = _booked(tx, admin, found, body, now)
    _record(tx, admin, client, "invoice.paid", booked, reason=body.reason)
    return booked


@api.post("/v1/admin/wholesale/refunds/{refund_id}/paid", problems=BOOKING_PROBLEMS)
def book_invoice_refunded(
    tx: Tx, admin: Treasurer, key: IdempotencyKey, refund_id: UUID, body: BankTransfer, client: Client, now: datetime
) -> BookedTransfer:
    """Book the transfer by which a refund of an invoice was paid back."""
    totp.spend(tx, admin.id, body.totp, now)
    found = invoice_records.refund(tx, refund_id)
    if found is None:
        raise NotFound
    booked = _booked(tx, admin, found, body, now)
    books.book_refunded(tx, refund_id, booked.amount, now, provider=PaymentProvider.INVOICE)
    _record(tx, admin, client, "invoice.refunded", booked, reason=body.reason)
    return booked


def _booked(tx: Tx, admin: Admin, found: Awaited | None, body: BankTransfer, now: datetime) -> BookedTransfer:
    """Book the transfer and have the machine look at its order.

    Raises TransferNotAwaited, TransferAmountDiffers, BankReferenceUsed, OwnInterest.
    """
    if found is None:
        raise rules.TransferNotAwaited
    interests.require_none_in_member(tx, admin.id, found.member_id)
    if body.amount != found.amount:
        raise rules.TransferAmountDiffers(awaited=found.amount.decimal)
    try:
        with tx.savepoint():
            invoice_records.book(
                tx, found.operation_id, body.bank_reference, admin_id=admin.id, reason=body.reason, now=now
            )
    except ConstraintViolated as refused:
        if refused.constraint == "transfer_awaited":
            raise rules.TransferNotAwaited from None
        if refused.constraint in ("payment_operations_reference", "bank_transfers_reference_key"):
            raise rules.BankReferenceUsed from None
        raise
    tasks.advance_soon(tx, found.order_id, now)
    return BookedTransfer(
        operation_id=found.operation_id,
        order_id=found.order_id,
        bank_reference=body.bank_reference,
        amount=found.amount,
        booked_at=now,
    )


def _record(tx: Tx, admin: Admin, client: Client, name: str, booked: BookedTransfer, *, reason: str) -> None:
    changes = {"bank_reference": booked.bank_reference, "amount": str(booked.amount), "reason": reason}
    audit.record(tx, admin, client, Action(name, "order", booked.order_id, changes), booked.booked_at)
