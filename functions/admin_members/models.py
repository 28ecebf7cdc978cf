"""Requests and replies about accounts: the list of members, a member's file, its timeline, and roles."""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, StringConstraints, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from shared.auth import Role
from shared.members.open_reviews import OpenReview
from shared.values import fault_texts, typed
from shared.values.contacts import CountryCode, EmailAddress, ZipCode
from shared.values.fields import (
    LINE,
    Body,
    EvmAddress,
    Money,
    Page,
    Reason,
    Reply,
    SixDigits,
    Text,
    Username,
    Versioned,
)
from shared.values.tiers import Tier

BEGINNING_MIN = 3

Status = Literal["active", "suspended", "deleted"]
MemberId = Annotated[str, StringConstraints(max_length=typed.TYPED_MAX), AfterValidator(typed.member_id)]
Beginning = Annotated[
    str, StringConstraints(min_length=BEGINNING_MIN, max_length=typed.TYPED_MAX), AfterValidator(typed.written)
]

# Fields of an account that other operations change, with the operation that does.
ELSEWHERE: Mapping[str, str] = {
    "status": "is changed by POST /v1/admin/members/{member_id}/suspend and /activate",
    "tier": "is set by PUT /v1/admin/members/{member_id}/tier",
    "permanent_tier": "is set by PUT /v1/admin/members/{member_id}/tier",
    "role": "is set by PUT /v1/admin/users/{user_id}/role",
    "email": "is changed by the member alone, with a code that is mailed to the new address",
    "wallet": "is linked by the member alone, with a signature of the wallet",
    "wallet_address": "is linked by the member alone, with a signature of the wallet",
    "referrer": "never changes after the sign-up",
    "referred_by": "never changes after the sign-up",
}


class UserFilter(Page):
    """A page of the members that match every given filter. `email`, `username`, `wallet` and `member_id` are matched
    as a whole, whatever their capitals; a member id is found with any suffix and without. `q` is how the username or
    the e-mail address begins; of more than 1,000 names that begin so, the first 1,000 are found.
    """

    email: EmailAddress | None = None
    username: Username | None = None
    wallet: EvmAddress | None = None
    member_id: MemberId | None = None
    q: Beginning | None = None


class UserListed(Reply):
    """A member in the list. Who has closed the account stays without name and address."""

    id: UUID
    member_id: str
    username: str | None
    full_name: str | None
    email: str | None
    wallet_address: str | None
    status: Status
    role: Role | None
    tier: Tier
    created_at: datetime


class UserTiers(Reply):
    """A member's tiers: the effective one, the quarter's with its scans, and the permanent one with the tins of the
    downline.
    """

    tier: Tier
    quarter: str
    quarter_tier: Tier
    quarter_scans: int
    permanent_tier: Tier
    downline_tins: int


class UserTotals(Reply):
    """A member's scans and comps of a life, and what of these comps is paid, in USDT."""

    scans: int
    lifetime_comps: Money
    comps_paid: Money


class UserWallet(Reply):
    """The linked wallet; no comps are sent to it before `rests_until`."""

    address: str | None
    rests_until: datetime | None


class UserAffiliate(Reply):
    """Whether the member may refer others, how many they have referred, their codes, and who has referred them."""

    is_affiliate: bool
    downline: int
    custom_codes: list[str]
    referred_by: UUID | None
    referred_by_username: str | None


class UserFlags(Reply):
    """Reviews of the member that are open, and how many payouts to them are held."""

    open_reviews: list[OpenReview]
    payouts_held: int


class AdminUser(Versioned):
    """A member's file. `revision` is the version of the names and addresses, and the ETag."""

    id: UUID
    member_id: str
    email: str
    email_verified_at: datetime | None
    username: str
    full_name: str
    phone: str | None
    date_of_birth: date
    address_line1: str | None
    address_line2: str | None
    city: str | None
    state: str | None
    zip_code: str | None
    country: str
    language: str
    status: Status
    role: Role | None
    tiers: UserTiers
    totals: UserTotals
    wallet: UserWallet
    affiliate: UserAffiliate
    flags: UserFlags
    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None


class UserChange(Body):
    """Names, address and language as they shall be, and why. Of the fields beyond the names, one that is left out stays
    as it is, and null removes it. The reason is kept in the audit log and not told to the member.
    """

    username: Username
    full_name: Text
    address_line1: Text | None = None
    address_line2: Text | None = None
    city: Annotated[str, StringConstraints(min_length=1, max_length=100), LINE] | None = None
    state: Annotated[str, StringConstraints(min_length=1, max_length=50), LINE] | None = None
    zip_code: ZipCode | None = None
    country: CountryCode = "US"
    language: Literal["en", "es", "pt"] = "en"
    reason: Reason

    @model_validator(mode="before")
    @classmethod
    def _of_other_operations(cls, sent: Any) -> Any:
        """Say of a field that another operation changes which one that is."""
        wrong = [name for name in ELSEWHERE if isinstance(sent, dict) and name in sent]
        if wrong:
            raise ValidationError.from_exception_data(
                cls.__name__,
                [
                    InitErrorDetails(
                        type=PydanticCustomError(fault_texts.SHAPE, "{text}", {"text": ELSEWHERE[name]}),
                        loc=(name,),
                        input=None,
                    )
                    for name in wrong
                ],
            )
        return sent


class RoleChange(Body):
    """The role that the member shall have, null for none, and why. `totp` is a code of the owner's authenticator
    app.
    """

    role: Role | None
    reason: Reason
    totp: SixDigits


class AdminUserRole(Reply):
    """The role of a member's account."""

    id: UUID
    member_id: str
    username: str
    role: Role | None


class TimelineKind(StrEnum):
    """The subject of an entry of a member's timeline."""

    SCAN = "scan"
    COMP = "comp"
    PAYOUT = "payout"
    WITHDRAWAL = "withdrawal"
    ORDER = "order"
    CHIPS = "chips"
    TIER = "tier"
    MESSAGE = "message"
    CHAT = "chat"
    VOTE = "vote"
    MAIL = "mail"
    AUDIT = "audit"


class TimelineFilter(Page):
    """A page of a member's timeline, of one kind if given."""

    kind: TimelineKind | None = None


class TimelineEntry(Reply):
    """Something that happened to a member. `what` names it: the product of a scan, the type of a comp or message, the
    source of a payout, the kind of an order or of a move of chips, the tier, the template of a mail, the channel in
    which something was said (`state` is who has removed it), the type of a vote in which they have cast a ballot (not
    for what), the action of an admin. `reference` is what finds it elsewhere: a scan's number, a transaction's hash, an
    order's number, the source of chips, the quarter of a tier, the title of a message or vote, the number in the
    channel, the admin's username. Amounts are USDT, of orders dollars.
    """

    kind: TimelineKind
    id: UUID
    happened_at: datetime
    what: str
    state: str | None
    amount: Money | None
    quantity: int | None
    reference: str | None

    @classmethod
    def order(cls, entry: Self) -> tuple[datetime, int]:
        """The sort key of a timeline."""
        return entry.happened_at, entry.id.int
