"""USDT amounts: exact in, exact out, nothing lost in between."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.values import encoding
from shared.values.fields import Body, Money
from shared.values.money import MICRO_MAX, NotAnAmount, Usdt

amounts = st.integers(-MICRO_MAX, MICRO_MAX).map(Usdt)
json_exact = st.integers(0, 10**15 - 1).map(Usdt)  # what a JSON number carries exactly: fifteen digits


class Payment(Body):
    amount: Money


@given(amounts)
def test_text_and_back(amount: Usdt) -> None:
    assert Usdt.of(str(amount)) == amount


@given(json_exact)
def test_json_and_back(amount: Usdt) -> None:
    raw = encoding.dump({"amount": amount})
    assert b'"' not in raw.replace(b'"amount"', b"")
    assert Payment.model_validate_json(raw).amount == amount


@given(st.integers(0, MICRO_MAX), st.lists(st.integers(0, 10**6), min_size=1, max_size=50))
def test_shares_sum_to_the_whole_and_follow_their_weights(micro: int, weights: list[int]) -> None:
    if not any(weights):
        with pytest.raises(ValueError, match="weights"):
            Usdt(micro).allocate(weights)
        return
    shares = Usdt(micro).allocate(weights)
    assert sum(share.micro for share in shares) == micro
    for share, weight in zip(shares, weights, strict=True):
        exact = micro * weight / sum(weights)
        assert abs(share.micro - exact) <= max(1.0, exact * 1e-9)
        assert weight or not share


@given(st.integers(0, MICRO_MAX), st.integers(1, 100))
def test_equal_parts_differ_by_at_most_one_millionth(micro: int, parts: int) -> None:
    shares = [share.micro for share in Usdt(micro).split(parts)]
    assert sum(shares) == micro
    assert max(shares) - min(shares) <= 1


@given(st.integers(0, MICRO_MAX // 100))
def test_21_percent_is_exact_and_never_too_much(micro: int) -> None:
    match = Usdt(micro).percent(21).micro
    assert match * 100 <= micro * 21 < (match + 1) * 100


@pytest.mark.parametrize("bad", ["1.0000001", "", "abc", "NaN", "Infinity", "1e-7", "9223372036854.775808", "1,000"])
def test_what_is_no_amount_is_refused(bad: str) -> None:
    with pytest.raises(NotAnAmount):
        Usdt.of(bad)


@pytest.mark.parametrize(
    ("micro", "shown"), [(0, "0.00"), (1, "0.000001"), (4_500_000, "4.50"), (100_000_000, "100.00"), (-10, "-0.00001")]
)
def test_amounts_are_shown_with_two_decimals_at_least(micro: int, shown: str) -> None:
    assert str(Usdt(micro)) == shown
    assert Usdt(micro).decimal == Decimal(shown)
