"""The prizes, and those of them that each tier can win. Pure."""

from collections.abc import Sequence

from shared.values.fields import Money, Reply
from shared.values.prizes import CompType, Rule
from shared.values.tiers import Tier


class TierEligibility(Reply):
    """The prizes of the global count that members of the tier can win."""

    tier: Tier
    prizes: list[CompType]


class PrizeFigures(Reply):
    """A prize of the global count: from which tier on it is won, on every how many scans, and what it has paid."""

    type: CompType
    tier: Tier
    interval: int
    amount: Money
    unlocked: bool
    awarded: int
    paid_amount: Money


def eligibility(prizes: Sequence[Rule]) -> list[TierEligibility]:
    """For each tier, the lowest first, what its members can win."""
    return [
        TierEligibility(tier=tier, prizes=[rule.type for rule in prizes if tier.at_least(rule.tier)]) for tier in Tier
    ]
