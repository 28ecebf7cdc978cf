"""The sums of an order: every cent of lines, shipping and tax is in the total, and a quote stands for one cart only."""

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from functions.orders import rules
from shared.orders import sums as order_sums
from shared.orders.addresses import DeliveryAddress
from shared.orders.refusals import LimitReached
from shared.orders.sums import Wanted
from shared.values.goods import cents, dollars
from shared.values.money import ZERO, Usdt
from shared.values.settings import OrderLimits

prices = st.integers(1, 100_000).map(dollars)
amounts = st.integers(0, 20_000).map(dollars)
products = st.builds(
    Wanted, sku=st.sampled_from([f"SKU-{n}" for n in range(32)]), quantity=st.integers(1, 99), price=prices
)
orders = st.lists(products, min_size=1, max_size=32, unique_by=lambda line: line.sku)
PLACE = ("12 main street", "", "new york", "ny", "10001")


@given(orders, amounts, st.data())
def test_lines_shipping_and_taxes_are_the_total_to_the_cent(
    wanted: list[Wanted], shipping: Usdt, data: st.DataObject
) -> None:
    taxes = {line.sku: data.draw(amounts) for line in wanted}
    shipping_tax = data.draw(amounts)
    sums = order_sums.add_up(wanted, shipping, taxes, shipping_tax)
    parts = [*(line.amount for line in wanted), shipping, *taxes.values(), shipping_tax]
    assert sum(cents(part) for part in parts) == cents(sums.total)
    assert sums.total == sums.subtotal + sums.shipping + sums.tax
    assert sums.tax - sums.shipping_tax == sum(taxes.values(), ZERO)


@given(orders, amounts, st.randoms())
def test_a_quote_does_not_depend_on_the_order_of_the_lines(wanted: list[Wanted], shipping: Usdt, dice: Random) -> None:
    mixed = list(wanted)
    dice.shuffle(mixed)
    assert order_sums.basis(mixed, shipping, PLACE) == order_sums.basis(wanted, shipping, PLACE)


@given(orders, amounts)
def test_any_change_makes_it_another_quote(wanted: list[Wanted], shipping: Usdt) -> None:
    first, rest = wanted[0], wanted[1:]
    same = order_sums.basis(wanted, shipping, PLACE)
    others = [
        order_sums.basis([replace(first, quantity=first.quantity + 1), *rest], shipping, PLACE),
        order_sums.basis([replace(first, price=first.price + dollars(1)), *rest], shipping, PLACE),
        order_sums.basis([replace(first, sku="SKU-99"), *rest], shipping, PLACE),
        order_sums.basis(rest, shipping, PLACE),
        order_sums.basis(wanted, shipping + dollars(1), PLACE),
        order_sums.basis(wanted, shipping, (*PLACE[:-1], "10002")),
    ]
    assert same not in others
    assert len(set(others)) == len(others)


@given(st.integers(0, 5), st.integers(1, 300), st.integers(0, 700), st.integers(0, 700))
def test_an_order_within_all_limits_is_taken_and_no_other(unpaid: int, tins: int, of_member: int, of_door: int) -> None:
    limits = OrderLimits(unpaid=2, tins=200, tins_in_30_days=600)
    fits = unpaid < 2 and tins <= 200 and of_member + tins <= 600 and of_door + tins <= 600
    try:
        rules.check_limits(rules.Bought(unpaid, of_member, of_door), tins, limits)
        taken = True
    except LimitReached:
        taken = False
    assert taken == fits


words = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=10)


@given(words, words, st.sampled_from(["Apt", "apt.", "#", "Unit", "Ste "]))
def test_a_door_is_the_same_in_other_capitals_blanks_and_marks(street: str, unit: str, word: str) -> None:
    plain = DeliveryAddress("A", f"12 {street} Street", unit, "New York", "NY", "10001")
    other = DeliveryAddress("B", f" 12, {street.upper()}  st.", f"{word} {unit.lower()}", "NYC", "NY", "10001-0001")
    assert plain.doorstep == other.doorstep
    assert plain.doorstep != replace(plain, zip="10002").doorstep
    assert plain.doorstep != replace(plain, line1=f"13 {street} Street").doorstep
