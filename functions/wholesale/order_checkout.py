"""The transactions of a wholesale order: its birth, another card, and the wish to cancel it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from functions.wholesale import order_drafts, order_rules, order_store, rules
from functions.wholesale.order_drafts import Draft, Taxed
from functions.wholesale.order_models import WholesaleOrderRequest
from functions.wholesale.order_store import NewOrder
from shared import settings
from shared.db import ConstraintViolated, Tx
from shared.orders import addresses, limits, refusals, standings, sums, tasks, usdt_requests
from shared.orders.choices import OrderPayment
from shared.orders.states import CancelReason, OrderKind
from shared.orders.sums import Wanted
from shared.orders.tax_quotes import Inquiry
from shared.values.retry_after import HOUR
from shared.values.states import PaymentProvider


def place(tx: Tx, member_id: UUID, body: WholesaleOrderRequest, inquiry: Inquiry, now: datetime) -> UUID:
    """Place an order; returns its id. Raises the refusals of `order_drafts`, LimitReached, TooManyDeclines,
    TooManyOrders, TotalChanged, StockShort, WalletRequired, UsdtNotAvailable, NotValid.
    """
    token = body.payment.token
    refund_to = usdt_requests.refund_to(body.payment.provider, token, usdt_requests.wallet(tx, member_id, now))
    draft = order_drafts.read(tx, member_id, body.items, body.delivery_address, now)
    account_id = draft.buyer.account_id
    order_store.lock_orders(tx, account_id)
    taxed = order_drafts.taxed(tx, draft, inquiry, now)
    if token:
        standings.check_declines(tx, member_id, now)
    limits.check_pace(order_store.placed_since(tx, account_id, now - HOUR), now)
    terms, total = settings.load(tx), taxed.sums(draft)
    order_rules.check_unpaid(order_store.unpaid(tx, account_id), total.total, terms.wholesale)
    sums.check_total(body.expected_total, total)
    life = terms.shop.usdt_life if refund_to else order_rules.CARD_LIFE if token else terms.wholesale.invoice_life
    expires_at, order_id = now + life, uuid4()
    _insert(tx, order_id, draft, taxed, now, expires_at=expires_at)
    if token:
        standings.pay_by_card(tx, order_id, token, now)
    elif refund_to:
        usdt_requests.insert(tx, {order_id: refund_to}, now)
    else:
        _pay_by_invoice(tx, order_id, now, expires_at)
    tasks.advance_soon(tx, order_id, now)
    _promise(tx, order_id, draft.wanted, now)
    return order_id


def pay_again(tx: Tx, member_id: UUID, order_id: UUID, payment: OrderPayment, now: datetime) -> None:
    """Have the order paid in another way, after the last card was declined. Raises NotFound, OrderNotPayable,
    TooManyDeclines, WalletRequired, UsdtNotAvailable.
    """
    refund_to = usdt_requests.refund_to(payment.provider, payment.token, usdt_requests.wallet(tx, member_id, now))
    order = standings.lock(tx, OrderKind.WHOLESALE, member_id, order_id)
    order.check_payable(now)
    if order.provider is not PaymentProvider.CARD:
        raise refusals.OrderNotPayable
    standings.check_declines(tx, member_id, now)
    if refund_to:
        usdt_requests.pay_again(tx, order_id, refund_to, now)
    else:
        assert payment.token, "a card has a token"
        standings.pay_by_card(tx, order_id, payment.token, now)
    tasks.advance_soon(tx, order_id, now)


def cancel(tx: Tx, member_id: UUID, order_id: UUID, now: datetime) -> None:
    """Note that the account wants the order no more. Raises NotFound, OrderNotCancellable, PaymentDisputed."""
    standings.lock(tx, OrderKind.WHOLESALE, member_id, order_id)
    standings.cancel(tx, order_id, CancelReason.MEMBER, now)


def _insert(tx: Tx, order_id: UUID, draft: Draft, taxed: Taxed, now: datetime, *, expires_at: datetime) -> None:
    """Record the order and its items. Raises AccountNotApproved when the account was suspended at this moment."""
    order = NewOrder(
        id=order_id,
        account_id=draft.buyer.account_id,
        member_id=draft.buyer.member_id,
        tins=draft.tins,
        sums=taxed.sums(draft),
        cost_per_tin=settings.load(tx).shop.cost_per_tin,
        quote=taxed.quote,
        certificate_id=draft.certificate_id,
        address=addresses.seal(tx, order_id, draft.address),
        state=draft.address.state,
        zip=draft.address.zip,
        placed_at=now,
        expires_at=expires_at,
    )
    try:
        with tx.savepoint():
            order_store.insert_order(tx, order)
    except ConstraintViolated as refused:
        if refused.constraint != "order_account":
            raise
        raise rules.AccountNotApproved(account_status="suspended") from None
    order_store.insert_items(tx, order_id, draft.wanted, draft.names, taxed.taxes)


def _pay_by_invoice(tx: Tx, order_id: UUID, now: datetime, due_at: datetime) -> None:
    payment_id = uuid4()
    standings.insert_payment(tx, payment_id, order_id, PaymentProvider.INVOICE, sealed=None, now=now)
    order_store.insert_invoice(tx, payment_id, now, due_at)


def _promise(tx: Tx, order_id: UUID, wanted: Sequence[Wanted], now: datetime) -> None:
    """Promise the stock. Raises StockShort, with what is left."""
    try:
        with tx.savepoint():
            order_store.promise(tx, order_id, now)
    except ConstraintViolated as refused:
        if refused.constraint != "stock_short":
            raise
        raise sums.stock_short(wanted, standings.left(tx, [line.sku for line in wanted])) from None
