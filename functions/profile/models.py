"""Requests and replies of the function `profile`."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import StringConstraints

from shared.values import typed
from shared.values.contacts import CountryCode, EmailAddress, ZipCode
from shared.values.fields import LINE, LINES, Body, Money, Reply, Shape, SixDigits, Text, Username, Versioned
from shared.values.tiers import Tier

Language = Literal["en", "es", "pt"]


class Picture(Reply):
    """The shown picture, and the status of the newest upload: `waiting` until it is checked."""

    url: str | None
    small_url: str | None
    status: Literal["none", "waiting", "live", "refused"]


class MemberProfile(Versioned):
    """The member's own profile; `pending_email` waits for the code that was mailed to it. Amounts are USDT."""

    member_id: str
    username: str
    full_name: str
    email: str
    pending_email: str | None
    bio: str | None
    language: str
    phone: str | None
    address_line1: str | None
    address_line2: str | None
    city: str | None
    state: str | None
    zip_code: str | None
    country: str
    picture: Picture
    tier: Tier
    total_scans: int
    lifetime_comps: Money
    member_since: date


class ProfileChange(Body):
    """The profile as it shall be. Any field beyond the first three that is left out stays as it is; null removes it. A
    new e-mail address needs a `code` of the authenticator app from members who have one.
    """

    username: Username
    full_name: Text
    email: EmailAddress
    bio: Annotated[str, StringConstraints(max_length=300), LINES] | None = None
    language: Language = "en"
    phone: Annotated[str, StringConstraints(max_length=typed.TYPED_MAX)] | None = None
    address_line1: Text | None = None
    address_line2: Text | None = None
    city: Annotated[str, StringConstraints(min_length=1, max_length=100), LINE] | None = None
    state: Annotated[str, StringConstraints(min_length=1, max_length=50), LINE] | None = None
    zip_code: ZipCode | None = None
    country: CountryCode = "US"
    code: SixDigits | None = None


class EmailConfirmation(Body):
    """The code that was mailed to the new address."""

    code: SixDigits


class Channels(Body):
    """How a member is notified beside the app itself, which shows everything."""

    push: bool
    email: bool


class PreferencesChange(Body):
    """The preferences of every type of notification; that of `marketing` stays as it is when it is left out."""

    system: Channels
    social: Channels
    comp: Channels
    order: Channels
    marketing: Channels | None = None


class NotificationPreferences(Reply):
    """The preferences by type of notification; all are on until a member switches them off. `marketing` is about
    campaigns, which are mails only.
    """

    system: Channels
    social: Channels
    comp: Channels
    order: Channels
    marketing: Channels


class DeviceRegistration(Body):
    """The device token that APNs or FCM gave the app."""

    platform: Literal["ios", "android"]
    token: Annotated[str, Shape(r"^[A-Za-z0-9:_-]{16,4096}$", "a device token of APNs or FCM")]


class RegisteredDevice(Reply):
    """A registered device; its token is not shown."""

    id: UUID
    platform: str
    registered_at: datetime


class DataExport(Reply):
    """A file with all data about the member. The link works for fifteen minutes; reading the export again makes a new
    one.
    """

    id: UUID
    status: Literal["making", "ready", "expired"]
    asked_at: datetime
    ready_at: datetime | None
    expires_at: datetime | None
    download_url: str | None


class StoredExport(Reply):
    """An export before its link is signed."""

    id: UUID
    status: Literal["making", "ready", "expired"]
    asked_at: datetime
    ready_at: datetime | None
    expires_at: datetime | None
    object_name: str
    shown_at: datetime


class Obstacle(Reply):
    """A reason against the deletion; the member may give up a `forfeitable` one. Amounts are USDT."""

    kind: Literal["payouts", "comps", "matches", "shares", "orders", "role"]
    count: int
    amount: Money
    forfeitable: bool


class AccountDeletionCheck(Reply):
    """Whether the account could be deleted now, and the reasons against it."""

    possible: bool
    obstacles: list[Obstacle]


class AccountDeletion(Body):
    """A deletion, which cannot be undone: the username confirms it; `forfeit` gives up what was won and is not paid."""

    username: Username
    forfeit: bool = False


class AccountDeleted(Reply):
    """The account is closed; its remaining data is erased in the background."""

    deleted_at: datetime


class SupportGrant(Reply):
    """A token for the messenger of support that is still to be signed."""

    member_id: UUID
    email: str
    issued_at: datetime


class SupportToken(Reply):
    """The token by which Intercom's messenger knows the member, good until `expires_at`."""

    token: str
    expires_at: datetime


class Sanction(Reply):
    """A sanction of the member in the chat; `id` is the case. `appealed_at` is null until it was appealed."""

    id: UUID
    kind: Literal["mute", "timeout", "ban", "removal"]
    until: datetime | None
    reason: str
    given_at: datetime
    appealed_at: datetime | None


class AppealDraft(Body):
    """An appeal of a sanction, in the member's own words."""

    sanction_id: UUID
    message: Annotated[str, StringConstraints(min_length=1, max_length=2000), LINES]


class Appeal(Reply):
    """An appeal that was taken; its conversation in the messenger begins with the case's id."""

    sanction_id: UUID
    appealed_at: datetime
