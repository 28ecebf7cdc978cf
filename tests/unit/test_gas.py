"""An offer for gas is never less than the network takes, never more than we pay, and enough more to replace."""

import pytest

from shared.values.gas import GAS_LIMIT_TRANSFER, Fees, Price, affordable, offer_within, replacement
from shared.values.polygon import GWEI

CAP = 2_000 * GWEI


@pytest.mark.parametrize(("suggested", "tip"), [(0, 30), (25, 30), (30, 30), (31, 31), (400, 400)])
def test_the_tip_is_what_nodes_suggest_and_at_least_thirty_gwei(suggested: int, tip: int) -> None:
    made = offer_within(Fees(100 * GWEI, suggested * GWEI), CAP)

    assert made == Price((200 + tip) * GWEI, tip * GWEI)


def test_an_offer_is_capped_and_never_tips_more_than_it_pays() -> None:
    assert offer_within(Fees(500 * GWEI, 30 * GWEI), 600 * GWEI) == Price(600 * GWEI, 30 * GWEI)
    assert offer_within(Fees(0, 900 * GWEI), 600 * GWEI) == Price(600 * GWEI, 600 * GWEI)


def test_nothing_is_offered_while_the_least_is_above_the_cap() -> None:
    assert offer_within(Fees(570 * GWEI, 0), 600 * GWEI)
    assert offer_within(Fees(570 * GWEI + 1, 0), 600 * GWEI) is None


@pytest.mark.parametrize("wei", [1, 7, 8, 9, 30 * GWEI, 30 * GWEI + 1, 123_456_789_123])
def test_a_replacement_raises_both_fees_by_an_eighth_rounded_up(wei: int) -> None:
    made = replacement(Price(3 * wei, wei), Fees(0, 0), 10**15)

    assert made
    assert made.fee_per_gas_wei_max * 8 >= 27 * wei
    assert made.priority_fee_per_gas_wei_max * 8 >= 9 * wei


def test_a_replacement_follows_a_market_that_has_risen_further() -> None:
    made = replacement(Price(100 * GWEI, 30 * GWEI), Fees(300 * GWEI, 80 * GWEI), CAP)

    assert made == Price(680 * GWEI, 80 * GWEI)


def test_a_replacement_that_would_cost_more_than_we_pay_is_none() -> None:
    assert replacement(Price(1_777 * GWEI, 30 * GWEI), Fees(GWEI, 0), CAP)
    assert replacement(Price(1_778 * GWEI, 30 * GWEI), Fees(GWEI, 0), CAP) is None


def test_the_gas_of_what_is_out_is_spent_already() -> None:
    price = Price(100 * GWEI, 30 * GWEI)
    one = GAS_LIMIT_TRANSFER * 100 * GWEI

    assert affordable(5 * one, price, 3) == 2
    assert affordable(5 * one - 1, price, 3) == 1
    assert affordable(2 * one, price, 3) == 0


def test_a_tip_may_be_all_that_is_paid() -> None:
    """The base fee is what is left of the fee, and may be nothing."""
    assert replacement(Price(80 * GWEI, 80 * GWEI), Fees(0, 30 * GWEI), CAP) == Price(90 * GWEI, 90 * GWEI)
