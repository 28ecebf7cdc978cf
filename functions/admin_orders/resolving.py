"""The operation by which two people say what became of a payment that the provider cannot tell, or has refused."""

from datetime import datetime
from uuid import UUID

from functions.admin_orders import records, rules, store
from functions.admin_orders.common import Operations, api
from functions.admin_orders.models import PaymentResolution, PaymentResolved
from functions.admin_orders.store import Operation
from shared.credentials import totp
from shared.credentials.totp import SECOND_FACTOR
from shared.db import ConstraintViolated, Tx
from shared.orders import books, rows, tasks
from shared.payouts import interests
from shared.payouts.policy import TWO_PEOPLE
from shared.values.problems import NotFound, NotValid
from shared.values.states import OperationStatus
from shared.web import audit
from shared.web.audit import Action
from shared.web.http import Client


@api.post(
    "/v1/admin/orders/{order_id}/payments/{operation_id}/resolve",
    problems=(
        rules.OperationNotInQuestion,
        rules.ReferenceOfAnother,
        rules.ResolvedBefore,
        interests.OwnInterest,
        *SECOND_FACTOR,
    ),
)
def resolve_payment(
    tx: Tx,
    admin: Operations,
    order_id: UUID,
    operation_id: UUID,
    body: PaymentResolution,
    client: Client,
    now: datetime,
) -> PaymentResolved:
    """Say what became of an operation. It ends once a second person says the same, and the order goes on."""
    totp.spend(tx, admin.id, body.totp, now)
    if faults := rules.resolution_faults(body.outcome, body.reference):
        raise NotValid(errors=faults)
    order = rows.lock(tx, order_id)
    found = store.operation(tx, order_id, operation_id) if order else None
    if order is None or found is None:
        raise NotFound
    interests.require_none_in_member(tx, admin.id, order.member_id)
    _say(tx, found, admin.id, body, now)
    status = OperationStatus.FAILED if body.outcome == "not_done" else OperationStatus.SUCCEEDED
    is_resolved = store.is_resolved(tx, operation_id, status, body.reference)
    if is_resolved:
        _end(tx, order_id, found, status, body, now=now)
        tasks.advance_soon(tx, order_id, now)
    agreed = TWO_PEOPLE if is_resolved else 1
    changes = body.model_dump(mode="json", exclude={"totp"}) | {
        "operation_id": str(operation_id),
        "agreed": f"{agreed} of {TWO_PEOPLE}",
    }
    audit.record(tx, admin, client, Action("order.payment_resolve", "order", order_id, changes), now)
    return PaymentResolved(operation=records.operation(tx, order_id, operation_id), agreed=agreed, needed=TWO_PEOPLE)


def _say(tx: Tx, found: Operation, admin_id: UUID, body: PaymentResolution, now: datetime) -> None:
    """Store what the admin says. Raises OperationNotInQuestion, ResolvedBefore."""
    said = {"outcome": body.outcome, "reference": body.reference, "why": body.evidence}
    try:
        with tx.savepoint():
            is_new = store.say(tx, found.id, admin_id, said, now)
    except ConstraintViolated as refused:
        if refused.constraint != "operation_question":
            raise
        raise rules.OperationNotInQuestion(operation_status=found.status) from None
    if not is_new:
        raise rules.ResolvedBefore


def _end(
    tx: Tx, order_id: UUID, found: Operation, status: OperationStatus, body: PaymentResolution, *, now: datetime
) -> None:
    """End the operation, and book a refund that was paid. Raises ReferenceOfAnother."""
    try:
        with tx.savepoint():
            store.end(tx, found.id, status, reference=body.reference, reason=body.outcome, now=now)
    except ConstraintViolated as refused:
        if refused.constraint != "payment_operations_reference":
            raise
        raise rules.ReferenceOfAnother from None
    if found.kind == "refund" and status is OperationStatus.SUCCEEDED:
        if body.outcome == "paid_elsewhere":
            books.book_paid_elsewhere(tx, order_id, found.id, found.amount, now)
        else:
            books.book_refunded(tx, found.id, found.amount, now)
