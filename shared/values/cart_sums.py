"""The sums of a cart: its lines, their marks, shipping. Pure; amounts are whole cents of a dollar."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from shared.values.money import ZERO, Usdt

Mark = Literal["price_changed", "off_sale", "short_of_stock"]


@dataclass(frozen=True)
class CartLine:
    """A product in a cart, beside what is true of it now."""

    quantity: int
    added_price: Usdt
    price: Usdt
    on_sale: bool
    sellable: int

    @property
    def total(self) -> Usdt:
        """The amount that the line adds to the cart: zero when the product is off sale, because nobody can buy it."""
        return self.price * self.quantity if self.on_sale else ZERO

    @property
    def left(self) -> int | None:
        """How many tins can be had, when they are fewer than the line asks for."""
        return self.sellable if self.quantity > self.sellable else None

    @property
    def marks(self) -> list[Mark]:
        """The marks that the member should see before ordering."""
        found: dict[Mark, bool] = {
            "price_changed": self.price != self.added_price,
            "off_sale": not self.on_sale,
            "short_of_stock": self.left is not None,
        }
        return [mark for mark, holds in found.items() if holds]


@dataclass(frozen=True)
class CartTotals:
    """The sums of a cart before tax; `free_shipping_in` is None when shipping is free."""

    subtotal: Usdt
    shipping: Usdt
    free_shipping_in: Usdt | None

    @property
    def total_before_tax(self) -> Usdt:
        """Goods and shipping together."""
        return self.subtotal + self.shipping


def totals(lines: Iterable[CartLine], shipping: Usdt, free_from: Usdt) -> CartTotals:
    """Add up the lines. Shipping is free from a sum of goods on; where there is nothing to ship it costs nothing."""
    subtotal = sum((line.total for line in lines), ZERO)
    if subtotal >= free_from:
        return CartTotals(subtotal, ZERO, None)
    return CartTotals(subtotal, shipping if subtotal else ZERO, free_from - subtotal)
