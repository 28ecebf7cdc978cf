"""Refunds of tins, of shipping and of amounts in any order add up to the cent to what was charged, never above."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.payment_watch import dispute_shares
from functions.payment_watch.dispute_shares import Taken
from shared.orders import refund_shares
from shared.orders.refund_shares import Charge, ChargedLine, MoreThanLeft, RefundedLine, RefundShare
from shared.values.goods import cents, dollars
from shared.values.money import ZERO, Usdt

# Quantity, price of a tin and tax of the line in cents.
lines = st.lists(st.tuples(st.integers(1, 7), st.integers(1, 900), st.integers(0, 400)), min_size=1, max_size=4)
# A product's position and so many tins; shipping; or thousandths of what is left.
steps = st.lists(
    st.one_of(
        st.tuples(st.just("tins"), st.integers(0, 3), st.integers(1, 4)),
        st.tuples(st.just("shipping"), st.just(0), st.just(0)),
        st.tuples(st.just("amount"), st.just(0), st.integers(1, 1000)),
    ),
    max_size=12,
)


def charged(of: Sequence[tuple[int, int, int]], shipping: int, shipping_tax: int) -> Charge:
    made = [
        ChargedLine(f"P-{at}", tins, dollars(tins * price), dollars(tax), 0, ZERO, ZERO, ZERO, ZERO)
        for at, (tins, price, tax) in enumerate(of)
    ]
    return Charge(made, dollars(shipping), dollars(shipping_tax))


def after(charge: Charge, share: RefundShare) -> Charge:
    """The charge once a refund is recorded."""
    taken = {line.sku: line for line in share.lines}
    return Charge(
        [_after(line, taken[line.sku]) if line.sku in taken else line for line in charge.lines],
        charge.shipping - share.shipping,
        charge.shipping_tax - share.shipping_tax,
    )


def _after(line: ChargedLine, taken: RefundedLine) -> ChargedLine:
    if taken.tins:
        return replace(
            line,
            tins_back=line.tins_back + taken.tins,
            tins_goods=line.tins_goods + taken.goods,
            tins_tax=line.tins_tax + taken.tax,
        )
    return replace(
        line, lowered_goods=line.lowered_goods + taken.goods, lowered_tax=line.lowered_tax + taken.tax
    )  # fmt: skip


def share_of(charge: Charge, step: tuple[str, int, int]) -> RefundShare:
    kind, position, count = step
    if kind == "tins":
        return refund_shares.of_tins(charge, {charge.lines[position % len(charge.lines)].sku: count})
    if kind == "shipping":
        return refund_shares.of_shipping(charge)
    return refund_shares.of_amount(charge, dollars(cents(charge.left) * count // 1000))


@given(lines, st.integers(0, 299), st.integers(0, 30), steps)
def test_refunds_in_any_order_add_up_to_the_charge(
    of: list[tuple[int, int, int]], shipping: int, shipping_tax: int, taken: list[tuple[str, int, int]]
) -> None:
    whole = charge = charged(of, shipping, shipping_tax)
    given_back = ZERO
    for step in taken:
        try:
            share = share_of(charge, step)
        except MoreThanLeft:
            continue
        charge = after(charge, share)
        given_back += share.amount
        assert charge.left == whole.left - given_back
        for line in charge.lines:
            assert min(line.goods_left, line.tax_left) >= ZERO
            assert line.tins_back <= line.quantity
            if line.tins_back == line.quantity:
                assert line.goods_left == line.tax_left == ZERO
        assert min(charge.shipping, charge.shipping_tax) >= ZERO
    rest = refund_shares.of_rest(charge)
    tins_left = sum(line.quantity - line.tins_back for line in charge.lines)
    assert rest is None or rest.tins == tins_left
    assert given_back + (rest.amount if rest else ZERO) == whole.left
    assert rest is None or after(charge, rest).left == ZERO


@given(st.integers(2, 9), st.integers(0, 500), st.data())
def test_tins_one_by_one_are_tins_at_once(quantity: int, tax: int, data: st.DataObject) -> None:
    """However a number of tins is divided into refunds, they give back the same."""
    count = data.draw(st.integers(1, quantity))
    charge = at_once = charged([(quantity, 499, tax)], 0, 0)
    for _ in range(count):
        charge = after(charge, refund_shares.of_tins(charge, {"P-0": 1}))
    at_once = after(at_once, refund_shares.of_tins(at_once, {"P-0": count}))
    assert charge == at_once


def test_a_share_is_rounded_down_and_the_last_tin_takes_the_rest() -> None:
    charge, taxes = charged([(3, 499, 100)], 0, 0), []
    for _ in range(3):
        share = refund_shares.of_tins(charge, {"P-0": 1})
        charge = after(charge, share)
        taxes.append(cents(share.tax))
    assert taxes == [33, 33, 34]


@given(lines, st.integers(0, 299), st.integers(1, 5000))
def test_an_amount_is_given_back_to_the_cent(of: list[tuple[int, int, int]], shipping: int, amount: int) -> None:
    charge = charged(of, shipping, 0)
    wanted = dollars(amount)
    if wanted > charge.left:
        return
    share = refund_shares.of_amount(charge, wanted)
    assert (share.amount, share.tins) == (wanted, 0)


WHOLE = charged([(2, 499, 62)], 299, 19)
GONE = after(WHOLE, refund_shares.of_tins(WHOLE, {"P-0": 2}))


@pytest.mark.parametrize(
    ("charge", "tins"),
    [(GONE, {"P-0": 1}), (WHOLE, {"P-0": 3}), (WHOLE, {"P-0": 0}), (WHOLE, {"P-9": 1}), (WHOLE, {})],
)
def test_tins_that_are_not_left_are_refused(charge: Charge, tins: dict[str, int]) -> None:
    with pytest.raises(MoreThanLeft):
        refund_shares.of_tins(charge, tins)


def test_an_amount_above_what_is_left_is_refused() -> None:
    assert refund_shares.of_amount(GONE, Usdt.of("3.18")).amount == Usdt.of("3.18")
    for amount in (Usdt.of("3.19"), ZERO, Usdt.of("-0.01")):
        with pytest.raises(MoreThanLeft):
            refund_shares.of_amount(GONE, amount)


def test_shipping_is_refunded_once() -> None:
    gone = after(GONE, refund_shares.of_shipping(GONE))
    with pytest.raises(MoreThanLeft):
        refund_shares.of_shipping(gone)
    assert refund_shares.of_rest(gone) is None


@given(lines, st.integers(0, 299), st.integers(0, 30), steps, st.integers(1, 1000))
def test_the_rest_of_what_a_dispute_has_left_is_refunded_to_the_cent(
    of: list[tuple[int, int, int]], shipping: int, shipping_tax: int, taken: list[tuple[str, int, int]], part: int
) -> None:
    charge = charged(of, shipping, shipping_tax)
    for step in taken:
        try:
            charge = after(charge, share_of(charge, step))
        except MoreThanLeft:
            continue
    goods = sum((line.goods_left for line in charge.lines), ZERO)
    left = Taken(goods, charge.shipping, charge.left - goods - charge.shipping, ZERO, 1)
    gone = dispute_shares.taken(left, dollars(cents(charge.left) * part // 1000))
    after_all = refund_shares.without_disputed(charge, goods=gone.goods, shipping=gone.shipping, tax=gone.tax)
    assert after_all.left == charge.left - gone.amount
    assert all(line.goods_left >= ZERO and line.tax_left >= ZERO for line in after_all.lines)
    assert min(after_all.shipping, after_all.shipping_tax) >= ZERO
    rest = refund_shares.of_rest(after_all)
    assert (rest.amount if rest else ZERO) == after_all.left
