"""The decisions that people may take about a wholesale account, by its status. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.values.goods import cents
from shared.values.money import Usdt
from shared.values.problems import Problem, TooManyRequests
from shared.values.states import MemberStatus, WholesaleStatus

TAX_IDS_PER_HOUR = 30
COMP_MIN = Usdt.of(1)

Verb = Literal["approve", "reject", "suspend", "activate"]
OPEN = frozenset({WholesaleStatus.APPROVED, WholesaleStatus.ACTIVE})


class ApplicationNotPending(Problem):
    """Somebody has decided about the application before; `account_status` tells how."""

    status, title = 409, "This application is not waiting for a decision."


class AccountNotOpen(Problem):
    """Only an approved or active account can be suspended; `account_status` tells what it is."""

    status, title = 409, "This wholesale account is not approved or active."


class AccountNotSuspended(Problem):
    """Only a suspended account can be activated again; `account_status` tells what it is."""

    status, title = 409, "This wholesale account is not suspended."


class ApplicantNotActive(Problem):
    """The member is suspended or has closed their account; `member_status` tells which."""

    status, title = 409, "The account of the member who applied is not active."


class AccountNeverApproved(Problem):
    """The account waits for a decision or was rejected; `account_status` tells which."""

    status, title = 409, "This wholesale account was never approved."


class MilestoneUnknown(Problem):
    """The account has reached no such milestone."""

    status, title = 404, "This account has no such milestone."


class MilestoneAwarded(Problem):
    """A comp was awarded for the milestone; `comp_id` names it."""

    status, title = 409, "A comp was awarded for this milestone before."


class CompAboveValue(Problem):
    """The amount is more than the milestone's value, or than a comp for no milestone may be; `maximum` tells."""

    status, title = 409, "A comp may not be of so much."


class NoWalletToPay(Problem):
    """The account's member has linked no wallet, or has changed it within a day: a comp is paid to the linked one."""

    status, title = 409, "The account has no wallet that may be paid now."


class TaxIdErased(Problem):
    """The tax id went when the member's account was erased."""

    status, title = 409, "This tax id was erased with the member's account."


class TooManyTaxIdsShown(TooManyRequests):
    """The admin has looked at many tax ids within the hour."""

    title = "You have looked at very many tax ids; wait a little."


@dataclass(frozen=True)
class Standing:
    """The facts that a decision about an account rests on; `activated_at` is when its first order was fulfilled."""

    status: str
    member_status: str
    activated_at: datetime | None


def _approved(found: Standing) -> WholesaleStatus:
    _check_pending(found)
    _check_active(found)
    return WholesaleStatus.APPROVED


def _rejected(found: Standing) -> WholesaleStatus:
    _check_pending(found)
    return WholesaleStatus.REJECTED


def _suspended(found: Standing) -> WholesaleStatus:
    if found.status not in OPEN:
        raise AccountNotOpen(account_status=found.status)
    return WholesaleStatus.SUSPENDED


def _activated(found: Standing) -> WholesaleStatus:
    if found.status != WholesaleStatus.SUSPENDED:
        raise AccountNotSuspended(account_status=found.status)
    _check_active(found)
    return WholesaleStatus.ACTIVE if found.activated_at else WholesaleStatus.APPROVED


_DECISIONS: dict[Verb, Callable[[Standing], WholesaleStatus]] = {
    "approve": _approved,
    "reject": _rejected,
    "suspend": _suspended,
    "activate": _activated,
}


def status_after(verb: Verb, found: Standing) -> WholesaleStatus:
    """The account's status after the decision. An account that is activated is again what it was before.

    Raises ApplicationNotPending, AccountNotOpen, AccountNotSuspended, ApplicantNotActive.
    """
    return _DECISIONS[verb](found)


def _check_pending(found: Standing) -> None:
    if found.status != WholesaleStatus.PENDING:
        raise ApplicationNotPending(account_status=found.status)


def _check_active(found: Standing) -> None:
    if found.member_status != MemberStatus.ACTIVE:
        raise ApplicantNotActive(member_status=found.member_status)


def comp_amount(amount: Usdt) -> Usdt:
    """An amount from one USDT on, in whole cents. Raises ValueError."""
    if amount < COMP_MIN:
        raise ValueError(f"must be at least {COMP_MIN}")
    cents(amount)
    return amount
