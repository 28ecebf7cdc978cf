"""Decides which orders are taken: refusals and limits. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.orders.refusals import LimitReached
from shared.values.goods import ProductNotOnSale
from shared.values.problems import Problem
from shared.values.settings import OrderLimits

UNPAID_LIFE = timedelta(minutes=30)
TINS_COUNTED = timedelta(days=30)


class CartEmpty(Problem):
    """The cart holds nothing that could be ordered."""

    status, title = 409, "Your cart is empty."


class CartAlreadyOrdered(Problem):
    """The cart has become an order, which `order_id` names."""

    status, title = 409, "This cart is ordered already."


class OrderNotConfirmed(Problem):
    """The order was never paid: there is no receipt."""

    status, title = 409, "There is a receipt once the order is paid."


@dataclass(frozen=True)
class Bought:
    """The purchases that count against the limits: unpaid orders, and the tins of 30 days by member and by door."""

    unpaid: int
    tins_of_member: int
    tins_of_door: int


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
