"""However a tax falls on lines and jurisdictions, its shares are whole cents, sum to it, and are near what was told."""

from decimal import ROUND_HALF_UP, Decimal

from hypothesis import given
from hypothesis import strategies as st

from shared.ports.tax import CENT, OTHER, breakdown, in_cents
from shared.values.money import ZERO, Usdt

EXACT = st.decimals(0, 5_000, places=6)
PARTS = st.lists(EXACT, min_size=1, max_size=20)
SHARES = st.dictionaries(st.tuples(st.sampled_from("ABCDEF"), st.just(Decimal("0.05"))), EXACT, max_size=6)
CENT_MICRO = 10_000


@given(PARTS)
def test_lines_sum_to_the_total_and_none_is_a_cent_off(parts: list[Decimal]) -> None:
    total = sum(parts, Decimal(0)).quantize(CENT, ROUND_HALF_UP)
    shares = in_cents(total, parts)
    assert len(shares) == len(parts)
    assert sum(shares, ZERO) == Usdt.of(total)
    for share, part in zip(shares, parts, strict=True):
        assert share.micro % CENT_MICRO == 0
        assert share >= ZERO
        # a total that was rounded up or down by half a cent moves a share by less than another half
        assert abs(share.decimal - part) < CENT * Decimal("1.5")


@given(PARTS)
def test_a_line_without_tax_gets_none(parts: list[Decimal]) -> None:
    total = sum(parts, Decimal(0)).quantize(CENT, ROUND_HALF_UP)
    shares = in_cents(total, [*parts, Decimal(0)]) if total else [ZERO]
    assert shares[-1] == ZERO


@given(EXACT.map(lambda each: each.quantize(CENT)), SHARES)
def test_a_breakdown_sums_to_the_tax(tax: Decimal, shares: dict[tuple[str, Decimal], Decimal]) -> None:
    found = breakdown(tax, shares)
    assert sum((each.amount for each in found), ZERO) == Usdt.of(tax)
    assert all(each.amount.micro % CENT_MICRO == 0 and each.amount >= ZERO for each in found)
    told = sum(shares.values(), Decimal(0))
    if tax and abs(told - tax) > CENT:
        assert OTHER in {each.name for each in found}


@given(SHARES)
def test_jurisdictions_that_sum_have_no_other_line(shares: dict[tuple[str, Decimal], Decimal]) -> None:
    tax = sum(shares.values(), Decimal(0)).quantize(CENT, ROUND_HALF_UP)
    found = breakdown(tax, shares)
    assert OTHER not in {each.name for each in found}
    assert sum((each.amount for each in found), ZERO) == Usdt.of(tax)
