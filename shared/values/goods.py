"""The goods of the shop: prices in whole cents, and how much of a product there is. Pure."""

from typing import Literal

from shared.values.money import MICRO_PER_USDT, Usdt
from shared.values.problems import Problem

MICRO_PER_CENT = MICRO_PER_USDT // 100
PRICE_CENTS_MAX = 100_000
TINS_MAX = 1_000_000  # of a product in a line of an order, or in a parcel
PICTURE = r"^(/[a-z0-9][a-z0-9._-]{0,60}){1,3}$"  # a path below the public web site, as the schema has it

Availability = Literal["in_stock", "low", "out"]


class ProductUnknown(Problem):
    """No product has this SKU."""

    status, title = 404, "There is no such product."


class ProductNotOnSale(Problem):
    """The product is off sale: nobody can put it into a cart or order it now; `skus` names those of a cart."""

    status, title = 409, "This product is not on sale."


def dollars(cents: int) -> Usdt:
    """The amount of so many cents: a dollar is one USDT."""
    return Usdt(cents * MICRO_PER_CENT)


def cents(amount: Usdt) -> int:
    """The cents of an amount. Raises ValueError when it is not whole cents."""
    whole, rest = divmod(amount.micro, MICRO_PER_CENT)
    if rest:
        raise ValueError("must be whole cents")
    return whole


def availability(sellable: int, low_below: int) -> Availability:
    """The word for what can be sold: none is `out`, fewer tins than `low_below` are `low`."""
    if sellable <= 0:
        return "out"
    return "low" if sellable < low_below else "in_stock"
