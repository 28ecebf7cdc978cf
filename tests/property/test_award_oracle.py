"""Every scan number from 1 to 1,000,000, every tier, every unlock state: what is won, by an oracle of its own."""

from collections.abc import Sequence

from functions.scans.rules import Decision, UnlockState, decide, hits, usdt_won
from shared.values.money import Usdt
from shared.values.prizes import CompType
from shared.values.tiers import Tier
from tests.property.prize_rules import RULES

NUMBERS = 1_000_000
VOLUMES = (0, 2_499, 2_500, 9_999, 10_000, 49_999, 50_000, 499_999, 500_000, 999_999, 1_000_000)
TRIPS = (0, 1, 2)
STATES = [UnlockState(volume, trips) for volume in VOLUMES for trips in TRIPS]


def test_a_million_numbers_have_the_oracles_prizes() -> None:
    """Numbers with no prize are decided once for all tiers and states: there is nothing to decide."""
    assert decide([], Tier.WHALE, STATES[-1]) == []
    decided = 0
    for number in range(1, NUMBERS + 1):
        found = hits(RULES, number)
        assert bool(found) == (number % 500 == 0), number
        if found:
            decided += sum(
                check(number, tier, unlock, decide(found, tier, unlock)) for tier in Tier for unlock in STATES
            )
    assert decided == NUMBERS // 500 * len(Tier) * len(STATES)


def check(number: int, tier: Tier, unlock: UnlockState, decisions: Sequence[Decision]) -> bool:
    """1 when the decisions are the oracle's; fails otherwise."""
    won = {decision.rule.type for decision in decisions if decision.awarded}
    assert won == oracle(number, tier, unlock.tins_per_month, unlock.trips_this_month), (number, tier, unlock)
    dollars = sum({"crypto_100": 100, "crypto_1k": 1_000, "crypto_10k": 10_000, "casino": 1_000}.get(p, 0) for p in won)
    assert usdt_won(decisions) == Usdt.of(dollars)
    return True


def oracle(number: int, tier: Tier, tins: int, trips: int) -> set[CompType]:
    """The table of docs/product.md, "Prizes", written as one reads it."""
    whale = tier == "whale"
    won: set[CompType] = set()
    if number % 125_000 == 0 and whale and tins >= 50_000:
        won.add(CompType.CRYPTO_10K)
    elif number % 7_500 == 0 and tier in ("high_roller", "whale") and tins >= 2_500:
        won.add(CompType.CRYPTO_1K)
    elif number % 500 == 0 and tier != "standard":
        won.add(CompType.CRYPTO_100)
    if number % 25_000 == 0 and whale and tins >= 10_000:
        won.add(CompType.CASINO)
    if number % 500_000 == 0 and whale and tins // 500_000 > trips:
        won.add(CompType.TRIP)
    return won
