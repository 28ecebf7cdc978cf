"""HTTP: sign-up, e-mail verification, sign-in, refresh, sign-out, JWKS (plan section "Authentication")."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from flask import Request, Response
from pydantic import Field, StringConstraints

from functions.auth import passwords, rules, store, tokens
from functions.auth.passwords import PasswordHash
from functions.auth.tokens import Grant
from shared import db, guarantees, mails, sealing, tiers
from shared.api import Api
from shared.auth import Anyone, Member, MemberSuspended, published_keys
from shared.config import Config, read
from shared.db import Tx
from shared.fields import Body, Day, EmailAddress, Reply, Text
from shared.http import Client
from shared.mails import Letter
from shared.problems import Problem, TokenNotValid
from shared.tiers import Tier

USERNAME_ATTEMPTS_MAX = 5
JWKS_CACHE_SECONDS = 300

api = Api("auth")


def auth(request: Request) -> Response:
    """The function's door."""
    return api.handle(request)


class MailedCodesConfig(Config):
    """The secret that mailed codes are hashed with, in hex."""

    mailed_code_key: str


Password = Annotated[str, StringConstraints(min_length=1, max_length=rules.PASSWORD_LENGTH_MAX)]


class Signup(Body):
    """A new member; without a username one is made of the name."""

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


class EmailVerification(Body):
    """The code that was mailed."""

    email: EmailAddress
    code: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]


class VerifiedEmail(Reply):
    """Always true; a wrong code is a problem."""

    email_verified: bool


class Device(Body):
    """Where the session lives; a member has one mobile and one desktop session."""

    kind: Literal["mobile", "desktop"]
    id: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None


class Login(Body):
    """E-mail address and password."""

    email: EmailAddress
    password: Password
    device: Device = Field(default_factory=lambda: Device(kind="desktop"))


class Refresh(Body):
    """The refresh token that came last."""

    refresh_token: Annotated[str, StringConstraints(min_length=20, max_length=200)]


class Jwks(Reply):
    """RFC 7517."""

    keys: list[dict[str, Any]]


@dataclass(frozen=True)
class PasswordChecked:
    """Whose password it was, and what it takes to sign in; `member` is None for a wrong one."""

    member: store.Credentials | None


def hash_password(body: Signup, now: datetime) -> PasswordHash:
    """Everything about a sign-up that needs no database, the slow hash last."""
    rules.check_age(body.date_of_birth, now.date())
    rules.check_password(body.password, [body.email, body.full_name, body.username or ""])
    return passwords.hashed(body.password)


def check_password(body: Login) -> PasswordChecked:
    """Compare the password outside the transaction, equally long for nobody's."""
    found = db.atomically(lambda tx: store.credentials(tx, body.email))
    right = passwords.matches(body.password, found.password_hash if found else None)
    return PasswordChecked(found if right else None)


@api.post(
    "/v1/auth/signup",
    status=201,
    before=hash_password,
    problems=(
        rules.TooYoung,
        rules.PasswordTooWeak,
        rules.EmailAlreadyRegistered,
        rules.UsernameTaken,
        rules.ReferralCodeUnknown,
    ),
)
def signup(tx: Tx, caller: Anyone, body: Signup, password: PasswordHash, now: datetime) -> SignedUp:
    """Create the account and mail the verification code."""
    referrer = None
    if body.referral_code and not (referrer := store.member_by_username(tx, body.referral_code)):
        raise rules.ReferralCodeUnknown
    created, username = _insert(tx, body, password, referrer, now)
    _mail_code(tx, created.id, body, now)
    return SignedUp(
        id=created.id, member_id=tiers.member_id(created.number, Tier.STANDARD), email=body.email, username=username
    )


@api.post("/v1/auth/verify-email", problems=(rules.VerificationCodeNotValid,))
def verify_email(tx: Tx, caller: Anyone, body: EmailVerification, now: datetime) -> VerifiedEmail | Problem:
    """Prove the address with the mailed code; a few guesses are allowed. It starts the new member guarantee."""
    code = store.open_code(tx, body.email, "verify", now)
    if code is None or code.attempts >= rules.VERIFICATION_ATTEMPTS_MAX:
        return rules.VerificationCodeNotValid()
    if not hmac.compare_digest(code.code_mac, _code_mac(code.id, body.code)):
        store.count_code_attempt(tx, code.id)
        return rules.VerificationCodeNotValid()
    store.use_code(tx, code, now)
    store.verify_email(tx, code.member_id, now)
    guarantees.begin(tx, code.member_id, now)
    return VerifiedEmail(email_verified=True)


@api.post(
    "/v1/auth/login",
    before=check_password,
    after=tokens.issue,
    secret_reply=True,
    problems=(rules.SignInRefused, rules.EmailNotVerified, MemberSuspended),
)
def login(
    tx: Tx, caller: Anyone, body: Login, checked: PasswordChecked, client: Client, now: datetime
) -> Grant | Problem:
    """Start a session."""
    subject = hashlib.sha256(f"{body.email}|{client.ip_address}".encode()).hexdigest()
    hour = now.replace(minute=0, second=0, microsecond=0)
    member = checked.member
    if member is None or store.failed_attempts(tx, subject, hour) >= rules.FAILED_SIGN_INS_MAX:
        store.count_failure(tx, subject, hour)
        return rules.SignInRefused()
    if member.status != "active":
        raise MemberSuspended
    if member.email_verified_at is None:
        raise rules.EmailNotVerified
    session_id = uuid4()
    store.start_session(
        tx,
        session_id=session_id,
        member_id=member.id,
        device_kind=body.device.kind,
        device_id=body.device.id,
        ip_address=client.ip_address,
        user_agent=client.user_agent,
        now=now,
    )
    return _grant(tx, member.id, session_id, tokens.new_refresh_token(), now)


@api.post("/v1/auth/refresh", after=tokens.issue, secret_reply=True, problems=(TokenNotValid,))
def refresh(tx: Tx, caller: Anyone, body: Refresh, now: datetime) -> Grant | Problem:
    """Swap a refresh token for a new pair. A token that comes twice ends the session, unless its answer was lost."""
    token = body.refresh_token
    token_hash = tokens.refresh_token_hash(token)
    found = store.refresh_token(tx, token_hash)
    if found is None or found.ended_at or found.expires_at <= now or found.status != "active":
        return TokenNotValid()
    if found.used_at is None:
        successor = tokens.new_refresh_token()
        store.use_refresh_token(tx, token_hash, sealing.seal(successor.encode(), token.encode()), now)
        store.touch_session(tx, found.session_id, now)
        return _grant(tx, found.member_id, found.session_id, successor, now)
    assert found.successor
    successor = sealing.unseal(found.successor, token.encode()).decode()
    if now - found.used_at <= rules.LOST_RESPONSE and store.is_unused(tx, tokens.refresh_token_hash(successor)):
        key = store.signing_key(tx, now)
        return _granted(found.member_id, found.session_id, key, successor, now)
    store.end_session(tx, found.session_id, "refresh token used twice", now)
    return TokenNotValid()


@api.post("/v1/auth/logout", status=204)
def logout(tx: Tx, member: Member, now: datetime) -> None:
    """End this session; its tokens are refused from the next request on."""
    store.end_session(tx, member.session_id, "signed out", now)


@api.get("/.well-known/jwks.json", reply_headers={"Cache-Control": f"public, max-age={JWKS_CACHE_SECONDS}"})
def jwks(caller: Anyone) -> Jwks:
    """The public keys of access tokens."""
    return Jwks(keys=published_keys())


def _insert(
    tx: Tx, body: Signup, password: PasswordHash, referrer: UUID | None, now: datetime
) -> tuple[store.Created, str]:
    """Raises EmailAlreadyRegistered or UsernameTaken."""
    base = rules.username_base(body.full_name)
    for attempt in range(USERNAME_ATTEMPTS_MAX):
        username = body.username or _suggestion(base, attempt)
        given = body.model_dump(exclude={"password", "referral_code", "username"})
        new = store.NewMember(**given, username=username, password_hash=password.text, referred_by_id=referrer)
        if created := store.insert_member(tx, new, now):
            return created, username
        if store.email_exists(tx, body.email):
            raise rules.EmailAlreadyRegistered
        if body.username:
            raise rules.UsernameTaken
    raise rules.UsernameTaken


def _suggestion(base: str, attempt: int) -> str:
    """The base itself first, then with random digits."""
    return base if attempt == 0 else f"{base}{secrets.randbelow(10**5):05d}"


def _mail_code(tx: Tx, member_id: UUID, body: Signup, now: datetime) -> None:
    code, code_id = f"{secrets.randbelow(10**6):06d}", uuid4()
    store.replace_code(
        tx, code_id, member_id, "verify", _code_mac(code_id, code), now, now + rules.VERIFICATION_CODE_LIFE
    )
    parameters = {"name": body.full_name, "code": code}
    letter = Letter(body.email, body.full_name, "verify_email", parameters, f"verify-email:{code_id}", member_id)
    mails.queue(tx, letter, now)


def _code_mac(code_id: UUID, code: str) -> bytes:
    key = bytes.fromhex(read(MailedCodesConfig).mailed_code_key)
    return hmac.digest(key, f"{code_id}:{code}".encode(), "sha256")


def _grant(tx: Tx, member_id: UUID, session_id: UUID, refresh_token: str, now: datetime) -> Grant:
    until = now + rules.REFRESH_TOKEN_LIFE
    store.insert_refresh_token(tx, tokens.refresh_token_hash(refresh_token), session_id, now, until)
    return _granted(member_id, session_id, store.signing_key(tx, now), refresh_token, now)


def _granted(member_id: UUID, session_id: UUID, key: store.SigningKey, refresh_token: str, now: datetime) -> Grant:
    return Grant(
        member_id=member_id,
        session_id=session_id,
        key_id=key.kid,
        kms_version=key.kms_version,
        issued_at=now,
        refresh_token=refresh_token,
    )
