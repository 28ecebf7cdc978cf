"""The problems of choosing a referral code, and what is computed for affiliates."""

from shared.values.money import ZERO, Usdt
from shared.values.problems import Problem, TooManyRequests

CODES_MAX = 10  # a code is never given back


PARTS_PER_HOUR = 200  # of published lists, for a network; a week of a million affiliates has 50


class TooManyParts(TooManyRequests):
    """Raised when a network has read as many parts of published lists in this hour as it may."""

    title = "Too many parts of lists were read from your network. Try again later."


class ReferralCodeTaken(Problem):
    """Another member has this code or once had it."""

    status, title = 409, "This referral code is taken."


class TooManyReferralCodes(Problem):
    """The member has as many codes as allowed; codes are never given back."""

    status, title = 409, "You have as many referral codes as there may be."


def estimated_share(pool: Usdt, chips: int, all_chips: int) -> Usdt | None:
    """The share of the chips if the week ended now; None while there are no chips, or the pool is overdrawn."""
    if all_chips <= 0 or pool < ZERO:
        return None
    return Usdt(pool.micro * chips // max(all_chips, chips))


def share_formula(pool: Usdt, chips: int, all_chips: int) -> str:
    """How a share was worked out, in numbers."""
    return f"{pool} × {chips} ÷ {all_chips}"


def match_formula(value: Usdt, percent: int) -> str:
    """How a match was worked out, in numbers."""
    return f"{value} × {percent} %"
