"""The shares of an order that a dispute takes: goods, shipping and tax in whole cents. Pure."""

from dataclasses import dataclass

from shared.values import goods as cents
from shared.values.money import ZERO, Usdt


@dataclass(frozen=True)
class Taken:
    """A part of an order: taken from it, or left of it. `excess` is what was taken beyond the order."""

    goods: Usdt
    shipping: Usdt
    tax: Usdt
    excess: Usdt
    tins: int

    @property
    def of_order(self) -> Usdt:
        """The part that the order was charged."""
        return self.goods + self.shipping + self.tax

    @property
    def amount(self) -> Usdt:
        """All that was taken."""
        return self.of_order + self.excess

    def __add__(self, other: "Taken") -> "Taken":
        return Taken(
            goods=self.goods + other.goods,
            shipping=self.shipping + other.shipping,
            tax=self.tax + other.tax,
            excess=self.excess + other.excess,
            tins=self.tins + other.tins,
        )

    def __neg__(self) -> "Taken":
        return Taken(-self.goods, -self.shipping, -self.tax, -self.excess, -self.tins)


NOTHING = Taken(ZERO, ZERO, ZERO, ZERO, 0)


def taken(left: Taken, withdrawn: Usdt) -> Taken:
    """The shares of an amount that was withdrawn: all that is left of the order, or a part by largest remainder, which
    names no tins.
    """
    if withdrawn == ZERO:
        return NOTHING
    if withdrawn >= left.of_order:
        return Taken(left.goods, left.shipping, left.tax, withdrawn - left.of_order, left.tins)
    weights = [cents.cents(each) for each in (left.goods, left.shipping, left.tax)]
    shares = Usdt(cents.cents(withdrawn)).allocate(weights)
    goods, shipping, tax = (cents.dollars(each.micro) for each in shares)
    return Taken(goods, shipping, tax, ZERO, 0)
