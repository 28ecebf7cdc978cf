"""What sign-up and sign-in read and write."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID, uuid4

from shared.db import Tx


@dataclass(frozen=True)
class NewMember:
    """A member as they signed up."""

    email: str
    password_hash: str
    username: str
    full_name: str
    date_of_birth: date
    phone: str | None
    address_line1: str | None
    address_line2: str | None
    city: str | None
    state: str | None
    zip_code: str | None
    country: str
    language: str
    referred_by_id: UUID | None


@dataclass(frozen=True)
class Created:
    """A new member's ids."""

    id: UUID
    number: int


@dataclass(frozen=True)
class Credentials:
    """What a sign-in is checked against."""

    id: UUID
    email: str
    full_name: str
    password_hash: str
    email_verified_at: datetime | None
    status: str


@dataclass(frozen=True)
class OpenCode:
    """A mailed code that is neither used nor expired."""

    id: UUID
    member_id: UUID
    code_mac: bytes
    attempts: int


@dataclass(frozen=True)
class RefreshToken:
    """A refresh token as its hash finds it."""

    session_id: UUID
    member_id: UUID
    expires_at: datetime
    used_at: datetime | None
    successor: bytes | None
    ended_at: datetime | None
    status: str


@dataclass(frozen=True)
class SigningKey:
    """The key that signs now."""

    kid: str
    kms_version: str


@dataclass(frozen=True)
class Identity:
    """Just an id."""

    id: UUID


@dataclass(frozen=True)
class Username:
    """Just a username."""

    username: str


def insert_member(tx: Tx, new: NewMember, now: datetime) -> Created | None:
    """None when the e-mail address or the username is taken, in whatever capitals."""
    created = tx.first(
        Created,
        """
        INSERT INTO members (email, password_hash, username, full_name, date_of_birth, phone, address_line1,
                             address_line2, city, state, zip_code, country, language, referred_by_id,
                             created_at, updated_at)
        VALUES (:email, :password_hash, :username, :full_name, :date_of_birth, :phone, :address_line1,
                :address_line2, :city, :state, :zip_code, :country, :language, :referred_by_id, :now, :now)
        ON CONFLICT DO NOTHING RETURNING id, number
        """,
        **vars(new),
        now=now,
    )
    if created:
        tx.run("INSERT INTO member_totals (member_id) VALUES (:id)", id=created.id)
        tx.run("INSERT INTO inboxes (member_id) VALUES (:id)", id=created.id)
    return created


def email_exists(tx: Tx, email: str) -> bool:
    """Whatever its capitals."""
    return tx.first(Identity, "SELECT id FROM members WHERE lower(email) = lower(:email)", email=email) is not None


def referrer(tx: Tx, code: str) -> UUID | None:
    """The active member who refers by this username or code of their own."""
    found = tx.first(
        Identity,
        """
        SELECT id FROM members
        WHERE status = 'active' AND (lower(username) = lower(:code)
              OR id = (SELECT member_id FROM referral_codes WHERE code = lower(:code)))
        """,
        code=code,
    )
    return found.id if found else None


def taken_usernames(tx: Tx, usernames: Sequence[str]) -> set[str]:
    """Those of the given (in small letters) that somebody has, in whatever capitals."""
    rows = tx.all(
        Username,
        "SELECT lower(username) AS username FROM members WHERE lower(username) = ANY(CAST(:usernames AS text[]))",
        usernames=list(usernames),
    )
    return {row.username for row in rows}


def replace_code(
    tx: Tx, code_id: UUID, member_id: UUID, purpose: str, code_mac: bytes, now: datetime, until: datetime
) -> None:
    """A new mailed code; earlier ones of the purpose stop working. For nobody's id the same work comes to nothing."""
    tx.run_later(
        "UPDATE email_codes SET used_at = :now WHERE member_id = :member_id AND purpose = :purpose AND used_at IS NULL",
        member_id=member_id,
        purpose=purpose,
        now=now,
    )
    tx.run_later(
        """
        INSERT INTO email_codes (id, member_id, purpose, code_mac, created_at, expires_at)
        SELECT CAST(:id AS uuid), id, CAST(:purpose AS text), CAST(:code_mac AS bytea), CAST(:now AS timestamptz),
               CAST(:until AS timestamptz)
        FROM members WHERE id = :member_id
        """,
        id=code_id,
        member_id=member_id,
        purpose=purpose,
        code_mac=code_mac,
        now=now,
        until=until,
    )


def queue_no_mail(tx: Tx, email: str, template: str, now: datetime) -> None:
    """As much work as queueing a mail, for who is no member."""
    tx.run(
        """
        INSERT INTO mails (id, dedupe_key, member_id, to_email, to_name, template, parameters, queued_at)
        SELECT CAST(:id AS uuid), CAST(:id AS text), NULL, CAST(:email AS text), CAST(:email AS text),
               CAST(:template AS text), CAST(:parameters AS jsonb), CAST(:now AS timestamptz)
        FROM members WHERE id = :id
        """,
        id=uuid4(),
        email=email,
        template=template,
        parameters={"name": email, "code": ""},
        now=now,
    )


def open_code(tx: Tx, email: str, purpose: str, now: datetime) -> OpenCode | None:
    """The live code of an address, locked: attempts are counted one by one."""
    return tx.first(
        OpenCode,
        """
        SELECT c.id, c.member_id, c.code_mac, c.attempts
        FROM email_codes c JOIN members m ON m.id = c.member_id
        WHERE lower(m.email) = lower(:email) AND c.purpose = :purpose AND c.used_at IS NULL AND c.expires_at > :now
        FOR UPDATE OF c
        """,
        email=email,
        purpose=purpose,
        now=now,
    )


def count_code_attempt(tx: Tx, code_id: UUID) -> None:
    """One guess less."""
    tx.run_later("UPDATE email_codes SET attempts = attempts + 1 WHERE id = :id", id=code_id)


def use_code(tx: Tx, code: OpenCode, now: datetime) -> None:
    """The code has done its work."""
    tx.run_later("UPDATE email_codes SET used_at = :now WHERE id = :id", id=code.id, now=now)


def verify_email(tx: Tx, member_id: UUID, now: datetime) -> None:
    """The member has proved the address."""
    tx.run_later(
        "UPDATE members SET email_verified_at = coalesce(email_verified_at, :now), updated_at = :now WHERE id = :id",
        id=member_id,
        now=now,
    )


def credentials(tx: Tx, email: str) -> Credentials | None:
    """For checking a password; None for nobody."""
    return tx.first(
        Credentials,
        """
        SELECT id, email, full_name, password_hash, email_verified_at, status
        FROM members WHERE lower(email) = lower(:email)
        """,
        email=email,
    )


def credentials_of(tx: Tx, member_id: UUID) -> Credentials | None:
    """The same by id."""
    return tx.first(
        Credentials,
        "SELECT id, email, full_name, password_hash, email_verified_at, status FROM members WHERE id = :id",
        id=member_id,
    )


def set_password(tx: Tx, member_id: UUID, password_hash: str, now: datetime) -> None:
    """From now on this one signs in, on no session and no device that there was before."""
    tx.run_later(
        "UPDATE members SET password_hash = :password_hash, updated_at = :now WHERE id = :id",
        id=member_id,
        password_hash=password_hash,
        now=now,
    )
    end_sessions(tx, member_id, None, "password changed", now)
    tx.run_later("DELETE FROM known_devices WHERE member_id = :id", id=member_id)


def start_session(
    tx: Tx,
    *,
    session_id: UUID,
    member_id: UUID,
    device_kind: str,
    device_id: str | None,
    ip_address: str | None,
    user_agent: str,
    now: datetime,
    proved_at: datetime | None = None,
) -> None:
    """A session that ends the member's earlier one on the same kind of device."""
    tx.run_later("UPDATE members SET last_login_at = :now WHERE id = :member_id", member_id=member_id, now=now)
    tx.run_later(
        """
        UPDATE sessions SET ended_at = :now, end_reason = 'signed in elsewhere'
        WHERE member_id = :member_id AND device_kind = :device_kind AND ended_at IS NULL
        """,
        member_id=member_id,
        device_kind=device_kind,
        now=now,
    )
    tx.run_later(
        """
        INSERT INTO sessions (id, member_id, device_kind, device_id, ip_address, user_agent, created_at, last_used_at,
                              totp_at)
        VALUES (:id, :member_id, :device_kind, :device_id, :ip_address, :user_agent, :now, :now, :proved_at)
        """,
        id=session_id,
        member_id=member_id,
        device_kind=device_kind,
        device_id=device_id,
        ip_address=ip_address,
        user_agent=user_agent,
        now=now,
        proved_at=proved_at,
    )


def end_sessions(tx: Tx, member_id: UUID, but: UUID | None, reason: str, now: datetime) -> None:
    """All sessions of the member, except one if there is one to be kept."""
    tx.run_later(
        """
        UPDATE sessions SET ended_at = :now, end_reason = :reason
        WHERE member_id = :member_id AND ended_at IS NULL AND (CAST(:but AS uuid) IS NULL OR id <> :but)
        """,
        member_id=member_id,
        but=but,
        reason=reason,
        now=now,
    )


def end_session(tx: Tx, session_id: UUID, reason: str, now: datetime) -> None:
    """Access and refresh tokens of the session are worth nothing from now on."""
    tx.run_later(
        "UPDATE sessions SET ended_at = :now, end_reason = :reason WHERE id = :id AND ended_at IS NULL",
        id=session_id,
        reason=reason,
        now=now,
    )


def insert_refresh_token(tx: Tx, token_hash: bytes, session_id: UUID, now: datetime, until: datetime) -> None:
    """A token that may be used once."""
    tx.run_later(
        """
        INSERT INTO refresh_tokens (token_hash, session_id, issued_at, expires_at)
        VALUES (:token_hash, :session_id, :now, :until)
        """,
        token_hash=token_hash,
        session_id=session_id,
        now=now,
        until=until,
    )


def refresh_token(tx: Tx, token_hash: bytes) -> RefreshToken | None:
    """A token and its session, locked: of many that come with one token the first is served first."""
    return tx.first(
        RefreshToken,
        """
        SELECT t.session_id, s.member_id, t.expires_at, t.used_at, t.successor, s.ended_at, m.status
        FROM refresh_tokens t
        JOIN sessions s ON s.id = t.session_id
        JOIN members m ON m.id = s.member_id
        WHERE t.token_hash = :token_hash FOR UPDATE OF t
        """,
        token_hash=token_hash,
    )


def use_refresh_token(tx: Tx, token_hash: bytes, successor: bytes, now: datetime) -> None:
    """The token is spent; its sealed successor is kept for a repeated request."""
    tx.run_later(
        "UPDATE refresh_tokens SET used_at = :now, successor = :successor WHERE token_hash = :token_hash",
        token_hash=token_hash,
        successor=successor,
        now=now,
    )


def is_unused(tx: Tx, token_hash: bytes) -> bool:
    """True while nobody has used the refresh token."""
    found = tx.first(
        Identity,
        "SELECT session_id AS id FROM refresh_tokens WHERE token_hash = :token_hash AND used_at IS NULL",
        token_hash=token_hash,
    )
    return found is not None


def touch_session(tx: Tx, session_id: UUID, now: datetime) -> None:
    """The session is in use."""
    tx.run_later("UPDATE sessions SET last_used_at = :now WHERE id = :id", id=session_id, now=now)


def signing_key(tx: Tx, now: datetime) -> SigningKey:
    """The newest key that verifiers have had time to learn."""
    return tx.one(
        SigningKey,
        """
        SELECT kid, kms_version FROM signing_keys
        WHERE active_from <= :now AND retired_at IS NULL ORDER BY active_from DESC, kid LIMIT 1
        """,
        now=now,
    )
