"""Admins give affiliates money and chips by hand, and take earnings back."""

from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid4

from pydantic import AfterValidator, Field

from functions.admin_affiliates import earning_store, rules
from functions.admin_affiliates.common import Treasurer, api
from functions.admin_affiliates.earning_store import AffiliateEarning, Award
from shared import settings
from shared.affiliates import earnings, program
from shared.credentials import totp
from shared.credentials.totp import SECOND_FACTOR
from shared.db import ConstraintViolated, Tx
from shared.ledger import journals
from shared.messages import notifications
from shared.payouts import interests
from shared.values.fields import Body, Money, Reason, Reply, SixDigits
from shared.values.money import Usdt
from shared.values.problems import NotFound
from shared.values.states import EarningStatus, MemberStatus
from shared.web import audit
from shared.web.audit import Action
from shared.web.http import Client

AWARD_MAX = Usdt.of(100_000)
CHIPS_MAX = 100_000


def _awardable(amount: Usdt) -> Usdt:
    if not Usdt(0) < amount <= AWARD_MAX:
        raise ValueError(f"must be above 0 and at most {AWARD_MAX}")
    return amount


class AffiliateAward(Body):
    """An amount for an affiliate, why, and a code of the admin's own authenticator app."""

    amount: Annotated[Money, AfterValidator(_awardable)]
    reason: Reason
    totp: SixDigits


class AwardAgreement(Body):
    """Why the second person agrees, and a code of their own authenticator app."""

    reason: Reason
    totp: SixDigits


class EarningReversal(Body):
    """Why the earning is taken back."""

    reason: Reason


class ChipGrant(Body):
    """Chips for an affiliate in the present week, and why."""

    chips: Annotated[int, Field(ge=1, le=CHIPS_MAX)]
    reason: Reason


class ChipsGranted(Reply):
    """Chips that were given, and the week in which they count."""

    affiliate_id: UUID
    chips: int
    week_on: str


@api.post(
    "/v1/admin/affiliates/{affiliate_id}/award",
    status=201,
    problems=(rules.AffiliateNotActive, rules.MemberNotAffiliate, interests.OwnInterest, *SECOND_FACTOR),
)
def award_affiliate(
    tx: Tx, admin: Treasurer, affiliate_id: UUID, body: AffiliateAward, client: Client, now: datetime
) -> AffiliateEarning:
    """Give an affiliate money, which is paid with the next week. Above a bound it waits for a second person."""
    totp.spend(tx, admin.id, body.totp, now)
    _require_affiliate(tx, affiliate_id)
    interests.require_none_in_member(tx, admin.id, affiliate_id)
    alone = body.amount <= settings.load(tx).affiliates.award_alone_max
    identity = uuid4()
    status = EarningStatus.PENDING if alone else EarningStatus.IN_REVIEW
    award = Award(affiliate_id, admin.id, body.amount, status)
    earning_store.insert_award(tx, identity, award, reason=body.reason, now=now)
    journals.move(tx, f"affiliate-award:{identity}", earnings.ACCOUNTS["manual"], earnings.OWED, body.amount, now=now)
    changes = {"amount": str(body.amount), "affiliate_id": str(affiliate_id), "reason": body.reason, "alone": alone}
    audit.record(tx, admin, client, Action("affiliate.award", "affiliate_earning", identity, changes), now)
    if alone:
        _tell_awarded(tx, identity, affiliate_id, body.amount, now)
    return _earning(tx, identity)


@api.post(
    "/v1/admin/affiliates/earnings/{earning_id}/agree",
    problems=(rules.EarningNotInReview, rules.OwnAward, interests.OwnInterest, *SECOND_FACTOR),
)
def agree_to_affiliate_award(
    tx: Tx, admin: Treasurer, earning_id: UUID, body: AwardAgreement, client: Client, now: datetime
) -> AffiliateEarning:
    """Agree to an award that waits for a second person."""
    totp.spend(tx, admin.id, body.totp, now)
    found = earning_store.lock_award(tx, earning_id)
    if found is None:
        raise NotFound
    if found.status is not EarningStatus.IN_REVIEW:
        raise rules.EarningNotInReview
    if interests.is_same_person(tx, admin.id, found.awarded_by):
        raise rules.OwnAward
    interests.require_none_in_member(tx, admin.id, found.affiliate_id)
    earning_store.agree(tx, earning_id, admin.id)
    changes = {"amount": str(found.amount), "reason": body.reason}
    audit.record(tx, admin, client, Action("affiliate.agree", "affiliate_earning", earning_id, changes), now)
    _tell_awarded(tx, earning_id, found.affiliate_id, found.amount, now)
    return _earning(tx, earning_id)


@api.post(
    "/v1/admin/affiliates/earnings/{earning_id}/reverse",
    problems=(rules.EarningReversed, interests.OwnInterest),
)
def reverse_affiliate_earning(
    tx: Tx, admin: Treasurer, earning_id: UUID, body: EarningReversal, client: Client, now: datetime
) -> AffiliateEarning:
    """Take an earning back: it is cancelled, or, once a payout may pay it, lowers the affiliate's next payout."""
    _earning(tx, earning_id)
    found = earnings.lock(tx, earning_id)
    if found is None or found.kind not in earnings.ACCOUNTS:
        raise rules.EarningReversed
    interests.require_none_in_member(tx, admin.id, found.affiliate_id)
    if not earnings.take_back(tx, found, now):
        raise rules.EarningReversed
    changes = {"amount": str(found.amount), "before": found.status, "reason": body.reason}
    audit.record(tx, admin, client, Action("affiliate.reverse", "affiliate_earning", earning_id, changes), now)
    return _earning(tx, earning_id)


@api.post(
    "/v1/admin/affiliates/{affiliate_id}/chips",
    status=201,
    problems=(
        rules.AffiliateNotActive,
        rules.MemberNotAffiliate,
        program.AffiliateWeekClosing,
        program.ChipsLocked,
        interests.OwnInterest,
    ),
)
def grant_chips(
    tx: Tx, admin: Treasurer, affiliate_id: UUID, body: ChipGrant, client: Client, now: datetime
) -> ChipsGranted:
    """Give an affiliate chips that count in the present week; none any more once the program has closed."""
    _require_affiliate(tx, affiliate_id)
    program.require_open(tx)
    interests.require_none_in_member(tx, admin.id, affiliate_id)
    identity = uuid4()
    try:
        week_on = earning_store.grant_chips(tx, identity, affiliate_id, body.chips, now)
    except ConstraintViolated as violated:
        if violated.constraint != "week_closing":
            raise
        raise program.AffiliateWeekClosing from None
    changes = {"chips": body.chips, "affiliate_id": str(affiliate_id), "week_on": week_on, "reason": body.reason}
    audit.record(tx, admin, client, Action("affiliate.grant", "chip_move", identity, changes), now)
    return ChipsGranted(affiliate_id=affiliate_id, chips=body.chips, week_on=week_on)


def _require_affiliate(tx: Tx, member_id: UUID) -> None:
    """Check that the member is an affiliate with an active account. Raises NotFound, AffiliateNotActive,
    MemberNotAffiliate.
    """
    status = earning_store.member_status(tx, member_id)
    if status is None:
        raise NotFound
    if status is not MemberStatus.ACTIVE:
        raise rules.AffiliateNotActive
    if not program.is_affiliate(tx, member_id):
        raise rules.MemberNotAffiliate


def _tell_awarded(tx: Tx, earning_id: UUID, affiliate_id: UUID, amount: Usdt, now: datetime) -> None:
    data = {"earning_id": str(earning_id)}
    key = f"affiliate-award:{earning_id}"
    notifications.notify(tx, notifications.note(affiliate_id, "affiliate_awarded", data, key, amount=amount), now)


def _earning(tx: Tx, earning_id: UUID) -> AffiliateEarning:
    """The earning. Raises NotFound."""
    found = earning_store.earning(tx, earning_id)
    if found is None:
        raise NotFound
    return found
