"""The prizes' rules, for tests that decide what a scan wins."""

from shared.values.money import ZERO, Usdt
from shared.values.prizes import CompType, Rule
from shared.values.tiers import Tier

RULES = [
    Rule(CompType.CRYPTO_100, 500, Tier.VIP, Usdt.of(100), 0, unlocked_by_admin=False),
    Rule(CompType.CRYPTO_1K, 7_500, Tier.HIGH_ROLLER, Usdt.of(1_000), 2_500, unlocked_by_admin=False),
    Rule(CompType.CRYPTO_10K, 125_000, Tier.WHALE, Usdt.of(10_000), 50_000, unlocked_by_admin=False),
    Rule(CompType.CASINO, 25_000, Tier.WHALE, Usdt.of(1_000), 10_000, unlocked_by_admin=False),
    Rule(CompType.TRIP, 500_000, Tier.WHALE, ZERO, 500_000, unlocked_by_admin=False),
]
