"""Requests and replies of the function `auth`."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from functions.auth import rules
from shared.values import typed
from shared.values.contacts import CountryCode, EmailAddress, NewEmailAddress, PhoneNumber, ZipCode
from shared.values.device_ids import DeviceId
from shared.values.fields import LINE, Body, Day, Query, Reply, Shape, SixDigits, Text, Username

Password = Annotated[str, StringConstraints(min_length=1, max_length=rules.PASSWORD_LENGTH_MAX)]
NewPassword = Annotated[Password, AfterValidator(typed.password)]
Proof = Annotated[str, StringConstraints(max_length=typed.TYPED_MAX), AfterValidator(typed.six_digits_or_backup_code)]
ReferralCode = Annotated[str, StringConstraints(max_length=typed.PASTED_MAX), AfterValidator(typed.referral_code)]
DeviceName = Annotated[str, StringConstraints(min_length=1, max_length=100), LINE]
DeviceToken = Annotated[str, StringConstraints(min_length=20, max_length=200)]
Ticket = Annotated[str, Shape(r"^[A-Za-z0-9_-]{32,200}$", "32 to 200 letters, digits, - and _")]


class Signup(Body):
    """A new member. Without a username one is made from the name; without a referral code the followed link counts.

    `ticket` is as in MailedCodeRequest: without it, a later sign-up with the address and without a ticket replaces this
    one.
    """

    email: NewEmailAddress
    password: NewPassword
    full_name: Text
    date_of_birth: Annotated[Day, AfterValidator(rules.birthday)]
    username: Username | None = None
    country: CountryCode = "US"
    phone: PhoneNumber | None = None
    address_line1: Text | None = None
    address_line2: Text | None = None
    city: Annotated[str, StringConstraints(min_length=1, max_length=100), LINE] | None = None
    state: Annotated[str, StringConstraints(min_length=1, max_length=50), LINE] | None = None
    zip_code: ZipCode | None = None
    language: Literal["en", "es", "pt"] = "en"
    referral_code: ReferralCode | None = None
    ticket: Ticket | None = None


class SignedUp(Reply):
    """The new member, whose e-mail address has to be verified next."""

    id: UUID
    member_id: str
    email: str
    username: str


class NameGiven(Query):
    """The name that usernames are made from."""

    full_name: Text


class UsernameSuggestions(Reply):
    """Usernames that are free at this moment, the plainest first."""

    suggestions: list[str]


class ClientAddress(Reply):
    """The caller's address as the edge sees it."""

    address: str


class EmailVerification(Body):
    """The mailed code, and the ticket that it was asked for with."""

    email: EmailAddress
    code: SixDigits
    ticket: Ticket | None = None


class VerifiedEmail(Reply):
    """Confirms the address; the field is always true, because a wrong code is answered with a problem."""

    email_verified: bool


class MailedCodeRequest(Body):
    """The address to send a code to. `ticket` is a secret of this device: 128 random bits or more, or its device token.

    A code that was asked for with a ticket works only with that ticket, and nobody else can use it up or replace it.
    """

    email: EmailAddress
    ticket: Ticket | None = None


class MailedCodeRequested(Reply):
    """How long the code works, in seconds. The answer is the same whether the account exists or not."""

    expires_in: int


class PasswordReset(Body):
    """The mailed code, the ticket that it was asked for with, and the new password."""

    email: EmailAddress
    code: SixDigits
    ticket: Ticket | None = None
    password: NewPassword


class PasswordChange(Body):
    """The current password, and the new one."""

    current_password: Password
    password: NewPassword


class Device(Body):
    """The device of the session. A member has one mobile and one desktop session; an admin may also have one of kind
    `admin`, which ends after twelve hours. `name` is shown in the member's list of sessions. `token` is the device
    token of an earlier sign-in. Of `id` the first 255 characters are kept.
    """

    kind: Literal["mobile", "desktop", "admin"]
    id: DeviceId = None
    token: DeviceToken | None = None
    name: DeviceName | None = None


class Login(Body):
    """E-mail address and password; `code` of the authenticator app or a backup code, if two-factor authentication is
    set up.
    """

    email: EmailAddress
    password: Password
    device: Device = Field(default_factory=lambda: Device(kind="desktop"))
    code: Proof | None = None


class Refresh(Body):
    """The refresh token that was issued last."""

    refresh_token: Annotated[str, StringConstraints(min_length=20, max_length=200)]


class SecondFactorStart(Body):
    """The password, asked for once more."""

    password: Password


class SecondFactorSetup(Reply):
    """A new secret for the authenticator app: `qr_png` (base64) shows `uri`; `secret` is the key to type by hand."""

    secret: str
    uri: str
    qr_png: str


class SecondFactorProof(Body):
    """A code of the authenticator app."""

    code: SixDigits


class SecondFactorEnd(Body):
    """The password once more, and a code of the authenticator app or a backup code."""

    password: Password
    code: Proof


class SecondFactorProved(Reply):
    """The time until which an admin may act on this proof."""

    proved_until: datetime


class LiveSession(Reply):
    """One of the member's own sessions. `network` is the network in which it began, not an address. `ends_at` is when
    the session ends if it is not used again.
    """

    id: UUID
    kind: Literal["mobile", "desktop", "admin"]
    device_name: str
    network: str | None
    created_at: datetime
    last_used_at: datetime
    ends_at: datetime
    is_current: bool


class BackupCodes(Reply):
    """Backup codes: each replaces one code of the app, once. They are shown only in this reply."""

    backup_codes: list[str]


class SecondFactorState(Reply):
    """Whether sign-in asks for a code, and how many backup codes are left."""

    enabled: bool
    backup_codes_left: int


class Jwks(Reply):
    """The JSON Web Key Set of RFC 7517."""

    keys: list[dict[str, Any]]
