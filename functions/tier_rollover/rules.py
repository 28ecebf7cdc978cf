"""Whose tier ends with a quarter, and what they are told."""

from dataclasses import dataclass

from shared import tiers
from shared.tiers import Tier


@dataclass(frozen=True)
class Ending:
    """What is left of a tier, and the words for it."""

    left: Tier
    title: str
    body: str


def ending(quarter: str, quarter_tier: Tier, permanent_tier: Tier, scans_needed: int) -> Ending | None:
    """None for a member whose permanent tier is as good as the quarter's was."""
    if permanent_tier.at_least(quarter_tier):
        return None
    title = f"Your {quarter_tier.label} ended with {tiers.quarter_label(quarter)}"
    back = f"{scans_needed} scans in a quarter bring it back."
    kept = "" if permanent_tier is Tier.STANDARD else f"You are {permanent_tier.label} for good. "
    return Ending(permanent_tier, title, kept + back)
