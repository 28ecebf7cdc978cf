"""The prizes that a winner missed are named, and 21 % of every amount in use is exact."""

import pytest

from functions.admin_comps.rules import Milestone, missed_above
from shared.values.money import Usdt
from shared.values.prizes import CompType

TRIPS = (160, 150, 135, 130, 110, 105, 100, 85, 80, 75, 70, 65)  # thousands of USD (docs/product.md, "Trips")


@pytest.mark.parametrize("usdt", [5, 100, 1_000, 10_000, *(thousand * 1_000 for thousand in TRIPS)])
def test_the_match_of_every_amount_in_use_is_exact(usdt: int) -> None:
    assert Usdt.of(usdt).percent(21) * 100 == Usdt.of(usdt) * 21


def test_missed_are_the_higher_crypto_prizes_that_were_not_won() -> None:
    lower = Milestone(CompType.CRYPTO_100, awarded=False, reason="a higher prize was won")
    won = Milestone(CompType.CRYPTO_1K, awarded=True, reason="won")
    higher = Milestone(CompType.CRYPTO_10K, awarded=False, reason="needs tier whale")
    casino = Milestone(CompType.CASINO, awarded=False, reason="needs tier whale")
    found = [higher, casino, won, lower]
    assert missed_above(CompType.CRYPTO_1K, found) == [higher]
    assert missed_above(CompType.CRYPTO_10K, found) == []
    assert missed_above(CompType.CASINO, found) == []
    assert missed_above(CompType.MANUAL, []) == []
