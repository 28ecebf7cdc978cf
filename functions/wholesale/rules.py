"""The rules of applications for a wholesale account, and the shapes of what a business says of itself. Pure."""

import re
from datetime import datetime

from shared.values import contacts, typed
from shared.values.encoding import moment
from shared.values.problems import Problem, TooManyRequests
from shared.values.states import WholesaleStatus
from shared.values.wholesale import may_apply_at

APPLICATIONS_PER_HOUR = 5
WEBHOOKS_PER_HOUR = 20  # each tells whether a name has an address
COUNTRY = "US"  # the only one that is sold to
EIN = re.compile(r"(?!00)[0-9]{2}-?[0-9]{7}")  # which of the other beginnings are given out changes
ZIP_CODE = re.compile(r"[0-9]{5}(-[0-9]{4})?")
MAY_ORDER = frozenset({WholesaleStatus.APPROVED, WholesaleStatus.ACTIVE})


class NotAppliedFor(Problem):
    """The member has never applied for a wholesale account."""

    status, title = 404, "You have not applied for a wholesale account."


class WholesaleAppliedBefore(Problem):
    """The member has an account, or an application that waits or was approved; `account_status` tells which."""

    status, title = 409, "You have applied for a wholesale account before."


class ApplicationTooSoon(Problem):
    """The member was rejected less than 30 days ago; `may_apply_at` tells from when on the next application is read."""

    status, title = 409, "You may apply again 30 days after a rejection."


class BusinessEmailTaken(Problem):
    """Another account has this e-mail address, whatever its capitals."""

    status, title = 409, "Another wholesale account has this e-mail address."


class AccountNotApproved(Problem):
    """The member has no wholesale account that may order; `account_status` tells why, null without an account."""

    status, title = 409, "This is for approved wholesale accounts."


class TooManyApplications(TooManyRequests):
    """The member has tried to apply several times within the hour."""

    title = "You have tried to apply several times; wait a little."


class TooManyWebhookTries(TooManyRequests):
    """The member has named addresses of webhooks very often within the hour."""

    title = "You have named many addresses; wait a little."


def check_again(status: str, decided_at: datetime | None, now: datetime) -> None:
    """Check that a member with an account may apply again. Raises WholesaleAppliedBefore, ApplicationTooSoon."""
    from_then_on = may_apply_at(status, decided_at)
    if from_then_on is None:
        raise WholesaleAppliedBefore(account_status=status)
    if now < from_then_on:
        raise ApplicationTooSoon(may_apply_at=moment(from_then_on))


def check_may_order(status: str | None) -> None:
    """Check that the account may order. Raises AccountNotApproved."""
    if status not in MAY_ORDER:
        raise AccountNotApproved(account_status=status)


def ein(text: str) -> str:
    """The nine digits of an employer identification number. Raises ValueError, also for a Social Security number."""
    found = typed.compact(text)
    if not EIN.fullmatch(found):
        raise ValueError("must be an employer identification number: nine digits, as 12-3456789")
    return found.replace("-", "")


def zip_code(text: str) -> str:
    """A ZIP code of five or nine digits. Raises ValueError."""
    found = typed.compact(text)
    if not ZIP_CODE.fullmatch(found):
        raise ValueError("must be a ZIP code of five digits, or nine as 89501-1234")
    return found


def phone_number(text: str) -> str:
    """A telephone number in E.164; one without + is read as one of the United States. Raises ValueError."""
    return contacts.phone_number(text, COUNTRY)
