"""What the outside may send to the function `auth` and what it gets back."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from functions.auth import rules
from shared.fields import Body, Day, EmailAddress, Query, Reply, Text

Password = Annotated[str, StringConstraints(min_length=1, max_length=rules.PASSWORD_LENGTH_MAX)]
MailedCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
Proof = Annotated[str, StringConstraints(pattern=r"^([0-9]{6}|[A-Za-z2-7]{5}-?[A-Za-z2-7]{5})$")]
DeviceToken = Annotated[str, StringConstraints(min_length=20, max_length=200)]


class Signup(Body):
    """A new member; without a username one is made of the name. Without a referral code a followed link counts."""

    email: EmailAddress
    password: Password
    full_name: Text
    date_of_birth: Day
    username: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{3,30}$")] | None = None
    phone: Annotated[str, StringConstraints(pattern=r"^\+?[0-9 ()-]{5,20}$")] | None = None
    address_line1: Text | None = None
    address_line2: Text | None = None
    city: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    state: Annotated[str, StringConstraints(min_length=1, max_length=50)] | None = None
    zip_code: Annotated[str, StringConstraints(min_length=1, max_length=20)] | None = None
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] = "US"
    language: Literal["en", "es", "pt"] = "en"
    referral_code: Annotated[str, StringConstraints(min_length=1, max_length=50)] | None = None


class SignedUp(Reply):
    """The new member; the e-mail address is to be verified next."""

    id: UUID
    member_id: str
    email: str
    username: str


class NameGiven(Query):
    """The name that usernames are to be made of."""

    full_name: Text


class UsernameSuggestions(Reply):
    """Free at this moment, the plainest first."""

    suggestions: list[str]


class EmailVerification(Body):
    """The code that was mailed."""

    email: EmailAddress
    code: MailedCode


class VerifiedEmail(Reply):
    """Always true; a wrong code is a problem."""

    email_verified: bool


class MailedCodeRequest(Body):
    """Where to send a code."""

    email: EmailAddress


class MailedCodeRequested(Reply):
    """The same for everybody: whether there is such an account is told to nobody."""

    expires_in: int


class PasswordReset(Body):
    """The code that was mailed, and the new password."""

    email: EmailAddress
    code: MailedCode
    password: Password


class PasswordChange(Body):
    """The present password, and the new one."""

    current_password: Password
    password: Password


class Device(Body):
    """Where the session lives; a member has one mobile and one desktop session. `token` is from an earlier sign-in."""

    kind: Literal["mobile", "desktop"]
    id: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    token: DeviceToken | None = None


class Login(Body):
    """E-mail address and password; `code` of the authenticator app, or a backup code, when two-factor is set up."""

    email: EmailAddress
    password: Password
    device: Device = Field(default_factory=lambda: Device(kind="desktop"))
    code: Proof | None = None


class Refresh(Body):
    """The refresh token that came last."""

    refresh_token: Annotated[str, StringConstraints(min_length=20, max_length=200)]


class SecondFactorStart(Body):
    """The password once more."""

    password: Password


class SecondFactorSetup(Reply):
    """For the authenticator app: `qr_png` (base64) shows `uri`; `secret` is the key to type by hand."""

    secret: str
    uri: str
    qr_png: str


class SecondFactorProof(Body):
    """A code of the authenticator app."""

    code: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]


class SecondFactorEnd(Body):
    """The password once more, and a code of the authenticator app or a backup code."""

    password: Password
    code: Proof


class BackupCodes(Reply):
    """Each is good once, instead of the app; they are shown this once."""

    backup_codes: list[str]


class SecondFactorState(Reply):
    """Whether sign-in asks for a code, and how many backup codes are left."""

    enabled: bool
    backup_codes_left: int


class Jwks(Reply):
    """RFC 7517."""

    keys: list[dict[str, Any]]
