"""HTTP: the member's referral link and the codes for it (docs/product.md, "Referrals and matches")."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from functions.affiliate import rules, store
from functions.affiliate.common import api
from shared.affiliates.links import custom_codes
from shared.affiliates.program import AffiliateProgramClosed, require_affiliate
from shared.auth import Member
from shared.config import Config, read
from shared.db import Tx
from shared.members import usernames
from shared.members.accounts import NameReserved, is_reserved
from shared.values import typed
from shared.values.fields import Body, Reply


class ReferralConfig(Config):
    """The address that referral links begin with."""

    referral_url: str = "https://blakjaks.com/r/"


class CustomCode(Body):
    """A code for the link, beside the username: two or more words with hyphens, which no username can have."""

    code: Annotated[str, StringConstraints(max_length=typed.TYPED_MAX), AfterValidator(typed.custom_code)]


class ReferralLink(Reply):
    """The link with its current code. The username and every earlier custom code keep working."""

    code: str
    url: str
    username: str
    custom_codes: list[str]


@api.get("/v1/affiliate/referral-link", problems=(AffiliateProgramClosed,))
def get_referral_link(tx: Tx, member: Member) -> ReferralLink:
    """Return the link that the member can pass on."""
    require_affiliate(tx, member.id)
    return _shown(tx, member)


@api.put(
    "/v1/affiliate/referral-link",
    problems=(rules.ReferralCodeTaken, rules.TooManyReferralCodes, NameReserved, AffiliateProgramClosed),
)
def set_referral_code(tx: Tx, member: Member, body: CustomCode, now: datetime) -> ReferralLink:
    """Take a custom code: nobody else can ever have it, and links passed on earlier keep working."""
    require_affiliate(tx, member.id)
    if is_reserved(body.code):
        raise NameReserved
    held = custom_codes(tx, member.id)
    if body.code not in held and len(held) >= rules.CODES_MAX:
        raise rules.TooManyReferralCodes
    if usernames.held(tx, [body.code], member.id) or not store.take(tx, member.id, body.code, now):
        raise rules.ReferralCodeTaken
    return _shown(tx, member)


def _shown(tx: Tx, member: Member) -> ReferralLink:
    held = custom_codes(tx, member.id)
    code = held[0] if held else member.username
    return ReferralLink(
        code=code, url=f"{read(ReferralConfig).referral_url}{code}", username=member.username, custom_codes=held
    )
