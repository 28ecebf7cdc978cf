"""What a member may call their link."""

from shared.problems import Problem

LENGTH_MIN = 3
CODES_MAX = 10  # they are never given back


class ReferralCodeTaken(Problem):
    """Somebody has or had it."""

    status, title = 409, "This referral code is taken."


class TooManyReferralCodes(Problem):
    """Each is kept as long as the account."""

    status, title = 409, "You have as many referral codes as there may be."
