"""The order machine: takes an order as far as its rows allow, in one transaction (docs/shop.md, "Orders").

It asks nobody: what has to be asked of a provider is recorded, with a task that does it after the commit.
"""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from shared.db import Tx
from shared.messages import hook_events
from shared.orders import books, dispatch, fulfilments, operations, refunds, rows, telling, usdt
from shared.orders.refunds import RefundReason
from shared.orders.rows import Order, Payment
from shared.orders.states import PAID, UNPAID, CancelReason, OrderKind, OrderState
from shared.values.hooks import HookKind
from shared.values.states import AgeCheckStatus, OperationStatus, PaymentProvider, PaymentState

AGE_CHECK_LIFE = timedelta(minutes=60)


class OrderUnknown(LookupError):
    """Raised when there is no such order."""


def advance(tx: Tx, order_id: UUID, now: datetime) -> Order:
    """Take the order as far as it can go now, and return it. Raises OrderUnknown.

    Harmless at any time: an order that waits for somebody stays as it is.
    """
    order = _locked(tx, order_id)
    if order.confirmed_at is not None or order.cancel_wanted_at is not None:
        usdt.settle(tx, order.id, now)
    if order.state in UNPAID and order.expires_at <= now and usdt.may_expire(tx, order.id):
        rows.want_cancelled(tx, order.id, CancelReason.EXPIRED, now)
        order = _locked(tx, order_id)
    if order.state is OrderState.PENDING and order.kind is OrderKind.WHOLESALE and order.cancel_wanted_at is None:
        rows.go_on_to_payment(tx, order.id, None, now, rows.PAYING_LIFE)
        order = _locked(tx, order_id)
    if order.state in (OrderState.PENDING, OrderState.AGE_VERIFICATION) and order.cancel_wanted_at is None:
        _check_age(tx, order, now)
        order = _locked(tx, order_id)
    if order.state is OrderState.PAYMENT_PROCESSING and order.cancel_wanted_at is None:
        _pay(tx, order, now)
        order = _locked(tx, order_id)
    if order.state in PAID:
        dispatch.go_out(tx, order, now)
        order = _locked(tx, order_id)
    if order.is_leaving and order.state is not OrderState.CANCELLED:
        _leave(tx, order, now)
        order = _locked(tx, order_id)
    return order


def _locked(tx: Tx, order_id: UUID) -> Order:
    order = rows.lock(tx, order_id)
    if order is None:
        raise OrderUnknown(f"there is no order {order_id}")
    return order


def _check_age(tx: Tx, order: Order, now: datetime) -> None:
    """Go on to the payment with an accepted check of the member's age; else wait for one, and record it if it is new.

    A denial cancels the orders that have waited for it. The next order has a check of its own.
    """
    check = rows.newest_age_check(tx, order.member_id)
    if check and check.status == AgeCheckStatus.ACCEPTED and check.valid_until and check.valid_until > now:
        in_usdt = rows.newest_payment(tx, order.id).provider is PaymentProvider.USDT
        life = usdt.paying_life(tx) if in_usdt else rows.PAYING_LIFE
        rows.go_on_to_payment(tx, order.id, check.id, now, life)
    elif check and check.status == AgeCheckStatus.DENIED and check.recorded_at >= order.placed_at:
        rows.want_cancelled(tx, order.id, CancelReason.AGE_DENIED, now)
    else:
        if check is None or check.status != AgeCheckStatus.PENDING:
            rows.record_age_check(tx, uuid4(), order.member_id, now)
        if order.state is OrderState.PENDING:
            rows.wait_for_age_check(tx, order.id, now, now + AGE_CHECK_LIFE)


def _pay(tx: Tx, order: Order, now: datetime) -> None:
    """Have the money held, then taken, then confirm the order. What cannot be taken is let go. A payment that came to
    nothing waits for the member's next one.
    """
    payment = rows.newest_payment(tx, order.id)
    if payment.provider is PaymentProvider.USDT and payment.state is PaymentState.PENDING:
        if not usdt.capture(tx, order, payment, now):
            return
        payment = rows.newest_payment(tx, order.id)
    if payment.state is PaymentState.CAPTURED:
        books.book_sale(tx, order, payment, now)
        fulfilments.record(tx, order.id, now)
        rows.confirm(tx, order.id, now)
        telling.confirmed(tx, order, now)
        hook_events.tell(tx, HookKind.ORDER_CONFIRMED, order.id, now)
    elif payment.provider is PaymentProvider.INVOICE:
        _await_transfer(tx, payment, now)
    elif payment.open_operation is None and payment.state is PaymentState.PENDING:
        operations.record(tx, payment.id, "authorize", payment.amount, now)
    elif payment.open_operation is None and payment.state is PaymentState.AUTHORIZED:
        if payment.capture_refused:
            _void(tx, payment, now)
        else:
            operations.record(tx, payment.id, "capture", payment.amount, now)


def _leave(tx: Tx, order: Order, now: datetime) -> None:
    """Cancel the order once it holds no money and may get none any more; until then, have the money given back. What is
    at the warehouse is paid back only when that sends nothing any more.
    """
    if not fulfilments.withdraw(tx, order.id, now):
        return
    payment = _without_unsent(tx, order, rows.newest_payment(tx, order.id), now)
    if not _holds_nothing(tx, order, payment, now):
        return
    if order.confirmed_at is None and order.kind is OrderKind.RETAIL:
        rows.refill_cart(tx, order, uuid4(), now)
    telling.cancelled(tx, order, now, refunded=payment.state is PaymentState.CAPTURED)
    rows.release_stock(tx, order.id, now)
    rows.cancel(tx, order.id, now)
    hook_events.tell(tx, HookKind.ORDER_CANCELLED, order.id, now)


def _holds_nothing(tx: Tx, order: Order, payment: Payment, now: datetime) -> bool:
    """True if the order has no money and will get none. Otherwise what gives it back is recorded, once."""
    if payment.open_operation is not None:
        return False  # it was sent: the provider's answer decides
    if payment.state is PaymentState.AUTHORIZED:
        _void(tx, payment, now)
        return False
    if payment.dispute_open:
        return False  # the buyer's bank may get the money back
    if payment.state is PaymentState.CAPTURED and payment.refunded + payment.disputed < payment.amount:
        books.book_sale(tx, order, payment, now)
        refunds.refund_rest(tx, order, payment, RefundReason.CANCELLED, now)
        return False
    return usdt.holds_nothing(tx, order.id)


def _without_unsent(tx: Tx, order: Order, payment: Payment, now: datetime) -> Payment:
    """The payment once an operation that nobody has sent is ended; a payment that nobody has tried fails by that."""
    if payment.provider is PaymentProvider.USDT:
        usdt.stop(tx, order, payment, now)
        return rows.newest_payment(tx, order.id)
    operation = payment.open_operation if payment.open_status is OperationStatus.RECORDED else None
    if payment.state is PaymentState.PENDING and payment.open_operation is None:
        operation = operations.record(tx, payment.id, "authorize", payment.amount, now, asked=False)
    if operation is None:
        return payment
    operations.never_send(tx, operation, now)
    return rows.newest_payment(tx, payment.order_id)


def _await_transfer(tx: Tx, payment: Payment, now: datetime) -> None:
    """Record that a transfer of the invoice's amount is waited for, once; it ends when people book the transfer."""
    if payment.state is PaymentState.PENDING and payment.open_operation is None:
        operations.record(tx, payment.id, "capture", payment.amount, now, asked=False)


def _void(tx: Tx, payment: Payment, now: datetime) -> None:
    """Have the provider let go of what it holds. After a refusal people decide, because it may still hold it."""
    if not payment.void_refused:
        operations.record(tx, payment.id, "void", payment.amount, now)
