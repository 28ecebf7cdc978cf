"""Decides which orders are taken: refusals and limits. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.orders.refusals import LimitReached
from shared.values.goods import ProductNotOnSale
from shared.values.problems import NotValid, Problem
from shared.values.settings import OrderLimits

UNPAID_LIFE = timedelta(minutes=30)
TINS_COUNTED = timedelta(days=30)


class CartEmpty(Problem):
    """The cart holds nothing that could be ordered."""

    status, title = 409, "Your cart is empty."


class CartAlreadyOrdered(Problem):
    """The cart has become an order, which `order_id` names."""

    status, title = 409, "This cart is ordered already."


class WalletRequired(Problem):
    """A payment in USDT needs a linked wallet, to which refunds go. A wallet that has taken another one's place cannot
    be used before `rests_until`, which is null when there is no wallet.
    """

    status, title = 409, "Link a wallet to pay in USDT: refunds go to it."


@dataclass(frozen=True)
class Wallet:
    """A member's wallet; `rests_until` is given while one that has taken another one's place rests."""

    address: str | None
    rests_until: datetime | None


def refund_to(provider: str, token: str | None, wallet: Wallet) -> str | None:
    """The wallet of who pays in USDT; None for a card. Raises WalletRequired, and NotValid for a card without token."""
    if (token is None) != (provider == "usdt"):
        raise NotValid(errors=[{"field": "/payment/token", "message": "a card has one, USDT has none"}])
    if provider != "usdt":
        return None
    if wallet.address is None or wallet.rests_until is not None:
        rests = wallet.rests_until.isoformat() if wallet.address and wallet.rests_until else None
        raise WalletRequired(rests_until=rests)
    return wallet.address


class UsdtNotAvailable(Problem):
    """No amount is free that nobody else was asked for lately, or the chain was never read. Nothing was done."""

    status, title, passing = 409, "USDT cannot be taken at this moment; pay by card, or try again later.", True


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
