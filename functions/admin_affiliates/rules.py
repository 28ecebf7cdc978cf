"""The problems of admins who decide about affiliates."""

from shared.values.problems import NotAllowed, Problem


class WeekNotReady(Problem):
    """The week does not wait for people: it is not counted yet, or was approved."""

    status, title = 409, "This week does not wait for a decision."


class WeekChanged(Problem):
    """The digest is not that of what the week would pay now."""

    status, title = 409, "This week would pay something else than what you were shown."


class WeekApprovedBefore(Problem):
    """The admin has approved this week."""

    status, title = 409, "You have approved this week already."


class WeekNotHeld(Problem):
    """The week is not held."""

    status, title = 409, "Nobody holds this week."


class AffiliateNotActive(Problem):
    """The member's account is suspended or closed."""

    status, title = 409, "This member's account is suspended or closed."


class MemberNotAffiliate(Problem):
    """The member signed up after the affiliate program had closed."""

    status, title = 409, "This member is no affiliate: the program had closed before they joined."


class EarningReversed(Problem):
    """The earning was taken back before, or is what takes another one back."""

    status, title = 409, "This earning has been taken back already."


class EarningNotInReview(Problem):
    """The award needs nobody's agreement."""

    status, title = 409, "This award does not wait for a second person."


class OwnAward(NotAllowed):
    """The second person must be somebody else than the first."""

    title = "Somebody else must agree: you have made this award."
