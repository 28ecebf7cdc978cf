"""HTTP: sign-up, e-mail verification, sign-in, refresh, sign-out, JWKS (docs/product.md, "Accounts")."""

from datetime import datetime
from secrets import randbelow
from uuid import UUID

from flask import Request, Response

from functions.auth import (
    limits,
    lockout,
    new_passwords,
    proofs,
    reauthentication,
    records,
    referral_links,
    rules,
    session_records,
    sessions,
    sign_up_store,
    sign_ups,
    store,
    tellings,
    tokens,
    two_factor,
    wallet_tokens,
)
from functions.auth.lockout import PasswordChecked
from functions.auth.models import (
    ClientAddress,
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
from functions.auth.new_passwords import ResetHash
from functions.auth.passwords import PasswordHash
from functions.auth.proofs import Addressee
from functions.auth.reauthentication import PasswordsCompared
from functions.auth.tokens import Grant
from shared.api import Api
from shared.auth import Anyone, Member, MemberSuspended, published_keys
from shared.comps import guarantees
from shared.credentials import mailed_codes, totp
from shared.credentials.recent_sign_in import SignInAgain
from shared.db import ConstraintViolated, Tx
from shared.members import listeners, usernames
from shared.members.accounts import NameReserved, is_reserved
from shared.members.security_notices import SecurityChange
from shared.values import tiers
from shared.values.problems import Problem, TokenNotValid
from shared.values.states import MemberStatus
from shared.values.tiers import Tier
from shared.web import attacks, quotas, sealing
from shared.web.http import Client

USERNAME_ATTEMPTS_MAX = 5
JWKS_CACHE_SECONDS = 300
SECOND_FACTOR_REFUSALS = (totp.SecondFactorWrong, totp.SecondFactorUsed, totp.SecondFactorLocked)

api = Api("auth")


def auth(request: Request) -> Response:
    return api.handle(request)


@api.post(
    "/v1/auth/signup",
    status=201,
    limit=limits.of_sign_ups,
    before=new_passwords.of_sign_up,
    problems=(
        rules.TooYoung,
        rules.PasswordTooWeak,
        rules.EmailAlreadyRegistered,
        rules.UsernameTaken,
        NameReserved,
        rules.ReferralCodeUnknown,
        rules.TooManySignUps,
    ),
)
def signup(tx: Tx, caller: Anyone, body: Signup, password: PasswordHash, client: Client, now: datetime) -> SignedUp:
    """Create the account and mail the verification code. Replaces an earlier unproved sign-up with the same ticket."""
    ticket = mailed_codes.ticket_mark(body.ticket)
    created, username = _insert(tx, body, password, referral_links.referrer(tx, body, client), ticket, now=now)
    quotas.spend_within(tx, limits.of_sign_up_mails(body.email, client), now)
    proofs.send(tx, "verify", Addressee(created.id, body.email, body.full_name), ticket, now)
    return SignedUp(
        id=created.id, member_id=tiers.member_id(created.number, Tier.STANDARD), email=body.email, username=username
    )


@api.get("/v1/auth/username-suggestions")
def suggest_usernames(tx: Tx, caller: Anyone, query: NameGiven) -> UsernameSuggestions:
    """Suggest free usernames made from a name."""
    made = rules.username_candidates(query.full_name, [randbelow(10**5) for _ in range(rules.SUGGESTIONS)])
    candidates = [name for name in made if not is_reserved(name)]
    taken = store.taken_usernames(tx, candidates)
    return UsernameSuggestions(suggestions=[name for name in candidates if name not in taken][: rules.SUGGESTIONS])


@api.get("/v1/auth/client-address")
def get_client_address(caller: Anyone, client: Client) -> ClientAddress:
    """Return the address by which limits and records know the caller. Each deployment checks it from two places."""
    return ClientAddress(address=client.ip_address)


api.get("/r/{code}", status=302, any_query=True)(referral_links.follow_referral)


@api.post(
    "/v1/auth/verify-email",
    limit=limits.of_guesses,
    problems=(rules.VerificationCodeNotValid, rules.TooManyGuesses),
)
def verify_email(tx: Tx, caller: Anyone, body: EmailVerification, now: datetime) -> VerifiedEmail | Problem:
    """Prove the address with the mailed code; a few guesses are allowed. The new member guarantee starts with it."""
    member_id = proofs.spend(tx, "verify", body.email, body.code, mailed_codes.ticket_mark(body.ticket), now=now)
    if member_id is None:
        return rules.VerificationCodeNotValid()
    sign_ups.prove(tx, member_id, body.email, now)
    _remember(tx, body.ticket, member_id, now)
    guarantees.begin(tx, member_id, now)
    return VerifiedEmail(email_verified=True)


@api.post(
    "/v1/auth/verify-email/resend",
    status=202,
    limit=limits.of_codes_to_verify,
    problems=(rules.TooManyMailedCodes,),
)
def resend_verification(tx: Tx, caller: Anyone, body: MailedCodeRequest, now: datetime) -> MailedCodeRequested:
    """Mail a new code for the unproved sign-up of this ticket; at most three in an hour."""
    ticket = mailed_codes.ticket_mark(body.ticket)
    waiting = sign_up_store.waiting(tx, body.email, ticket)
    proofs.ask(tx, "verify", body.email, _addressee(waiting), ticket, now=now)
    return MailedCodeRequested(expires_in=int(mailed_codes.LIFE.total_seconds()))


@api.post(
    "/v1/auth/login",
    before=lockout.check_password,
    after=tokens.sign_in,
    secret_reply=True,
    problems=(
        rules.SignInRefused,
        rules.EmailNotVerified,
        rules.AdminsOnly,
        totp.SecondFactorNeeded,
        MemberSuspended,
        *SECOND_FACTOR_REFUSALS,
    ),
)
def login(
    tx: Tx, caller: Anyone, body: Login, checked: PasswordChecked, client: Client, now: datetime
) -> Grant | Problem:
    """Start a session if the password is right, and so is the second factor of a member who has one."""
    member = checked.account
    if not checked.right or member is None:
        trace = attacks.sign_in_locked if checked.locked else attacks.sign_in_failed
        trace(member.id if member else None, rules.SignInRefused.slug())
        return rules.SignInRefused()
    if member.status != MemberStatus.ACTIVE:
        raise MemberSuspended
    if member.email_verified_at is None:
        raise rules.EmailNotVerified
    if body.device.kind == "admin" and member.role is None:
        raise rules.AdminsOnly
    proved_at = two_factor.proved_at_sign_in(tx, member.id, body.code, now)
    session_id = sessions.begin(tx, member, body.device, client, proved_at, now=now)
    device_token = tokens.new_secret()
    records.remember_device(tx, device_token, member.id, now)
    return _grant(tx, member.id, session_id, tokens.new_secret(), now, device_token=device_token)


@api.post("/v1/auth/refresh", after=tokens.issue, secret_reply=True, problems=(TokenNotValid,))
def refresh(tx: Tx, caller: Anyone, body: Refresh, now: datetime) -> Grant | Problem:
    """Exchange a refresh token for a new pair. A token used twice ends the session, unless its answer may have been
    lost.
    """
    token = body.refresh_token
    token_hash = tokens.secret_hash(token)
    found = store.refresh_token(tx, token_hash)
    if found is None or found.ended_at or found.expires_at <= now or found.status != MemberStatus.ACTIVE:
        return TokenNotValid()
    if found.used_at is None:
        successor = tokens.new_secret()
        store.use_refresh_token(tx, token_hash, sealing.seal(successor.encode(), token.encode()), now)
        session_records.touch(tx, found.session_id, now)
        return _grant(tx, found.member_id, found.session_id, successor, now)
    assert found.successor
    successor = sealing.unseal(found.successor, token.encode()).decode()
    until = store.unused_until(tx, tokens.secret_hash(successor))
    if now - found.used_at <= rules.LOST_RESPONSE and until:
        key = store.signing_key(tx, now)
        return _granted(found.member_id, found.session_id, key, successor, until, now=now)
    attacks.refresh_token_reused(found.member_id, TokenNotValid.slug())
    sessions.end(tx, found.member_id, found.session_id, "refresh token used twice", now)
    return TokenNotValid()


@api.post("/v1/auth/logout", status=204)
def logout(tx: Tx, member: Member, now: datetime) -> None:
    """End this session; its tokens are refused from the next request on."""
    sessions.end(tx, member.id, member.session_id, "signed out", now)


api.get("/v1/auth/sessions")(sessions.list_sessions)
api.delete("/v1/auth/sessions", status=204)(sessions.end_all_sessions)
api.delete("/v1/auth/sessions/{session_id}", status=204)(sessions.end_session)


@api.get("/.well-known/jwks.json", reply_headers={"Cache-Control": f"public, max-age={JWKS_CACHE_SECONDS}"})
def jwks(caller: Anyone) -> Jwks:
    """The public keys of access tokens."""
    return Jwks(keys=published_keys())


@api.post(
    "/v1/auth/reset-password",
    status=202,
    limit=limits.of_codes_to_reset,
    problems=(rules.TooManyMailedCodes,),
)
def request_password_reset(tx: Tx, caller: Anyone, body: MailedCodeRequest, now: datetime) -> MailedCodeRequested:
    """Mail a code to the address if it is a member's; at most three in an hour. The answer is the same if it is not."""
    account = store.credentials(tx, body.email)
    active = account if account and account.status == MemberStatus.ACTIVE and account.email_verified_at else None
    proofs.ask(tx, "reset", body.email, _addressee(active), mailed_codes.ticket_mark(body.ticket), now=now)
    return MailedCodeRequested(expires_in=int(mailed_codes.LIFE.total_seconds()))


@api.post(
    "/v1/auth/reset-password/confirm",
    status=204,
    limit=limits.of_guesses,
    before=new_passwords.of_reset,
    problems=(rules.PasswordTooWeak, rules.PasswordResetNotValid, rules.TooManyGuesses),
)
def confirm_password_reset(
    tx: Tx, caller: Anyone, body: PasswordReset, password: ResetHash, now: datetime
) -> Problem | None:
    """Set a new password with the mailed code and end every session. Two-factor authentication stays as it is."""
    ticket = mailed_codes.ticket_mark(body.ticket)
    member_id = proofs.spend(tx, "reset", body.email, body.code, ticket, now=now) if password.hash else None
    if password.hash is None or member_id is None:
        return rules.PasswordResetNotValid()
    _set_password(tx, member_id, password.hash, now)
    _remember(tx, body.ticket, member_id, now)
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
    """Set a new password and end every session, this one too."""
    if compared.new is None:
        return rules.PasswordWrong()
    _set_password(tx, member.id, compared.new, now)
    return None


api.get("/v1/auth/2fa")(two_factor.get_second_factor)
api.post(
    "/v1/auth/2fa/setup",
    before=reauthentication.for_set_up,
    secret_reply=True,
    problems=(rules.PasswordWrong, rules.SecondFactorAlreadySetUp),
)(two_factor.set_up_second_factor)
api.post(
    "/v1/auth/2fa/enable",
    secret_reply=True,
    problems=(
        totp.SecondFactorNotSetUp,
        totp.SecondFactorWrong,
        totp.SecondFactorLocked,
        rules.SecondFactorAlreadySetUp,
    ),
)(two_factor.enable_second_factor)
api.post(
    "/v1/auth/2fa/prove",
    problems=(totp.SecondFactorNotSetUp, *SECOND_FACTOR_REFUSALS),
)(two_factor.prove_second_factor)
api.post(
    "/v1/auth/2fa/disable",
    status=204,
    before=reauthentication.for_end,
    problems=(rules.PasswordWrong, totp.SecondFactorNotSetUp, *SECOND_FACTOR_REFUSALS),
)(two_factor.disable_second_factor)
api.post(
    "/v1/auth/2fa/backup-codes",
    secret_reply=True,
    problems=(totp.SecondFactorNotSetUp, *SECOND_FACTOR_REFUSALS),
)(two_factor.renew_backup_codes)
api.post(
    "/v1/wallet/token",
    status=201,
    limit=wallet_tokens.limit,
    after=wallet_tokens.issue,
    problems=(SignInAgain, rules.TooManyWalletTokens),
)(wallet_tokens.create_wallet_token)


def _insert(
    tx: Tx, body: Signup, password: PasswordHash, referrer: UUID | None, ticket: bytes | None, now: datetime
) -> tuple[store.Created, str]:
    """Insert the member and return it with its username. Tries further names when a suggested one is taken, also when
    its former holder gives it up in this moment. Raises EmailAlreadyRegistered, UsernameTaken or NameReserved.
    """
    if body.username and is_reserved(body.username):
        raise NameReserved
    sign_ups.start_anew(tx, body.email, ticket, now)
    base = rules.username_base(body.full_name)
    for attempt in range(USERNAME_ATTEMPTS_MAX):
        username = body.username or _suggestion(base, attempt)
        if not body.username and usernames.held(tx, [username]):
            continue
        given = body.model_dump(exclude={"password", "referral_code", "username", "ticket"})
        new = store.NewMember(
            **given, username=username, password_hash=password.text, referred_by_id=referrer, sign_up_ticket=ticket
        )
        if created := _inserted(tx, new, now):
            return created, username
        if body.username:
            raise rules.UsernameTaken
    raise rules.UsernameTaken


def _inserted(tx: Tx, new: store.NewMember, now: datetime) -> store.Created | None:
    """Insert the member; None if the username is taken. Raises UsernameTaken if the name was once another member's."""
    try:
        created = store.insert_member(tx, new, now)
    except ConstraintViolated as refused:
        if refused.constraint == "username_former":
            raise rules.UsernameTaken from None
        raise
    if created and usernames.held(tx, [new.username]):
        raise rules.UsernameTaken
    return created


def _suggestion(base: str, attempt: int) -> str:
    """The base itself at the first attempt, later the base with five random digits."""
    return base if attempt == 0 else f"{base}{randbelow(10**5):05d}"


def _addressee(account: store.Credentials | None) -> Addressee | None:
    return Addressee(account.id, account.email, account.full_name) if account else None


def _remember(tx: Tx, ticket: str | None, member_id: UUID, now: datetime) -> None:
    """Make the device known, with its ticket as device token: whoever returned the mailed code can read the mailbox."""
    if ticket:
        records.remember_device(tx, ticket, member_id, now)


def _set_password(tx: Tx, member_id: UUID, password: PasswordHash, now: datetime) -> None:
    """Set the password and send the member a security notice, because somebody else may have done it."""
    account = store.credentials_of(tx, member_id)
    assert account
    store.set_password(tx, member_id, password.text, now)
    listeners.revoke(tx, member_id, now)
    tellings.tell(tx, SecurityChange.PASSWORD_CHANGED, account, now)


def _grant(
    tx: Tx, member_id: UUID, session_id: UUID, refresh_token: str, now: datetime, device_token: str | None = None
) -> Grant:
    until = store.insert_refresh_token(tx, tokens.secret_hash(refresh_token), session_id, now)
    return _granted(
        member_id, session_id, store.signing_key(tx, now), refresh_token, until, now=now, device_token=device_token
    )


def _granted(
    member_id: UUID,
    session_id: UUID,
    key: store.SigningKey,
    refresh_token: str,
    refresh_expires_at: datetime,
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
        refresh_expires_at=refresh_expires_at,
        device_token=device_token,
    )
