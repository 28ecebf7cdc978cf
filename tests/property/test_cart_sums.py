"""The sums of a cart: exact cents, whatever is in it."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from shared.values import cart_sums
from shared.values.cart_sums import CartLine
from shared.values.goods import availability, cents, dollars
from shared.values.money import ZERO, Usdt

prices = st.integers(1, 100_000).map(dollars)
lines = st.builds(
    CartLine,
    quantity=st.integers(1, 99),
    added_price=prices,
    price=prices,
    on_sale=st.booleans(),
    sellable=st.integers(0, 200),
)
carts = st.lists(lines, max_size=32)
amounts = st.integers(0, 20_000).map(dollars)


@given(carts, amounts, amounts)
def test_goods_and_shipping_are_the_total_and_each_is_whole_cents(cart: list[CartLine], cost: Usdt, free: Usdt) -> None:
    sums = cart_sums.totals(cart, cost, free)
    counted = sum((Decimal(cents(line.price)) * line.quantity for line in cart if line.on_sale), Decimal(0)) / 100
    assert sums.subtotal.decimal == counted
    assert sum((line.total for line in cart), ZERO) == sums.subtotal
    assert sums.total_before_tax - sums.subtotal == sums.shipping
    for amount in (sums.subtotal, sums.shipping, sums.total_before_tax, sums.free_shipping_in or ZERO):
        assert cents(amount) >= 0


@given(carts, amounts, amounts)
def test_shipping_is_free_when_nothing_is_missing_and_costs_the_setting_otherwise(
    cart: list[CartLine], cost: Usdt, free: Usdt
) -> None:
    sums = cart_sums.totals(cart, cost, free)
    if sums.free_shipping_in is None:
        assert sums.shipping == ZERO
        assert sums.subtotal >= free
    else:
        assert sums.free_shipping_in > ZERO
        assert sums.subtotal + sums.free_shipping_in == free
        assert sums.shipping == (cost if sums.subtotal else ZERO)


@given(lines)
def test_what_is_marked_is_what_is_wrong(line: CartLine) -> None:
    assert ("price_changed" in line.marks) == (line.price != line.added_price)
    assert ("off_sale" in line.marks) == (not line.on_sale)
    assert ("short_of_stock" in line.marks) == (line.quantity > line.sellable) == (line.left is not None)
    assert line.left is None or 0 <= line.left < line.quantity


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_less_in_stock_is_never_a_better_word(sellable: int, low_below: int) -> None:
    order = ("out", "low", "in_stock")
    assert order.index(availability(sellable, low_below)) <= order.index(availability(sellable + 1, low_below))
    assert (availability(sellable, low_below) == "out") == (sellable == 0)
