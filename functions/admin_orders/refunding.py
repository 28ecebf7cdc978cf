"""Operations on refunds: an admin asks for one, and a second person approves or rejects what one may not refund alone.

A refund is counted from its record on; the machine has it paid by whoever took the money.
"""

from datetime import datetime
from uuid import UUID, uuid4

from functions.admin_orders import records, rules, store
from functions.admin_orders.common import Operations, api, locked
from functions.admin_orders.models import (
    RefundApproval,
    RefundFilter,
    RefundKind,
    RefundOrder,
    RefundRejection,
    RefundRequest,
)
from shared.credentials import totp
from shared.credentials.totp import SECOND_FACTOR
from shared.db import Tx
from shared.orders import disputes, refund_shares, refunds, rows
from shared.orders.disputes import PaymentDisputed
from shared.orders.refund_shares import Charge, MoreThanLeft, RefundShare
from shared.orders.refunds import RefundReason
from shared.orders.rows import Order, Payment
from shared.payouts import interests
from shared.values.fields import Listing
from shared.values.money import ZERO, Usdt
from shared.values.problems import NotFound, NotValid
from shared.values.states import PaymentState, RefundRequestStatus
from shared.web import audit, paging
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.idempotency import IdempotencyKey
from shared.web.paging import Position


@api.get("/v1/admin/refunds")
def list_refund_requests(tx: Tx, admin: Operations, page: RefundFilter) -> Listing[RefundRequest]:
    """List the refunds that admins have asked for, newest first; `status=waiting` lists those that need somebody."""
    found = records.requests(tx, page.status, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(found, page.limit, lambda row: Position(row.requested_at, row.id))
    return Listing[RefundRequest](items=list(shown), next_cursor=cursor)


@api.post(
    "/v1/admin/orders/{order_id}/refunds",
    status=201,
    problems=(rules.RefundExceedsPayment, rules.TinsNotSent, PaymentDisputed, interests.OwnInterest),
)
def refund_order(
    tx: Tx, admin: Operations, key: IdempotencyKey, order_id: UUID, body: RefundOrder, client: Client, now: datetime
) -> RefundRequest:
    """Refund tins, the shipping or an amount. What one admin may not refund alone waits for a second person."""
    tins = {line.sku: line.tins for line in body.tins}
    if faults := rules.refund_faults(body.kind, body.reason, tins=tins, amount=body.amount):
        raise NotValid(errors=faults)
    order = locked(tx, admin, order_id)
    payment = _captured(tx, order)
    share = _share(tx, order_id, body.kind, tins, body.amount or ZERO)
    refund_id = uuid4()
    waits = store.insert_request(tx, refund_id, order_id, admin.id, body, amount=share.amount, now=now)
    if not waits:
        refunds.record(tx, order, payment, share, RefundReason(body.reason), now=now, refund_id=refund_id)
        store.close_request(tx, refund_id, RefundRequestStatus.RECORDED, now)
    changes = {"refund_id": str(refund_id), "amount": str(share.amount), "reason": body.reason, "note": body.note}
    audit.record(tx, admin, client, Action("order.refund", "order", order_id, changes | {"waits": waits}), now)
    return _found(tx, order_id, refund_id)


@api.post(
    "/v1/admin/orders/{order_id}/refunds/{refund_id}/approve",
    problems=(
        rules.RefundChanged,
        rules.RefundDecided,
        rules.RefundExceedsPayment,
        rules.RefundOfOwnRequest,
        rules.RefundWithoutRequester,
        rules.TinsNotSent,
        PaymentDisputed,
        interests.OwnInterest,
        *SECOND_FACTOR,
    ),
)
def approve_refund(
    tx: Tx, admin: Operations, order_id: UUID, refund_id: UUID, body: RefundApproval, client: Client, now: datetime
) -> RefundRequest:
    """Approve, as the second person, a refund that another admin has asked for; it is recorded now."""
    totp.spend(tx, admin.id, body.totp, now)
    order = locked(tx, admin, order_id)
    asked = _waiting(tx, order_id, refund_id)
    if interests.is_same_person(tx, admin.id, asked.requested_by):
        raise rules.RefundOfOwnRequest
    if not store.may_decide(tx, asked.requested_by, order.member_id):
        raise rules.RefundWithoutRequester
    payment = _captured(tx, order)
    share = _share(tx, order_id, asked.kind, asked.tins, asked.amount)
    if share.amount != asked.amount:
        raise rules.RefundChanged(amount=share.amount)
    refunds.record(tx, order, payment, share, asked.reason, now=now, refund_id=refund_id)
    store.close_request(tx, refund_id, RefundRequestStatus.RECORDED, now, decided_by=admin.id, note=body.note)
    changes = {"refund_id": str(refund_id), "amount": str(share.amount), "note": body.note}
    audit.record(tx, admin, client, Action("order.refund_approve", "order", order_id, changes), now)
    return _found(tx, order_id, refund_id)


@api.post("/v1/admin/orders/{order_id}/refunds/{refund_id}/reject", problems=(rules.RefundDecided,))
def reject_refund(
    tx: Tx, admin: Operations, order_id: UUID, refund_id: UUID, body: RefundRejection, client: Client, now: datetime
) -> RefundRequest:
    """Reject a refund that waits, or take one's own back."""
    if rows.lock(tx, order_id) is None:
        raise NotFound
    _waiting(tx, order_id, refund_id)
    store.close_request(tx, refund_id, RefundRequestStatus.REJECTED, now, decided_by=admin.id, note=body.reason)
    changes = {"refund_id": str(refund_id), "reason": body.reason}
    audit.record(tx, admin, client, Action("order.refund_reject", "order", order_id, changes), now)
    return _found(tx, order_id, refund_id)


def left(tx: Tx, order_id: UUID) -> Usdt:
    """How much of the order could be refunded now: nothing of one that was not paid, or of which a dispute is open."""
    is_captured = rows.newest_payment(tx, order_id).state is PaymentState.CAPTURED
    if not is_captured or disputes.is_open(tx, order_id):
        return ZERO
    return refunds.charge(tx, order_id).left


def _captured(tx: Tx, order: Order) -> Payment:
    """The payment that has paid the order. Raises RefundExceedsPayment when none has, or the order is not confirmed by
    it yet, and PaymentDisputed.
    """
    payment = rows.newest_payment(tx, order.id)
    if payment.state is not PaymentState.CAPTURED or order.confirmed_at is None:
        raise rules.RefundExceedsPayment(left=ZERO)
    disputes.refuse_open(tx, order.id)
    return payment


def _share(tx: Tx, order_id: UUID, kind: RefundKind, tins: dict[str, int], amount: Usdt) -> RefundShare:
    """The parts of the order that such a refund gives back now. Raises RefundExceedsPayment, TinsNotSent."""
    charge = refunds.charge(tx, order_id)
    try:
        share = _of_kind(charge, kind, tins, amount)
    except MoreThanLeft:
        raise rules.RefundExceedsPayment(left=charge.left) from None
    sent = store.sent_tins(tx, order_id)
    if any(line.tins > sent[line.sku] for line in share.lines):
        raise rules.TinsNotSent(sent=sent)
    return share


def _of_kind(charge: Charge, kind: RefundKind, tins: dict[str, int], amount: Usdt) -> RefundShare:
    if kind == "tins":
        return refund_shares.of_tins(charge, tins)
    if kind == "shipping":
        return refund_shares.of_shipping(charge)
    return refund_shares.of_amount(charge, amount)


def _waiting(tx: Tx, order_id: UUID, refund_id: UUID) -> RefundRequest:
    """The refund that waits for a decision. Raises NotFound, RefundDecided."""
    asked = _found(tx, order_id, refund_id)
    if asked.status != RefundRequestStatus.WAITING:
        raise rules.RefundDecided(refund_status=asked.status.value)
    return asked


def _found(tx: Tx, order_id: UUID, refund_id: UUID) -> RefundRequest:
    found = store.request(tx, order_id, refund_id)
    if found is None:
        raise NotFound
    return found
