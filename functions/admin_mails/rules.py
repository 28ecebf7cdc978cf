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


class MailTemplateExists(Problem):
    """There is a template for this key in this language: its versions replace the mail; `template_id` is its id."""

    status, title = 409, "There is a template for this mail in this language: add a version to it."


class MailNotTransactional(Problem):
    """A version of a template for campaigns replaces no mail of the code."""

    status, title = 409, "This version is for campaigns: it replaces no mail."


class MailNotMarketing(Problem):
    """A version that is made to replace a mail of the code is sent by no campaign."""

    status, title = 409, "This version replaces a mail of the code: no campaign sends it."


class MailVariablesWrong(Problem):
    """The mail of the code has other variables than when the version was written."""

    status, title = 409, "The mail has other variables now: write a new version."


class MailVersionNotPublished(Problem):
    """This version replaces no mail now."""

    status, title = 409, "This version is not published."


class CampaignRestored(Problem):
    """The campaign is of a database that was restored: people must say after which member's number it goes on."""

    status, title = 409, "The database was restored: say after which member the campaign goes on."


class OwnCampaign(NotAllowed):
    """The second person must be somebody else than the campaign's author."""

    title = "Somebody else must approve: you have made this campaign."


class OwnMailVersion(NotAllowed):
    """Mails of the code reach every member: the second person must be somebody else than the version's author."""

    title = "Somebody else must publish: you have written this version."


def may_start_at(starts_at: datetime, now: datetime) -> bool:
    """True for a moment within the time for which tasks can be ordered."""
    return now <= starts_at <= now + STARTS_WITHIN
