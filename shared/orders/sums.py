"""The sums of an order: what is wanted at which price, its tax, and what a tax quote stands for. Pure."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shared.orders.refusals import StockShort, TotalChanged
from shared.values.money import ZERO, Usdt


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


def basis(wanted: Iterable[Wanted], shipping: Usdt, place: Sequence[str]) -> bytes:
    """The hash of what a quote stands for: products, quantities, prices, shipping, address. Any change changes it."""
    lines = sorted((line.sku, line.quantity, line.price.micro) for line in wanted)
    return hashlib.sha256(json.dumps([lines, shipping.micro, list(place)]).encode()).digest()


def check_total(expected: Usdt, sums: Sums) -> None:
    """Raises TotalChanged, with the sums of now, when the member expects to pay something else."""
    if sums.total != expected:
        raise TotalChanged(subtotal=sums.subtotal, shipping=sums.shipping, tax=sums.tax, total=sums.total)


def check_stock(wanted: Iterable[Wanted], left: Mapping[str, int]) -> None:
    """Raises StockShort when fewer tins are left of a product than are wanted."""
    refusal = stock_short(wanted, left)
    if refusal.members["items"]:
        raise refusal


def stock_short(wanted: Iterable[Wanted], left: Mapping[str, int]) -> StockShort:
    """The refusal that names each product of which fewer tins are left than are wanted."""
    short = [line for line in wanted if line.quantity > left[line.sku]]
    return StockShort(items=[{"sku": line.sku, "wanted": line.quantity, "left": left[line.sku]} for line in short])


def add_up(wanted: Iterable[Wanted], shipping: Usdt, taxes: Mapping[str, Usdt], shipping_tax: Usdt) -> Sums:
    """Add up an order: goods, shipping, and the taxes of both."""
    subtotal = sum((line.amount for line in wanted), ZERO)
    return Sums(subtotal, shipping, sum(taxes.values(), shipping_tax), shipping_tax)
