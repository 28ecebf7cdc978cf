"""HTTP: the member's referral link and chips (docs/product.md, "Referrals and matches"; docs/affiliates.md)."""

from datetime import datetime
from typing import Annotated

from flask import Request, Response
from pydantic import AfterValidator, StringConstraints

from functions.affiliate import chip_records, chip_rules, chips, rules, store
from functions.affiliate.models import ChipCount, ChipEntry, Chips
from shared.api import Api
from shared.auth import Member
from shared.config import Config, read
from shared.db import Tx
from shared.members import usernames
from shared.members.accounts import NameReserved, is_reserved
from shared.values import typed
from shared.values.fields import Body, Listing, Page, Reply
from shared.web import paging
from shared.web.idempotency import IdempotencyKey
from shared.web.paging import Position

api = Api("affiliate")


def affiliate(request: Request) -> Response:
    return api.handle(request)


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


@api.get("/v1/affiliate/referral-link")
def get_referral_link(tx: Tx, member: Member) -> ReferralLink:
    """Return the link that the member can pass on."""
    return _shown(tx, member)


@api.put(
    "/v1/affiliate/referral-link",
    problems=(rules.ReferralCodeTaken, rules.TooManyReferralCodes, NameReserved),
)
def set_referral_code(tx: Tx, member: Member, body: CustomCode, now: datetime) -> ReferralLink:
    """Take a custom code: nobody else can ever have it, and links passed on earlier keep working."""
    if is_reserved(body.code):
        raise NameReserved
    held = store.codes(tx, member.id)
    if body.code not in held and len(held) >= rules.CODES_MAX:
        raise rules.TooManyReferralCodes
    if usernames.held(tx, [body.code], member.id) or not store.take(tx, member.id, body.code, now):
        raise rules.ReferralCodeTaken
    return _shown(tx, member)


@api.get("/v1/affiliate/chips")
def get_chips(tx: Tx, member: Member, now: datetime) -> Chips:
    """Return the member's chips of the present week, and the vaulted ones with their expiry."""
    return chips.shown(tx, member.id, now)


@api.get("/v1/affiliate/chips/history")
def list_chip_history(tx: Tx, member: Member, page: Page) -> Listing[ChipEntry]:
    """List what happened to the member's chips, newest first."""
    after = paging.after(page.cursor) or chip_records.NEWEST
    rows = chip_records.history(tx, member.id, after, page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.at, row.id))
    return Listing[ChipEntry](items=list(shown), next_cursor=cursor)


@api.post("/v1/affiliate/chips/vault", problems=(chip_rules.AffiliateWeekClosing, chip_rules.ChipsNotEnough))
def vault_chips(tx: Tx, member: Member, key: IdempotencyKey, body: ChipCount, now: datetime) -> Chips:
    """Put chips of this week's scans into the vault, where they are good for 365 days."""
    chips.vault(tx, member.id, body.chips, now)
    return chips.shown(tx, member.id, now)


@api.post(
    "/v1/affiliate/chips/withdraw",
    problems=(chip_rules.AffiliateWeekClosing, chip_rules.ChipsNotEnough, chip_rules.WeekCapReached),
)
def withdraw_chips(tx: Tx, member: Member, key: IdempotencyKey, body: ChipCount, now: datetime) -> Chips:
    """Take chips out of the vault for this week, those that expire first."""
    chips.withdraw(tx, member.id, body.chips, now)
    return chips.shown(tx, member.id, now)


def _shown(tx: Tx, member: Member) -> ReferralLink:
    held = store.codes(tx, member.id)
    code = held[0] if held else member.username
    return ReferralLink(
        code=code, url=f"{read(ReferralConfig).referral_url}{code}", username=member.username, custom_codes=held
    )
