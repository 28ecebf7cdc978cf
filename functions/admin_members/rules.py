"""The problems and checks of an admin who sets or removes a member's tier, suspends a member or activates one."""

from enum import StrEnum

from shared.values import tiers
from shared.values.problems import NotAllowed, Problem
from shared.values.tiers import Thresholds, Tier


class Scope(StrEnum):
    """Names one of a member's two tiers."""

    QUARTER = "quarter"
    PERMANENT = "permanent"


class TierAlreadyEarned(Problem):
    """The member has earned this tier or a better one; an override never lowers a tier, so it would change nothing."""

    status, title = 409, "This member has earned this tier or a better one."


def earned_in_quarter(scans: int, recorded: Tier, thresholds: Thresholds) -> Tier:
    """The tier earned in the quarter: by the scans so far, or as recorded when the thresholds were lower."""
    return tiers.effective(tiers.quarter_tier(scans, thresholds), recorded)


def check_override(wanted: Tier, earned: Tier) -> None:
    """Raises TierAlreadyEarned if the override is not above the earned tier."""
    if earned.at_least(wanted):
        raise TierAlreadyEarned


class MemberNotActive(Problem):
    """The account is suspended already, or deleted; `member_status` tells which."""

    status, title = 409, "This member's account is not active."


class MemberNotSuspended(Problem):
    """The account is not suspended; `member_status` tells its status."""

    status, title = 409, "This member's account is not suspended."


class MemberIsAdmin(NotAllowed):
    """The account is an admin's: only an owner may suspend or activate it, and nobody their own."""

    title = "Only an owner suspends or activates an admin, and nobody themselves."


def check_rank(*, is_self: bool, is_admin: bool, by_owner: bool) -> None:
    """Raises MemberIsAdmin for one's own account, or an admin's unless an owner acts."""
    if is_self or (is_admin and not by_owner):
        raise MemberIsAdmin
