"""HTTP: sign-up, e-mail verification, sign-in, refresh, sign-out, JWKS (plan section "Authentication")."""

from dataclasses import dataclass
from datetime import datetime
from secrets import randbelow
from urllib.parse import quote
from uuid import UUID, uuid4

from flask import Request, Response

from functions.auth import lockout, passwords, proofs, reauthentication, records, rules, store, tokens, two_factor
from functions.auth.models import (
    EmailVerification,
    Jwks,
    Login,
    MailedCodeRequest,
    MailedCodeRequested,
    NameGiven,
    PasswordChange,
    PasswordReset,
    Refresh,
    SignedUp,
    Signup,
    UsernameSuggestions,
    VerifiedEmail,
)
from functions.auth.passwords import PasswordHash
from functions.auth.proofs import Addressee
from functions.auth.reauthentication import PasswordsCompared
from functions.auth.tokens import Grant
from shared import db, guarantees, listeners, mailed_codes, mails, sealing, tiers, totp
from shared.api import Api
from shared.auth import Anyone, Member, MemberSuspended, published_keys
from shared.config import Config, read
from shared.db import Tx
from shared.http import Client, Redirect
from shared.mails import Letter
from shared.problems import NotFound, Problem, TokenNotValid
from shared.tiers import Tier

USERNAME_ATTEMPTS_MAX = 5
JWKS_CACHE_SECONDS = 300
REFERRAL_COOKIE = "blakjaks_referral"
REFERRAL_SECONDS = 30 * 24 * 3600
NOT_STORED = {"Cache-Control": "no-store"}  # RFC 6749, section 5.1
SECOND_FACTOR_REFUSALS = (totp.SecondFactorWrong, totp.SecondFactorUsed, totp.SecondFactorLocked)

api = Api("auth")


def auth(request: Request) -> Response:
    """The function's door."""
    return api.handle(request)


class WebConfig(Config):
    """Where people sign up on the web, and the domain that pages and API share."""

    sign_up_url: str = "https://blakjaks.com/join"
    cookie_domain: str = "blakjaks.com"


@dataclass(frozen=True)
class PasswordChecked:
    """Whose password it was said to be, and whether it was."""

    account: store.Credentials | None
    right: bool


def hash_password(body: Signup, now: datetime) -> PasswordHash:
    """Everything about a sign-up that needs no database, the slow hash last."""
    rules.check_age(body.date_of_birth, now.date())
    rules.check_password(body.password, [body.email, body.full_name, body.username or ""])
    return passwords.hashed(body.password)


def check_password(body: Login) -> PasswordChecked:
    """Compare the password outside the transaction, equally long for nobody's."""
    found = db.atomically(lambda tx: store.credentials(tx, body.email))
    return PasswordChecked(found, passwords.matches(body.password, found.password_hash if found else None))


def hash_new_password(body: PasswordReset) -> PasswordHash:
    """Before anybody knows whether the code is right: the answer takes as long for a wrong one."""
    rules.check_password(body.password, [body.email])
    return passwords.hashed(body.password)


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
        rules.TooManySignUps,
    ),
)
def signup(tx: Tx, caller: Anyone, body: Signup, password: PasswordHash, client: Client, now: datetime) -> SignedUp:
    """Create the account and mail the verification code."""
    subject = f"sign-up from {client.network}"
    if records.count_attempts(tx, [subject], now)[subject] > rules.SIGN_UPS_MAX:
        raise rules.TooManySignUps(headers={"Retry-After": str(rules.seconds_left_of_hour(now))})
    created, username = _insert(tx, body, password, _referrer(tx, body, client), now)
    proofs.send(tx, "verify", Addressee(created.id, body.email, body.full_name), now)
    return SignedUp(
        id=created.id, member_id=tiers.member_id(created.number, Tier.STANDARD), email=body.email, username=username
    )


@api.get("/v1/auth/username-suggestions")
def suggest_usernames(tx: Tx, caller: Anyone, query: NameGiven) -> UsernameSuggestions:
    """Free usernames made of a name."""
    candidates = rules.username_candidates(query.full_name, [randbelow(10**5) for _ in range(rules.SUGGESTIONS)])
    taken = store.taken_usernames(tx, candidates)
    return UsernameSuggestions(suggestions=[name for name in candidates if name not in taken][: rules.SUGGESTIONS])


@api.get("/r/{code}", status=302, reply_headers=NOT_STORED)
def follow_referral(tx: Tx, caller: Anyone, code: str) -> Redirect:
    """A member's link: to the sign-up page, where the friend is remembered for thirty days."""
    config = read(WebConfig)
    if not rules.is_referral_code(code):
        raise NotFound
    if not store.referrer(tx, code):
        return Redirect(config.sign_up_url)
    cookie = f"{REFERRAL_COOKIE}={quote(code)}; Max-Age={REFERRAL_SECONDS}; Domain={config.cookie_domain}; Path=/"
    return Redirect(
        f"{config.sign_up_url}?ref={quote(code)}", {"Set-Cookie": f"{cookie}; Secure; HttpOnly; SameSite=Lax"}
    )


@api.post("/v1/auth/verify-email", problems=(rules.VerificationCodeNotValid,))
def verify_email(tx: Tx, caller: Anyone, body: EmailVerification, now: datetime) -> VerifiedEmail | Problem:
    """Prove the address with the mailed code; a few guesses are allowed. It starts the new member guarantee."""
    member_id = proofs.spend(tx, "verify", body.email, body.code, now)
    if member_id is None:
        return rules.VerificationCodeNotValid()
    store.verify_email(tx, member_id, now)
    guarantees.begin(tx, member_id, now)
    return VerifiedEmail(email_verified=True)


@api.post("/v1/auth/verify-email/resend", status=202, problems=(rules.TooManyMailedCodes,))
def resend_verification(
    tx: Tx, caller: Anyone, body: MailedCodeRequest, client: Client, now: datetime
) -> MailedCodeRequested:
    """A new code for an address that waits to be proved; three in an hour."""
    account = store.credentials(tx, body.email)
    waiting = account if account and account.email_verified_at is None else None
    proofs.ask(tx, "verify", body.email, _addressee(waiting), client, now)
    return MailedCodeRequested(expires_in=int(mailed_codes.LIFE.total_seconds()))


@api.post(
    "/v1/auth/login",
    before=check_password,
    after=tokens.sign_in,
    secret_reply=True,
    reply_headers=NOT_STORED,
    problems=(
        rules.SignInRefused,
        rules.EmailNotVerified,
        rules.SecondFactorNeeded,
        MemberSuspended,
        *SECOND_FACTOR_REFUSALS,
    ),
)
def login(
    tx: Tx, caller: Anyone, body: Login, checked: PasswordChecked, client: Client, now: datetime
) -> Grant | Problem:
    """Start a session."""
    member = checked.account
    if not lockout.admits(tx, body.email, body.device, client, right=checked.right, now=now) or member is None:
        return rules.SignInRefused()
    if member.status != "active":
        raise MemberSuspended
    if member.email_verified_at is None:
        raise rules.EmailNotVerified
    proved_at = two_factor.proved_at_sign_in(tx, member.id, body.code, now)
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
        proved_at=proved_at,
    )
    device_token = tokens.new_secret()
    records.remember_device(tx, tokens.secret_hash(device_token), member.id, now, now - rules.DEVICE_KNOWN_FOR)
    return _grant(tx, member.id, session_id, tokens.new_secret(), now, device_token)


@api.post(
    "/v1/auth/refresh", after=tokens.issue, secret_reply=True, reply_headers=NOT_STORED, problems=(TokenNotValid,)
)
def refresh(tx: Tx, caller: Anyone, body: Refresh, now: datetime) -> Grant | Problem:
    """Swap a refresh token for a new pair. A token that comes twice ends the session, unless its answer was lost."""
    token = body.refresh_token
    token_hash = tokens.secret_hash(token)
    found = store.refresh_token(tx, token_hash)
    if found is None or found.ended_at or found.expires_at <= now or found.status != "active":
        return TokenNotValid()
    if found.used_at is None:
        successor = tokens.new_secret()
        store.use_refresh_token(tx, token_hash, sealing.seal(successor.encode(), token.encode()), now)
        store.touch_session(tx, found.session_id, now)
        return _grant(tx, found.member_id, found.session_id, successor, now)
    assert found.successor
    successor = sealing.unseal(found.successor, token.encode()).decode()
    if now - found.used_at <= rules.LOST_RESPONSE and store.is_unused(tx, tokens.secret_hash(successor)):
        key = store.signing_key(tx, now)
        return _granted(found.member_id, found.session_id, key, successor, now)
    store.end_session(tx, found.session_id, "refresh token used twice", now)
    listeners.revoke(tx, found.member_id, now)
    return TokenNotValid()


@api.post("/v1/auth/logout", status=204)
def logout(tx: Tx, member: Member, now: datetime) -> None:
    """End this session; its tokens are refused from the next request on."""
    store.end_session(tx, member.session_id, "signed out", now)


@api.get("/.well-known/jwks.json", reply_headers={"Cache-Control": f"public, max-age={JWKS_CACHE_SECONDS}"})
def jwks(caller: Anyone) -> Jwks:
    """The public keys of access tokens."""
    return Jwks(keys=published_keys())


@api.post("/v1/auth/reset-password", status=202, problems=(rules.TooManyMailedCodes,))
def request_password_reset(
    tx: Tx, caller: Anyone, body: MailedCodeRequest, client: Client, now: datetime
) -> MailedCodeRequested:
    """Mail a code to the address, if it is a member's; three in an hour. Nobody is told whether it is."""
    account = store.credentials(tx, body.email)
    active = account if account and account.status == "active" else None
    proofs.ask(tx, "reset", body.email, _addressee(active), client, now)
    return MailedCodeRequested(expires_in=int(mailed_codes.LIFE.total_seconds()))


@api.post(
    "/v1/auth/reset-password/confirm",
    status=204,
    before=hash_new_password,
    problems=(rules.PasswordTooWeak, rules.PasswordResetNotValid),
)
def confirm_password_reset(
    tx: Tx, caller: Anyone, body: PasswordReset, password: PasswordHash, now: datetime
) -> Problem | None:
    """Set a new password with the mailed code; every session ends. Two-factor authentication stays as it is."""
    member_id = proofs.spend(tx, "reset", body.email, body.code, now)
    if member_id is None:
        return rules.PasswordResetNotValid()
    _set_password(tx, member_id, password, now)
    return None


@api.post(
    "/v1/auth/password",
    status=204,
    before=reauthentication.for_change,
    problems=(rules.PasswordTooWeak, rules.PasswordWrong),
)
def change_password(
    tx: Tx, member: Member, body: PasswordChange, compared: PasswordsCompared, now: datetime
) -> Problem | None:
    """Every session ends, this one too."""
    if refusal := reauthentication.check(tx, member, compared, now):
        return refusal
    _set_password(tx, member.id, compared.new, now)
    return None


api.get("/v1/auth/2fa")(two_factor.get_second_factor)
api.post(
    "/v1/auth/2fa/setup",
    before=reauthentication.for_set_up,
    secret_reply=True,
    reply_headers=NOT_STORED,
    problems=(rules.PasswordWrong, rules.SecondFactorAlreadySetUp),
)(two_factor.set_up_second_factor)
api.post(
    "/v1/auth/2fa/enable",
    secret_reply=True,
    reply_headers=NOT_STORED,
    problems=(totp.SecondFactorNotSetUp, totp.SecondFactorWrong, rules.SecondFactorAlreadySetUp),
)(two_factor.enable_second_factor)
api.post(
    "/v1/auth/2fa/disable",
    status=204,
    before=reauthentication.for_end,
    problems=(rules.PasswordWrong, totp.SecondFactorNotSetUp, *SECOND_FACTOR_REFUSALS),
)(two_factor.disable_second_factor)
api.post(
    "/v1/auth/2fa/backup-codes",
    secret_reply=True,
    reply_headers=NOT_STORED,
    problems=(totp.SecondFactorNotSetUp, *SECOND_FACTOR_REFUSALS),
)(two_factor.renew_backup_codes)


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
    return base if attempt == 0 else f"{base}{randbelow(10**5):05d}"


def _referrer(tx: Tx, body: Signup, client: Client) -> UUID | None:
    """Who is to have the credit. A code that was typed must be somebody's; a link may be of yesterday's friend.

    Nobody can name themselves: they are no member yet. Raises ReferralCodeUnknown.
    """
    code = body.referral_code or client.cookies.get(REFERRAL_COOKIE)
    found = store.referrer(tx, code) if code and rules.is_referral_code(code) else None
    if body.referral_code and found is None:
        raise rules.ReferralCodeUnknown
    return found


def _addressee(account: store.Credentials | None) -> Addressee | None:
    return Addressee(account.id, account.email, account.full_name) if account else None


def _set_password(tx: Tx, member_id: UUID, password: PasswordHash, now: datetime) -> None:
    """And tell the member, who may not have been it."""
    account = store.credentials_of(tx, member_id)
    assert account
    store.set_password(tx, member_id, password.text, now)
    listeners.revoke(tx, member_id, now)
    key = f"password-changed:{uuid4()}"
    parameters = {"name": account.full_name}
    mails.queue(tx, Letter(account.email, account.full_name, "password_changed", parameters, key, member_id), now)


def _grant(
    tx: Tx, member_id: UUID, session_id: UUID, refresh_token: str, now: datetime, device_token: str | None = None
) -> Grant:
    until = now + rules.REFRESH_TOKEN_LIFE
    store.insert_refresh_token(tx, tokens.secret_hash(refresh_token), session_id, now, until)
    return _granted(member_id, session_id, store.signing_key(tx, now), refresh_token, now, device_token)


def _granted(
    member_id: UUID,
    session_id: UUID,
    key: store.SigningKey,
    refresh_token: str,
    now: datetime,
    device_token: str | None = None,
) -> Grant:
    return Grant(
        member_id=member_id,
        session_id=session_id,
        key_id=key.kid,
        kms_version=key.kms_version,
        issued_at=now,
        refresh_token=refresh_token,
        device_token=device_token,
    )
