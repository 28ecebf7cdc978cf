"""HTTP: the member's referral link (plan section "Affiliate Mechanics")."""

from datetime import datetime
from typing import Annotated

from flask import Request, Response
from pydantic import StringConstraints

from functions.affiliate import rules, store
from shared.api import Api
from shared.auth import Member
from shared.config import Config, read
from shared.db import Tx
from shared.fields import Body, Reply

api = Api("affiliate")


def affiliate(request: Request) -> Response:
    """The function's door."""
    return api.handle(request)


class ReferralConfig(Config):
    """Where referral links live."""

    referral_url: str = "https://blakjaks.com/r/"


class CustomCode(Body):
    """A name for the link, beside the username: two words or more, with hyphens, as no username has them."""

    code: Annotated[
        str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)+$", min_length=rules.LENGTH_MIN, max_length=30)
    ]


class ReferralLink(Reply):
    """The username always works too, and so does every custom code that the member has had."""

    code: str
    url: str
    username: str
    custom_codes: list[str]


@api.get("/v1/affiliate/referral-link")
def get_referral_link(tx: Tx, member: Member) -> ReferralLink:
    """The link to pass on."""
    return _shown(tx, member)


@api.put("/v1/affiliate/referral-link", problems=(rules.ReferralCodeTaken, rules.TooManyReferralCodes))
def set_referral_code(tx: Tx, member: Member, body: CustomCode, now: datetime) -> ReferralLink:
    """Take a custom code: nobody else can have it while the account exists, and links passed on keep working."""
    held = store.codes(tx, member.id)
    if body.code not in held and len(held) >= rules.CODES_MAX:
        raise rules.TooManyReferralCodes
    if not store.take(tx, member.id, body.code, now):
        raise rules.ReferralCodeTaken
    return _shown(tx, member)


def _shown(tx: Tx, member: Member) -> ReferralLink:
    held = store.codes(tx, member.id)
    code = held[0] if held else member.username
    return ReferralLink(
        code=code, url=f"{read(ReferralConfig).referral_url}{code}", username=member.username, custom_codes=held
    )
