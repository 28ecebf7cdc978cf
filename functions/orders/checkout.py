"""The transactions of a member's order: its birth, another card, and the wish to cancel it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from functions.orders import drafts, rules, store, usdt_records
from functions.orders.drafts import Draft
from functions.orders.models import OrderPayment, OrderRequest, ShippingAddress
from functions.orders.quotes import Inquiry
from functions.orders.rules import Wanted
from functions.orders.store import NewOrder, Quote, Standing
from shared import settings
from shared.credentials import fingerprints
from shared.db import ConstraintViolated, Tx
from shared.orders import addresses, card_tokens, carts, rows, tasks
from shared.orders.carts import Cart
from shared.orders.states import CancelReason, OrderState
from shared.values.problems import NotFound, NotValid
from shared.values.retry_after import HOUR, hour_of, until
from shared.values.states import PaymentState
from shared.web.quotas import DAY


def estimate(tx: Tx, member_id: UUID, to: ShippingAddress, inquiry: Inquiry, now: datetime) -> tuple[Draft, Quote]:
    """The open cart as an order, with its tax. Raises the refusal of a cart that cannot be ordered, and QuoteStale."""
    cart = carts.open_cart(tx, member_id)
    if cart is None:
        raise rules.CartEmpty
    draft = drafts.read(tx, cart, "", to)
    return draft, _quoted(tx, member_id, draft, inquiry, now)


def place(tx: Tx, member_id: UUID, body: OrderRequest, inquiry: Inquiry, now: datetime) -> UUID:
    """Place an order of what is in the open cart; returns its id. Raises the refusals of `rules`."""
    refund_to = _refund_to(tx, member_id, body.payment, now)
    cart = _open_cart(tx, member_id, body.cart_id)
    draft = drafts.read(tx, cart, store.full_name(tx, member_id), body.shipping_address)
    quote = _quoted(tx, member_id, draft, inquiry, now)
    doorstep = fingerprints.of_doorstep(draft.address.doorstep)
    _check_pace(tx, member_id, now)
    store.lock_door(tx, doorstep)
    terms = settings.load(tx).shop
    rules.check_limits(store.bought(tx, member_id, doorstep, now - rules.TINS_COUNTED), draft.tins, terms.limits)
    sums = draft.sums(quote)
    rules.check_total(body.expected_total, sums)
    order_id = uuid4()
    order = NewOrder(
        id=order_id,
        member_id=member_id,
        cart_id=cart.id,
        tins=draft.tins,
        sums=sums,
        cost_per_tin=terms.cost_per_tin,
        quote=quote,
        address=addresses.seal(tx, order_id, draft.address),
        state=draft.address.state,
        zip=draft.address.zip,
        doorstep=doorstep,
        placed_at=now,
        expires_at=now + (terms.usdt_life if refund_to else rules.UNPAID_LIFE),
    )
    store.close_cart(tx, cart.id, now)
    store.insert_order(tx, order)
    store.insert_items(tx, order_id, draft.wanted, draft.names, quote.taxes)
    _insert_payment(tx, order_id, body.payment, refund_to, now)
    tasks.advance_soon(tx, order_id, now)
    _promise(tx, order_id, draft.wanted, now)
    return order_id


def pay_again(tx: Tx, member_id: UUID, order_id: UUID, payment: OrderPayment, now: datetime) -> None:
    """Have the order paid in another way, after the last card was declined. Raises OrderNotPayable, TooManyDeclines,
    WalletRequired, UsdtNotAvailable.
    """
    refund_to = _refund_to(tx, member_id, payment, now)
    order = _locked(tx, member_id, order_id)
    waits = order.state == OrderState.PAYMENT_PROCESSING and order.last_payment == PaymentState.FAILED
    over = order.expires_at <= now or order.cancel_wanted_at is not None
    if not waits or over or order.declines >= rules.DECLINES_PER_ORDER:
        raise rules.OrderNotPayable
    _check_declines(tx, member_id, now)
    _insert_payment(tx, order_id, payment, refund_to, now)
    if refund_to:
        store.prolong(tx, order_id, now + settings.load(tx).shop.usdt_life)
    tasks.advance_soon(tx, order_id, now)


def cancel(tx: Tx, member_id: UUID, order_id: UUID, now: datetime) -> None:
    """Record the wish to cancel an order; the machine ends it once it holds no money. A second wish changes nothing.

    Raises OrderNotCancellable.
    """
    order = _locked(tx, member_id, order_id)
    if order.state == OrderState.CANCELLED:
        raise rules.OrderNotCancellable
    if order.cancel_wanted_at is None:
        rows.want_cancelled(tx, order_id, CancelReason.MEMBER, now)
        tasks.advance_soon(tx, order_id, now)


def _open_cart(tx: Tx, member_id: UUID, cart_id: UUID | None) -> Cart:
    """The member's open cart, locked. Raises CartAlreadyOrdered, CartEmpty."""
    cart = store.lock_cart(tx, member_id)
    if cart and cart_id in (None, cart.id):
        return cart
    order_id = store.order_of_cart(tx, member_id, cart_id)
    raise rules.CartAlreadyOrdered(order_id=str(order_id)) if order_id else rules.CartEmpty


def _quoted(tx: Tx, member_id: UUID, draft: Draft, inquiry: Inquiry, now: datetime) -> Quote:
    """The quote of the draft. Raises the refusal of a draft that cannot be ordered, QuoteStale."""
    draft.check()
    found = store.quote(tx, member_id, draft.basis, now)
    if found is None:
        raise inquiry.refusal or rules.QuoteStale()
    return found


def _check_pace(tx: Tx, member_id: UUID, now: datetime) -> None:
    """Raises TooManyOrders, TooManyDeclines. Orders are counted, not tries: a repeated one is told which it became."""
    placed = store.placed_since(tx, member_id, now - HOUR)
    if len(placed) >= rules.ORDERS_PER_HOUR:
        raise rules.TooManyOrders(headers=until(placed[-rules.ORDERS_PER_HOUR] + HOUR, now))
    _check_declines(tx, member_id, now)


def _check_declines(tx: Tx, member_id: UUID, now: datetime) -> None:
    """Raises TooManyDeclines when the day is full."""
    today = hour_of(now) - timedelta(hours=now.hour)
    if store.declines_since(tx, member_id, today) >= rules.DECLINES_PER_DAY:
        raise rules.TooManyDeclines(headers=until(today + DAY, now))


def _refund_to(tx: Tx, member_id: UUID, payment: OrderPayment, now: datetime) -> str | None:
    """The wallet of who pays in USDT; None for a card. Raises WalletRequired, and NotValid for a card without token."""
    if (payment.token is None) != (payment.provider == "usdt"):
        raise NotValid(errors=[{"field": "/payment/token", "message": "a card has one, USDT has none"}])
    return usdt_records.wallet(tx, member_id, now) if payment.provider == "usdt" else None


def _insert_payment(tx: Tx, order_id: UUID, payment: OrderPayment, refund_to: str | None, now: datetime) -> None:
    """Record the payment. Raises UsdtNotAvailable."""
    if refund_to:
        usdt_records.insert(tx, order_id, refund_to, now)
        tasks.watch_deposits(tx, now)
        return
    assert payment.token, "a card has a token"
    payment_id = uuid4()
    store.insert_payment(tx, payment_id, order_id, card_tokens.seal(tx, payment_id, payment.token), now)


def _promise(tx: Tx, order_id: UUID, wanted: Sequence[Wanted], now: datetime) -> None:
    """Promise the stock. Raises StockShort, with what is left."""
    try:
        with tx.savepoint():
            store.promise(tx, order_id, now)
    except ConstraintViolated as refused:
        if refused.constraint != "stock_short":
            raise
        left = {row.sku: row.left for row in store.left(tx, [line.sku for line in wanted])}
        short = [line for line in wanted if line.quantity > left[line.sku]]
        raise rules.StockShort(
            items=[{"sku": line.sku, "wanted": line.quantity, "left": left[line.sku]} for line in short]
        ) from None


def _locked(tx: Tx, member_id: UUID, order_id: UUID) -> Standing:
    """The member's own order, locked. Raises NotFound."""
    found = store.lock_order(tx, member_id, order_id)
    if found is None:
        raise NotFound
    return found
