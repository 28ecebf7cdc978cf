"""Decides which orders are taken: refusals, limits, what a quote stands for, and how payments are told. Pure."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from shared.values.goods import ProductNotOnSale
from shared.values.money import ZERO, Usdt
from shared.values.problems import Problem, TooManyRequests
from shared.values.settings import OrderLimits
from shared.values.states import PaymentState

UNPAID_LIFE = timedelta(minutes=30)
QUOTE_LIFE = timedelta(minutes=30)
TINS_COUNTED = timedelta(days=30)
ORDERS_PER_HOUR = 10
ESTIMATES_PER_HOUR = 60
DECLINES_PER_ORDER = 3
DECLINES_PER_DAY = 10

PaymentStatus = Literal["pending", "authorized", "captured", "failed", "refunded"]
AGAIN = {"Retry-After": "1"}


class CartEmpty(Problem):
    """The cart holds nothing that could be ordered."""

    status, title = 409, "Your cart is empty."


class CartAlreadyOrdered(Problem):
    """The cart has become an order, which `order_id` names."""

    status, title = 409, "This cart is ordered already."


class StockShort(Problem):
    """Fewer tins than wanted are left; `items` names each product with what was wanted and what is left."""

    status, title = 409, "There are fewer left than you want."


class TotalChanged(Problem):
    """The order costs another sum than the member has seen: a price, shipping or the tax has changed meanwhile."""

    status, title = 409, "Your order costs another sum now."


class QuoteStale(Problem):
    """The cart has changed while its tax was asked for. Nothing was done: send the request again."""

    status, title, passing = 409, "Your cart has changed at this moment; try again.", True

    def __init__(self) -> None:
        super().__init__(headers=AGAIN)


class LimitReached(Problem):
    """The order goes beyond a limit, which `limit` names (unpaid, tins, tins_in_30_days) and `maximum` tells."""

    status, title = 409, "You cannot order so much now."


class DestinationNotServed(Problem):
    """The `state` of the address is not one that we ship to."""

    status, title = 409, "We do not ship to this state."


class TaxUnavailable(Problem):
    """The tax service does not answer, and no order is taken without its word. Nothing was done."""

    status, title, passing = 503, "The tax cannot be computed at this moment.", True


class TooManyEstimates(TooManyRequests):
    """The member has asked for the tax too often in this hour."""

    title = "You have asked for the tax very often; wait a little."


class TooManyOrders(TooManyRequests):
    """The member has placed too many orders within an hour."""

    title = "You have placed many orders; wait a little."


class TooManyDeclines(TooManyRequests):
    """The member's cards were declined too often today (UTC)."""

    title = "Your cards were declined too often today; try again tomorrow."


class WalletRequired(Problem):
    """A payment in USDT needs a linked wallet, to which refunds go. A wallet that has taken another one's place cannot
    be used before `rests_until`, which is null when there is no wallet.
    """

    status, title = 409, "Link a wallet to pay in USDT: refunds go to it."


class UsdtNotAvailable(Problem):
    """No amount is free that nobody else was asked for lately, or the chain was never read. Nothing was done."""

    status, title, passing = 409, "USDT cannot be taken at this moment; pay by card, or try again later.", True


class OrderNotPayable(Problem):
    """The order waits for no other card: it is paid, under way, declined three times, expired or cancelled."""

    status, title = 409, "This order cannot be paid again."


class OrderNotCancellable(Problem):
    """The order is cancelled already, or it is too late for it."""

    status, title = 409, "This order cannot be cancelled."


class OrderNotConfirmed(Problem):
    """The order was never paid: there is no receipt."""

    status, title = 409, "There is a receipt once the order is paid."


@dataclass(frozen=True)
class Wanted:
    """A product that is ordered, at the price of now."""

    sku: str
    quantity: int
    price: Usdt

    @property
    def amount(self) -> Usdt:
        """The price of its tins together."""
        return self.price * self.quantity


@dataclass(frozen=True)
class Sums:
    """The sums of an order, and how much of the tax is for shipping."""

    subtotal: Usdt
    shipping: Usdt
    tax: Usdt
    shipping_tax: Usdt

    @property
    def total(self) -> Usdt:
        """Everything that is charged."""
        return self.subtotal + self.shipping + self.tax


@dataclass(frozen=True)
class Bought:
    """The purchases that count against the limits: unpaid orders, and the tins of 30 days by member and by door."""

    unpaid: int
    tins_of_member: int
    tins_of_door: int


def basis(wanted: Iterable[Wanted], shipping: Usdt, place: Sequence[str]) -> bytes:
    """The hash of what a quote stands for: products, quantities, prices, shipping, address. Any change changes it."""
    lines = sorted((line.sku, line.quantity, line.price.micro) for line in wanted)
    return hashlib.sha256(json.dumps([lines, shipping.micro, list(place)]).encode()).digest()


def check_on_sale(off_sale: Sequence[str]) -> None:
    """Raises ProductNotOnSale when products of the cart are off sale."""
    if off_sale:
        raise ProductNotOnSale(skus=sorted(off_sale))


def check_limits(bought: Bought, tins: int, limits: OrderLimits) -> None:
    """Raises LimitReached when the order would go beyond a limit."""
    if bought.unpaid >= limits.unpaid:
        raise LimitReached(limit="unpaid", maximum=limits.unpaid)
    if tins > limits.tins:
        raise LimitReached(limit="tins", maximum=limits.tins)
    if max(bought.tins_of_member, bought.tins_of_door) + tins > limits.tins_in_30_days:
        raise LimitReached(limit="tins_in_30_days", maximum=limits.tins_in_30_days)


def check_total(expected: Usdt, sums: Sums) -> None:
    """Raises TotalChanged, with the sums of now, when the member expects to pay something else."""
    if sums.total != expected:
        raise TotalChanged(subtotal=sums.subtotal, shipping=sums.shipping, tax=sums.tax, total=sums.total)


def sums(wanted: Iterable[Wanted], shipping: Usdt, taxes: Mapping[str, Usdt], shipping_tax: Usdt) -> Sums:
    """Add up an order: goods, shipping, and the taxes of both."""
    subtotal = sum((line.amount for line in wanted), ZERO)
    return Sums(subtotal, shipping, sum(taxes.values(), shipping_tax), shipping_tax)


def payment_status(payments: Sequence[tuple[PaymentState, Usdt, Usdt]]) -> PaymentStatus:
    """The word for an order's payments (state, amount, paid back), oldest first. One that the provider let go of, or
    that was declined, is `failed`: nobody has paid.
    """
    for state, amount, refunded in payments:
        if state == PaymentState.CAPTURED:
            return "refunded" if refunded == amount else "captured"
    states = {state for state, _, _ in payments}
    if PaymentState.AUTHORIZED in states:
        return "authorized"
    return "pending" if PaymentState.PENDING in states else "failed"
