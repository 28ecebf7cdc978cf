"""The problems and checks of admins who mend a member's account, set tiers or a role, suspend or activate. Pure."""

from collections.abc import Mapping
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
    """The account is an admin's: only an owner may suspend, activate or mend it, and nobody their own."""

    title = "Only an owner does this to an admin's account, and nobody to their own."


class AccountClosed(Problem):
    """The member has closed the account; nothing of it changes any more."""

    status, title = 409, "This account is closed."


class RoleOfOneself(NotAllowed):
    """An owner has tried to change their own role."""

    title = "Nobody changes their own role."


class LastOwner(Problem):
    """The last owner would lose the role or be suspended: somebody must be left who may do everything."""

    status, title = 409, "This is the last owner who may act."


def check_rank(*, is_self: bool, is_admin: bool, by_owner: bool) -> None:
    """Raises MemberIsAdmin for one's own account, or an admin's unless an owner acts."""
    if is_self or (is_admin and not by_owner):
        raise MemberIsAdmin


def member_number(member_id: str) -> int:
    """The number in a member id, with or without its prefix and suffix: BJ-0042-VIP is 42."""
    return int(member_id.removeprefix("BJ-").partition("-")[0])


def pattern_of_beginning(text: str) -> str:
    """The pattern of LIKE for names that begin with this text, in small letters."""
    escaped = text.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"{escaped}%"


def changes(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, object]:
    """The fields that differ, each with its old and new value, as the audit log keeps them."""
    return {name: {"before": before[name], "after": value} for name, value in after.items() if before[name] != value}
