"""The problems of choosing a referral code."""

from shared.values.problems import Problem

CODES_MAX = 10  # a code is never given back


class ReferralCodeTaken(Problem):
    """Another member has this code or once had it."""

    status, title = 409, "This referral code is taken."


class TooManyReferralCodes(Problem):
    """The member has as many codes as allowed; codes are never given back."""

    status, title = 409, "You have as many referral codes as there may be."
