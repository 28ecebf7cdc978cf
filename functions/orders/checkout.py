"""The transactions of a member's order: its birth, another card, and the wish to cancel it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from functions.orders import birth_records, buyer_records, candidates, drafts, rules
from functions.orders.birth_records import Born
from functions.orders.candidates import OrderAsked
from functions.orders.drafts import Draft
from functions.orders.judge import Accepted, Group
from functions.orders.models import ShippingAddress
from shared import settings
from shared.db import ConstraintViolated, Tx
from shared.orders import carts, refusals, standings, sums, tasks, tax_quotes, usdt_requests
from shared.orders.choices import OrderPayment
from shared.orders.states import CancelReason, OrderKind
from shared.orders.tax_quotes import Inquiry, Quote
from shared.values.money import Usdt
from shared.values.problems import Problem
from shared.web.signatures import NotPrepared


def estimate(tx: Tx, member_id: UUID, to: ShippingAddress, inquiry: Inquiry, now: datetime) -> tuple[Draft, Quote]:
    """The open cart as an order, with its tax. Raises the refusal of a cart that cannot be ordered, and QuoteStale."""
    cart = carts.open_cart(tx, member_id)
    if cart is None:
        raise rules.CartEmpty
    draft = drafts.read(tx, cart, to)
    draft.check()
    return draft, tax_quotes.found(tx, member_id, draft.question.basis, inquiry, now)


def place(tx: Tx, group: Sequence[OrderAsked], now: datetime) -> list[Born | Problem | NotPrepared]:
    """Place orders of what is in the open carts; for each request its order or the refusal, and NotPrepared where the
    tax service has to be asked first.

    Raises ConstraintViolated (stock_short) when others have just taken tins that several orders want.
    """
    terms = settings.load(tx).shop
    found = candidates.read(tx, group, terms, now)
    doors = buyer_records.tins_of_doors(tx, {each.doorstep for each in found if each.doorstep}, now)
    judge = Group(doors, terms, now)
    verdicts = [judge.judge(candidate) for candidate in found]
    accepted = [verdict for verdict in verdicts if isinstance(verdict, Accepted)]
    recorded = _recorded(tx, accepted, terms.cost_per_tin, now)
    return [recorded[verdict.id] if isinstance(verdict, Accepted) else verdict for verdict in verdicts]


def pay_again(tx: Tx, member_id: UUID, order_id: UUID, payment: OrderPayment, now: datetime) -> None:
    """Have the order paid in another way, after the last card was declined. Raises NotFound, OrderNotPayable,
    TooManyDeclines, WalletRequired, UsdtNotAvailable.
    """
    refund_to = usdt_requests.refund_to(payment.provider, payment.token, usdt_requests.wallet(tx, member_id, now))
    standings.lock(tx, OrderKind.RETAIL, member_id, order_id).check_payable(now)
    standings.check_declines(tx, member_id, now)
    if refund_to:
        usdt_requests.pay_again(tx, order_id, refund_to, now)
    else:
        assert payment.token, "a card has a token"
        standings.pay_by_card(tx, order_id, payment.token, now)
    tasks.advance_soon(tx, order_id, now)


def cancel(tx: Tx, member_id: UUID, order_id: UUID, now: datetime) -> None:
    """Note that the member wants the order no more. Raises NotFound, OrderNotCancellable, PaymentDisputed."""
    standings.lock(tx, OrderKind.RETAIL, member_id, order_id)
    standings.cancel(tx, order_id, CancelReason.MEMBER, now)


def _recorded(
    tx: Tx, accepted: Sequence[Accepted], cost_per_tin: Usdt, now: datetime
) -> Mapping[UUID, Born | refusals.StockShort]:
    """Record the orders; returns by id what became of each.

    When others have taken the tins since they were read, a single order is told how many are left. Of several orders
    nobody knows which ones still fit: ConstraintViolated is raised, and each is done alone (group_commit.py).
    """
    if not accepted:
        return {}
    if len(accepted) > 1:
        return {born.accepted.id: born for born in birth_records.record(tx, accepted, cost_per_tin, now)}
    (order,) = accepted
    try:
        with tx.savepoint():
            (born,) = birth_records.record(tx, accepted, cost_per_tin, now)
    except ConstraintViolated as refused:
        if refused.constraint != "stock_short":
            raise
        left = standings.left(tx, list(order.draft.names))
        return {order.id: sums.stock_short(order.draft.wanted, left)}
    return {order.id: born}
