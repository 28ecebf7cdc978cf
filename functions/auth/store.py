"""Members, mailed codes, refresh tokens and signing keys, as sign-up and sign-in read and write them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID, uuid4

from shared.auth import Role
from shared.db import Tx
from shared.members import usernames as usernames_of_others


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
    sign_up_ticket: bytes | None = None


@dataclass(frozen=True)
class Created:
    """The ids of a new member."""

    id: UUID
    number: int


@dataclass(frozen=True)
class Credentials:
    """The row that a sign-in is checked against."""

    id: UUID
    email: str
    full_name: str
    password_hash: str
    email_verified_at: datetime | None
    status: str
    role: Role | None
    last_login_at: datetime | None


@dataclass(frozen=True)
class OpenCode:
    """A mailed code that is neither used nor expired."""

    id: UUID
    member_id: UUID
    code_mac: bytes
    attempts: int


@dataclass(frozen=True)
class RefreshToken:
    """A refresh token and the state of its session."""

    session_id: UUID
    member_id: UUID
    expires_at: datetime
    used_at: datetime | None
    successor: bytes | None
    ended_at: datetime | None
    status: str


@dataclass(frozen=True)
class SigningKey:
    """The key that signs access tokens now."""

    kid: str
    kms_version: str


def insert_member(tx: Tx, new: NewMember, now: datetime) -> Created | None:
    """Insert the member with empty totals and inbox; None if the username is taken in any capitalization."""
    created = tx.first(
        Created,
        """
        INSERT INTO members (email, password_hash, username, full_name, date_of_birth, phone, address_line1,
                             address_line2, city, state, zip_code, country, language, referred_by_id,
                             sign_up_ticket, created_at, updated_at)
        VALUES (:email, :password_hash, :username, :full_name, :date_of_birth, :phone, :address_line1,
                :address_line2, :city, :state, :zip_code, :country, :language, :referred_by_id,
                :sign_up_ticket, :now, :now)
        ON CONFLICT DO NOTHING RETURNING id, number
        """,
        **vars(new),
        now=now,
    )
    if created:
        tx.run("INSERT INTO member_totals (member_id) VALUES (:id)", id=created.id)
        tx.run("INSERT INTO inboxes (member_id) VALUES (:id)", id=created.id)
    return created


def email_is_proved(tx: Tx, email: str) -> bool:
    """Whether a member has proved this address, in any capitalization."""
    found = tx.scalar_or_none(
        UUID,
        "SELECT id FROM members WHERE lower(email) = lower(:email) AND email_verified_at IS NOT NULL",
        email=email,
    )
    return found is not None


def taken_usernames(tx: Tx, usernames: Sequence[str]) -> set[str]:
    """The subset of the given lower-case usernames that members have or had."""
    rows = tx.column(
        str,
        "SELECT lower(username) AS username FROM members WHERE lower(username) = ANY(CAST(:usernames AS text[]))",
        usernames=list(usernames),
    )
    return set(rows) | usernames_of_others.held(tx, usernames)


def replace_code(
    tx: Tx,
    code_id: UUID,
    member_id: UUID,
    purpose: str,
    ticket: bytes | None,
    code_mac: bytes,
    now: datetime,
    until: datetime,
) -> None:
    """Insert a new mailed code; earlier ones of the purpose and ticket stop working. Does nothing if no member has the
    id.
    """
    tx.run_later(
        """
        UPDATE email_codes SET used_at = :now
        WHERE member_id = :member_id AND purpose = :purpose AND ticket IS NOT DISTINCT FROM CAST(:ticket AS bytea)
          AND used_at IS NULL
        """,
        member_id=member_id,
        purpose=purpose,
        ticket=ticket,
        now=now,
    )
    tx.run_later(
        """
        INSERT INTO email_codes (id, member_id, purpose, ticket, code_mac, created_at, expires_at)
        SELECT CAST(:id AS uuid), id, CAST(:purpose AS text), CAST(:ticket AS bytea), CAST(:code_mac AS bytea),
               CAST(:now AS timestamptz), CAST(:until AS timestamptz)
        FROM members WHERE id = :member_id
        """,
        id=code_id,
        member_id=member_id,
        purpose=purpose,
        ticket=ticket,
        code_mac=code_mac,
        now=now,
        until=until,
    )


def queue_no_mail(tx: Tx, email: str, template: str, now: datetime) -> None:
    """Run the statement that queues a mail, but insert nothing, so that an unknown address takes equally long."""
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


def open_code(tx: Tx, email: str, purpose: str, ticket: bytes | None, now: datetime) -> OpenCode | None:
    """The open code that was asked for with this ticket, locked so that attempts are counted one by one.

    A code to reset a password belongs to an active, proved member; a code to verify, to an unproved sign-up.
    """
    return tx.first(
        OpenCode,
        """
        SELECT c.id, c.member_id, c.code_mac, c.attempts
        FROM email_codes c JOIN members m ON m.id = c.member_id
        WHERE lower(m.email) = lower(:email) AND c.purpose = :purpose
          AND c.ticket IS NOT DISTINCT FROM CAST(:ticket AS bytea)
          AND c.used_at IS NULL AND c.expires_at > :now
          AND m.status = 'active' AND (m.email_verified_at IS NULL) = (c.purpose = 'verify')
        FOR UPDATE OF c
        """,
        email=email,
        purpose=purpose,
        ticket=ticket,
        now=now,
    )


def count_code_attempt(tx: Tx, code_id: UUID) -> None:
    """Count one guess of the code."""
    tx.run_later("UPDATE email_codes SET attempts = attempts + 1 WHERE id = :id", id=code_id)


def use_codes(tx: Tx, member_id: UUID, purpose: str, now: datetime) -> None:
    """Mark all of the member's codes of this purpose as used, also those that other devices asked for."""
    tx.run_later(
        "UPDATE email_codes SET used_at = :now WHERE member_id = :member_id AND purpose = :purpose AND used_at IS NULL",
        member_id=member_id,
        purpose=purpose,
        now=now,
    )


def verify_email(tx: Tx, member_id: UUID, now: datetime) -> None:
    """Mark the address as proved. Raises ConstraintViolated (members_email) when another member has proved it."""
    tx.run(
        """
        UPDATE members
        SET email_verified_at = coalesce(email_verified_at, :now), sign_up_ticket = NULL, updated_at = :now
        WHERE id = :id
        """,
        id=member_id,
        now=now,
    )


def credentials(tx: Tx, email: str, ticket: bytes | None = None) -> Credentials | None:
    """The account of an address; None if there is none. Of several unproved sign-ups it takes the one with this ticket,
    else the newest.
    """
    return tx.first(
        Credentials,
        """
        SELECT id, email, full_name, password_hash, email_verified_at, status, role, last_login_at
        FROM members WHERE lower(email) = lower(:email)
        ORDER BY email_verified_at IS NULL, sign_up_ticket IS DISTINCT FROM CAST(:ticket AS bytea), created_at DESC, id
        LIMIT 1
        """,
        email=email,
        ticket=ticket,
    )


def credentials_of(tx: Tx, member_id: UUID) -> Credentials | None:
    """The account with this id; None if there is none."""
    return tx.first(
        Credentials,
        """
        SELECT id, email, full_name, password_hash, email_verified_at, status, role, last_login_at
        FROM members WHERE id = :id
        """,
        id=member_id,
    )


def set_password(tx: Tx, member_id: UUID, password_hash: str, now: datetime) -> None:
    """Set the password, end all sessions, and forget the known devices."""
    tx.run_later(
        "UPDATE members SET password_hash = :password_hash, updated_at = :now WHERE id = :id",
        id=member_id,
        password_hash=password_hash,
        now=now,
    )
    end_sessions(tx, member_id, None, "password changed", now)
    tx.run_later("DELETE FROM known_devices WHERE member_id = :id", id=member_id)


def renew_password_hash(tx: Tx, member_id: UUID, before: str, password_hash: str, now: datetime) -> None:
    """Store a new hash of the same password; does nothing if the password was changed meanwhile."""
    tx.run(
        """
        UPDATE members SET password_hash = :password_hash, updated_at = :now
        WHERE id = :id AND password_hash = :before
        """,
        id=member_id,
        password_hash=password_hash,
        before=before,
        now=now,
    )


def end_sessions(tx: Tx, member_id: UUID, but: UUID | None, reason: str, now: datetime) -> None:
    """End all sessions of the member, except `but` if given."""
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


def insert_refresh_token(tx: Tx, token_hash: bytes, session_id: UUID, now: datetime) -> datetime:
    """Insert a refresh token that may be used once, and return until when. It lives as long as its session does if
    unused.
    """
    return tx.scalar(
        datetime,
        """
        INSERT INTO refresh_tokens (token_hash, session_id, issued_at, expires_at)
        SELECT CAST(:token_hash AS bytea), id, CAST(:now AS timestamptz), ends_at FROM sessions WHERE id = :session_id
        RETURNING expires_at
        """,
        token_hash=token_hash,
        session_id=session_id,
        now=now,
    )


def refresh_token(tx: Tx, token_hash: bytes) -> RefreshToken | None:
    """The token with its session, locked: of several requests with one token the first is served first."""
    return tx.first(
        RefreshToken,
        """
        SELECT t.session_id, s.member_id, least(t.expires_at, s.ends_at) AS expires_at, t.used_at, t.successor,
               s.ended_at, m.status
        FROM refresh_tokens t
        JOIN sessions s ON s.id = t.session_id
        JOIN members m ON m.id = s.member_id
        WHERE t.token_hash = :token_hash FOR UPDATE OF t
        """,
        token_hash=token_hash,
    )


def use_refresh_token(tx: Tx, token_hash: bytes, successor: bytes, now: datetime) -> None:
    """Mark the token as used and store its sealed successor, to answer a repeated request."""
    tx.run_later(
        "UPDATE refresh_tokens SET used_at = :now, successor = :successor WHERE token_hash = :token_hash",
        token_hash=token_hash,
        successor=successor,
        now=now,
    )


def unused_until(tx: Tx, token_hash: bytes) -> datetime | None:
    """When the refresh token expires; None if it was used or is unknown. The end of its session is not checked."""
    return tx.scalar_or_none(
        datetime,
        "SELECT expires_at FROM refresh_tokens WHERE token_hash = :token_hash AND used_at IS NULL",
        token_hash=token_hash,
    )


def insert_wallet_token(tx: Tx, token_id: UUID, member_id: UUID, session_id: UUID, now: datetime) -> None:
    """Record that the session's owner could have opened the member's wallet with this token."""
    tx.run_later(
        """
        INSERT INTO wallet_tokens (id, member_id, session_id, issued_at)
        VALUES (:id, :member_id, :session_id, :now)
        """,
        id=token_id,
        member_id=member_id,
        session_id=session_id,
        now=now,
    )


def signing_key(tx: Tx, now: datetime) -> SigningKey:
    """The newest signing key that verifiers have had time to fetch."""
    return tx.one(
        SigningKey,
        """
        SELECT kid, kms_version FROM signing_keys
        WHERE active_from <= :now AND retired_at IS NULL ORDER BY active_from DESC, kid LIMIT 1
        """,
        now=now,
    )
