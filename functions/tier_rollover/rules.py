"""Decides which tiers end with a quarter, and picks the text for the member."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.values.tiers import Tier


@dataclass(frozen=True)
class Ending:
    """The tier that is left, and the text that says so (shared/messages/notices.py) with its values."""

    left: Tier
    code: str
    values: Mapping[str, object]


def ending(quarter: str, quarter_tier: Tier, permanent_tier: Tier, scans_needed: int) -> Ending | None:
    """The end of the quarter's tier; None if the permanent tier is as good as the quarter's was."""
    if permanent_tier.at_least(quarter_tier):
        return None
    values: dict[str, object] = {"tier": quarter_tier, "quarter": quarter, "scans": scans_needed}
    if permanent_tier is Tier.STANDARD:
        return Ending(permanent_tier, "tier_ended", values)
    return Ending(permanent_tier, "tier_ended_another_left", values | {"left": permanent_tier})
