"""The prizes of a scan, for any number, tier and unlock state, are those of docs/product.md, "Prizes", read anew."""

from hypothesis import given
from hypothesis import strategies as st

from functions.scans.rules import UnlockState, decide, main_decision, usdt_won
from shared.values.money import Usdt
from shared.values.prizes import CRYPTO, CompType, Rule
from shared.values.tiers import Tier
from tests.property.prize_rules import RULES

numbers = st.integers(1, 2_000).map(lambda factor: factor * 500)
tiers = st.sampled_from(list(Tier))
volumes = st.sampled_from([0, 2_499, 2_500, 10_000, 49_999, 50_000, 499_999, 500_000, 1_000_000])
unlocks = st.builds(UnlockState, volumes, st.integers(0, 2))


def candidates(number: int) -> list[Rule]:
    return [rule for rule in RULES if number % rule.interval == 0]


@given(numbers, tiers, unlocks)
def test_at_most_one_crypto_prize_is_won_and_it_is_the_best_within_reach(
    number: int, tier: Tier, unlock: UnlockState
) -> None:
    won = [decision.rule for decision in decide(candidates(number), tier, unlock) if decision.awarded]
    crypto = [rule for rule in won if rule.type in CRYPTO]
    reachable = []
    if number % 500 == 0 and tier != Tier.STANDARD:
        reachable.append(100)
    if number % 7_500 == 0 and tier in (Tier.HIGH_ROLLER, Tier.WHALE) and unlock.tins_per_month >= 2_500:
        reachable.append(1_000)
    if number % 125_000 == 0 and tier == Tier.WHALE and unlock.tins_per_month >= 50_000:
        reachable.append(10_000)
    assert [rule.amount for rule in crypto] == ([Usdt.of(max(reachable))] if reachable else [])


@given(numbers, tiers, unlocks)
def test_trip_and_casino_are_decided_beside_it(number: int, tier: Tier, unlock: UnlockState) -> None:
    won = {decision.rule.type for decision in decide(candidates(number), tier, unlock) if decision.awarded}
    trips_allowed = unlock.tins_per_month // 500_000
    assert (CompType.TRIP in won) == (
        number % 500_000 == 0 and tier == Tier.WHALE and unlock.trips_this_month < trips_allowed
    )
    assert (CompType.CASINO in won) == (number % 25_000 == 0 and tier == Tier.WHALE and unlock.tins_per_month >= 10_000)


@given(numbers, tiers, unlocks)
def test_every_prize_of_a_number_is_decided_once_with_a_reason(number: int, tier: Tier, unlock: UnlockState) -> None:
    decisions = decide(candidates(number), tier, unlock)
    assert sorted(decision.rule.type for decision in decisions) == sorted(rule.type for rule in candidates(number))
    assert all(decision.why.text for decision in decisions)
    assert usdt_won(decisions).micro == sum(d.rule.amount.micro for d in decisions if d.awarded)


@given(numbers, tiers, unlocks)
def test_the_one_to_show_is_a_prize_that_was_won_if_any_was(number: int, tier: Tier, unlock: UnlockState) -> None:
    decisions = decide(candidates(number), tier, unlock)
    shown = main_decision(decisions)
    assert (shown is None) == (not decisions)
    assert shown is None or shown.awarded == any(decision.awarded for decision in decisions)


@given(numbers, unlocks)
def test_an_admin_can_unlock_what_volume_has_not(number: int, unlock: UnlockState) -> None:
    unlocked = [Rule(**{**vars(rule), "unlocked_by_admin": True}) for rule in candidates(number)]
    decisions = decide(unlocked, Tier.WHALE, unlock)
    crypto = [decision for decision in decisions if decision.rule.type in CRYPTO]
    assert crypto[0].awarded
    assert all(decision.awarded for decision in decisions if decision.rule.type not in CRYPTO)
