"""The problems of admins who write mails and send campaigns, and what a campaign allows. Pure."""

from datetime import datetime, timedelta

from shared.values.problems import NotAllowed, Problem

STARTS_WITHIN = timedelta(days=29)  # a task can be ordered 30 days ahead


class CampaignStateWrong(Problem):
    """The campaign's state does not allow this; `state` tells what it is."""

    status, title = 409, "This campaign's state does not allow this."


class MailVersionUnknown(Problem):
    """A campaign is to send a version that there is not."""

    status, title = 409, "There is no such version of a mail."


class CampaignNeedsApproval(Problem):
    """The campaign would reach more than a thousand members, and nobody has approved it."""

    status, title = 409, "A second person must approve this campaign first."


class PostalAddressMissing(Problem):
    """Each mail of a campaign must show where its sender can be written to (15 U.S.C. 7704(a)(5))."""

    status, title = 409, "Mails of campaigns must show a postal address: owners set postal_address first."


class CampaignRestored(Problem):
    """The campaign is of a database that was restored: people must say after which member's number it goes on."""

    status, title = 409, "The database was restored: say after which member the campaign goes on."


class OwnCampaign(NotAllowed):
    """The second person must be somebody else than the campaign's author."""

    title = "Somebody else must approve: you have made this campaign."


def may_start_at(starts_at: datetime, now: datetime) -> bool:
    """True for a moment within the time for which tasks can be ordered."""
    return now <= starts_at <= now + STARTS_WITHIN
