"""What an admin may do to a member's tier: raise it above what was earned, and take that back."""

from enum import StrEnum

from shared import tiers
from shared.problems import Problem
from shared.tiers import Thresholds, Tier


class Scope(StrEnum):
    """Which of a member's two tiers."""

    QUARTER = "quarter"
    PERMANENT = "permanent"


class TierAlreadyEarned(Problem):
    """What was earned is never lowered, so that an override up to it would change nothing."""

    status, title = 409, "This member has earned this tier or a better one."


def earned_in_quarter(scans: int, recorded: Tier, thresholds: Thresholds) -> Tier:
    """By the scans so far, or under thresholds that were lower when it was recorded."""
    return tiers.effective(tiers.quarter_tier(scans, thresholds), recorded)


def check_override(wanted: Tier, earned: Tier) -> None:
    """Raises TierAlreadyEarned."""
    if earned.at_least(wanted):
        raise TierAlreadyEarned
