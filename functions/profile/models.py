"""What comes in and goes out."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import StringConstraints

from shared.fields import Body, EmailAddress, Money, Reply, Text, Versioned
from shared.tiers import Tier

Language = Literal["en", "es", "pt"]
Username = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{3,30}$")]


class Picture(Reply):
    """What is shown, and what became of the newest upload: `waiting` until it was looked at."""

    url: str | None
    small_url: str | None
    status: Literal["none", "waiting", "live", "refused"]


class MemberProfile(Versioned):
    """A member as they see themselves; `pending_email` waits for the code that was mailed to it. Amounts are USDT."""

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
    """The profile as it is to be. What is left out beyond the first three stays as it is; null takes it away."""

    username: Username
    full_name: Text
    email: EmailAddress
    bio: Annotated[str, StringConstraints(max_length=300)] | None = None
    language: Language = "en"
    phone: Annotated[str, StringConstraints(pattern=r"^\+?[0-9 ()-]{5,20}$")] | None = None
    address_line1: Text | None = None
    address_line2: Text | None = None
    city: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    state: Annotated[str, StringConstraints(min_length=1, max_length=50)] | None = None
    zip_code: Annotated[str, StringConstraints(min_length=1, max_length=20)] | None = None
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] = "US"


class EmailConfirmation(Body):
    """The code that was mailed to the new address."""

    code: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]


class Channels(Body):
    """How a member is told beside the app itself, which shows everything."""

    push: bool
    email: bool


class PreferencesChange(Body):
    """All of them, by type of notification."""

    system: Channels
    social: Channels
    comp: Channels
    order: Channels


class NotificationPreferences(Reply):
    """Everything is wanted until a member says otherwise."""

    system: Channels
    social: Channels
    comp: Channels
    order: Channels


class DeviceRegistration(Body):
    """The token that APNs or FCM gave the app."""

    platform: Literal["ios", "android"]
    token: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9:_-]{16,4096}$")]


class RegisteredDevice(Reply):
    """A device that is told; its token is not shown."""

    id: UUID
    platform: str
    registered_at: datetime


class DataExport(Reply):
    """A file with everything about the member; the link works for fifteen minutes, and a new look makes a new one."""

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
    """What is in the way: `forfeitable` is what a member may give up. Amounts are USDT."""

    kind: Literal["payouts", "comps", "matches", "role"]
    count: int
    amount: Money
    forfeitable: bool


class AccountDeletionCheck(Reply):
    """Whether the account could be deleted now, and what is in the way."""

    possible: bool
    obstacles: list[Obstacle]


class AccountDeletion(Body):
    """There is no way back: the username says that it is meant; what was won and not paid may be given up."""

    username: Username
    forfeit: bool = False


class AccountDeleted(Reply):
    """The account is closed; what is left of it is removed in the background."""

    deleted_at: datetime
