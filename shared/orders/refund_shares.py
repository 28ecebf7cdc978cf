"""How much a refund gives back of each line of an order, of its shipping, and of their taxes. Pure.

Tins take their share of what the line cost: the cumulative share, rounded down to the cent, less what earlier tins
took, so that the last tin takes the rest. An amount is taken from everything that is left, in proportion; it names no
tins, and lowers what each tin of a line has cost. So refunds in any order add up to what was charged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shared.values.goods import MICRO_PER_CENT, cents, dollars
from shared.values.money import ZERO, Usdt


class MoreThanLeft(Exception):
    """Raised when more is to be given back than is left of the order, or nothing at all."""


@dataclass(frozen=True)
class ChargedLine:
    """A line of an order: what it cost, and what was given back of it. `tins_goods` and `tins_tax` were given back with
    tins, `lowered_goods` and `lowered_tax` by amounts.
    """

    sku: str
    quantity: int
    goods: Usdt
    tax: Usdt
    tins_back: int
    tins_goods: Usdt
    tins_tax: Usdt
    lowered_goods: Usdt
    lowered_tax: Usdt

    @property
    def goods_left(self) -> Usdt:
        """The part of the goods that was not given back."""
        return self.goods - self.tins_goods - self.lowered_goods

    @property
    def tax_left(self) -> Usdt:
        """The part of the tax that was not given back."""
        return self.tax - self.tins_tax - self.lowered_tax


@dataclass(frozen=True)
class Charge:
    """An order as far as refunds ask: its lines, and what is left of its shipping and the tax of that."""

    lines: Sequence[ChargedLine]
    shipping: Usdt
    shipping_tax: Usdt

    @property
    def left(self) -> Usdt:
        """Everything that was not given back."""
        return sum((line.goods_left + line.tax_left for line in self.lines), self.shipping + self.shipping_tax)


@dataclass(frozen=True)
class RefundedLine:
    """The part of a line that a refund gives back."""

    sku: str
    tins: int
    goods: Usdt
    tax: Usdt


@dataclass(frozen=True)
class RefundShare:
    """The parts of an order that a refund gives back; `shipping_tax` is the tax of `shipping`."""

    lines: Sequence[RefundedLine]
    shipping: Usdt
    shipping_tax: Usdt

    @property
    def tins(self) -> int:
        """The tins that it names."""
        return sum(line.tins for line in self.lines)

    @property
    def goods(self) -> Usdt:
        """The goods that it gives back."""
        return sum((line.goods for line in self.lines), ZERO)

    @property
    def tax(self) -> Usdt:
        """The taxes that it gives back, that of the shipping included."""
        return sum((line.tax for line in self.lines), self.shipping_tax)

    @property
    def amount(self) -> Usdt:
        """Everything that it gives back."""
        return self.goods + self.shipping + self.tax


def of_tins(charge: Charge, tins: Mapping[str, int]) -> RefundShare:
    """The share of so many tins of each product. Raises MoreThanLeft."""
    lines = {line.sku: line for line in charge.lines}
    taken = []
    for sku, count in sorted(tins.items()):
        line = lines.get(sku)
        if line is None or not 0 < count <= line.quantity - line.tins_back:
            raise MoreThanLeft
        taken.append(_tins(line, count))
    return _something(RefundShare(taken, ZERO, ZERO))


def of_shipping(charge: Charge) -> RefundShare:
    """Give back what is left of the shipping and its tax. Raises MoreThanLeft."""
    return _something(RefundShare([], charge.shipping, charge.shipping_tax))


def of_amount(charge: Charge, amount: Usdt) -> RefundShare:
    """The share of an amount in whole cents. Raises MoreThanLeft."""
    if not ZERO < amount <= charge.left:
        raise MoreThanLeft
    left = [part for line in charge.lines for part in (line.goods_left, line.tax_left)]
    shares = _in_proportion(amount, [*left, charge.shipping, charge.shipping_tax])
    lines = [
        RefundedLine(line.sku, 0, goods, tax)
        for line, goods, tax in zip(charge.lines, shares[0:-2:2], shares[1:-2:2], strict=True)
        if goods or tax
    ]
    return RefundShare(lines, shares[-2], shares[-1])


def of_rest(charge: Charge) -> RefundShare | None:
    """Everything that is left, with all tins that are; None if no money is."""
    lines = [
        RefundedLine(line.sku, line.quantity - line.tins_back, line.goods_left, line.tax_left)
        for line in charge.lines
        if line.quantity > line.tins_back or line.goods_left or line.tax_left
    ]
    share = RefundShare(lines, charge.shipping, charge.shipping_tax)
    return share if share.amount else None


def without_disputed(charge: Charge, *, goods: Usdt, shipping: Usdt, tax: Usdt) -> Charge:
    """The charge as far as disputes have left it. What they have taken lowers the lines in proportion to what is left
    of them, as an amount does: it names no tins.
    """
    of_goods = _in_proportion(goods, [line.goods_left for line in charge.lines])
    taxes = _in_proportion(tax, [*(line.tax_left for line in charge.lines), charge.shipping_tax])
    lines = [
        replace(line, lowered_goods=line.lowered_goods + gone, lowered_tax=line.lowered_tax + tax_gone)
        for line, gone, tax_gone in zip(charge.lines, of_goods, taxes[:-1], strict=True)
    ]
    return Charge(lines, charge.shipping - shipping, charge.shipping_tax - taxes[-1])


def _tins(line: ChargedLine, count: int) -> RefundedLine:
    gone = line.tins_back + count
    goods = _cumulative(line.goods - line.lowered_goods, gone, line.quantity) - line.tins_goods
    tax = _cumulative(line.tax - line.lowered_tax, gone, line.quantity) - line.tins_tax
    return RefundedLine(line.sku, count, max(goods, ZERO), max(tax, ZERO))


def _cumulative(whole: Usdt, gone: int, quantity: int) -> Usdt:
    """The share of `gone` of `quantity` tins, rounded down to the cent."""
    return dollars(whole.micro * gone // quantity // MICRO_PER_CENT)


def _in_proportion(amount: Usdt, parts: Sequence[Usdt]) -> list[Usdt]:
    """The amount in shares of whole cents, none of which is more than its part."""
    if not amount:
        return [ZERO for _ in parts]
    return [dollars(share.micro) for share in Usdt(cents(amount)).allocate([cents(part) for part in parts])]


def _something(share: RefundShare) -> RefundShare:
    if not share.amount:
        raise MoreThanLeft
    return share
