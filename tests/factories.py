"""Makes people and things as rows, without the long way through the API."""

import itertools
import secrets
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import jwt

from functions.auth import passwords, session_records, store, tokens
from functions.auth.tokens import Grant
from shared import clock, db
from shared.auth import Role
from shared.codes import codes
from shared.credentials import totp, vault
from shared.db import Tx
from shared.values.tiers import Tier

_numbers = itertools.count(1)
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Somebody:
    """A member and the access token of a live session."""

    id: UUID
    email: str
    token: str


def member(
    *,
    role: Role | None = None,
    permanent_tier: Tier = Tier.STANDARD,
    wallet: str | None = None,
    referred_by: Somebody | None = None,
) -> Somebody:
    """A verified member who is signed in. An admin's session counts as proved by a second factor; the factor itself is
    made by `second_factor`.
    """
    email = f"member{next(_numbers)}@example.com"

    def insert(tx: Tx) -> Grant:
        now = datetime.now(UTC)
        created = store.insert_member(tx, _new(email, referred_by.id if referred_by else None), now)
        assert created
        tx.run(
            """
            UPDATE members SET email_verified_at = :now, role = :role, permanent_tier = :tier, wallet_address = :wallet
            WHERE id = :id
            """,
            id=created.id,
            now=now,
            role=role,
            tier=permanent_tier,
            wallet=wallet,
        )
        session_id = uuid4()
        session_records.start(
            tx,
            session_id=session_id,
            member_id=created.id,
            device_kind="desktop",
            device_id=None,
            ip_address=None,
            user_agent="tests",
            now=now,
            proved_at=now if role else None,
        )
        key = store.signing_key(tx, now)
        return Grant(
            member_id=created.id,
            session_id=session_id,
            key_id=key.kid,
            kms_version=key.kms_version,
            issued_at=now,
            refresh_token="unused",
        )

    grant = db.atomically(insert)
    return Somebody(grant.member_id, email, tokens.issue(grant).access_token)


def password_hash(password: str) -> str:
    """The hash of a password as sign-up stores it."""
    return passwords.hashed(password, passwords.KNOWN, password).text


def manufactured_codes(count: int, *, admin: Somebody | None = None, status: str = "manufactured") -> list[str]:
    """Codes of one batch of Mint Ice that can be scanned."""
    made = [codes.displayed(code) for code in codes.generate(count)]
    admin = admin or member(role=Role.OPERATIONS)
    batch = uuid4()

    def insert(tx: Tx) -> None:
        tx.run(
            """
            INSERT INTO code_batches (id, name, product_sku, quantity, status, codes_made, created_by, created_at,
                                      generated_at)
            VALUES (:id, 'Test', 'MINTICE-6', :count, 'generated', :count, :admin, :now, :now)
            """,
            id=batch,
            count=count,
            admin=admin.id,
            now=NOW,
        )
        tx.run(
            """
            INSERT INTO codes (mac, batch_id, status, manufactured_at)
            SELECT mac, :batch, :status, :now FROM unnest(CAST(:macs AS bytea[])) AS mac
            """,
            macs=[codes.mac(codes.normalized(code) or "") for code in made],
            batch=batch,
            status=status,
            now=NOW,
        )

    db.atomically(insert)
    return made


def mac(code: str) -> bytes:
    """The keyed hash under which the database stores a code."""
    normalized = codes.normalized(code)
    assert normalized
    return codes.mac(normalized)


def quarter(somebody: Somebody, tier: Tier, scans: int, name: str) -> None:
    """Record a member's scans and tier in a quarter (2026-Q4)."""
    db.atomically(
        lambda tx: tx.run(
            "INSERT INTO member_quarters (member_id, quarter, scans, tier) VALUES (:id, :quarter, :scans, :tier)",
            id=somebody.id,
            quarter=name,
            scans=scans,
            tier=tier,
        )
    )


def flagged_scan(by: Somebody | None = None) -> UUID:
    """A flagged scan that waits for a decision; returns its id."""
    made, number, who = uuid4(), next(_numbers), by or member()

    def insert(tx: Tx) -> None:
        tx.run(
            """
            INSERT INTO scans (id, number, member_id, code_mac, product_sku, scanned_at, method, tier, quarter,
                               quarter_scans, flags)
            VALUES (:id, :number, :member_id, :mac, 'MINTICE-6', :now, 'qr', 'standard', '2026-Q4', 1, '{burst}')
            """,
            id=made,
            number=number,
            member_id=who.id,
            mac=made.bytes,
            now=NOW,
        )
        tx.run(
            """
            INSERT INTO flagged_scans (scan_id, scanned_at, scan_number, member_id, flags, flagged_at)
            VALUES (:id, :now, :number, :member_id, '{burst}', :now)
            """,
            id=made,
            number=number,
            member_id=who.id,
            now=NOW,
        )

    db.atomically(insert)
    return made


def trip(winner: Somebody, *, chosen: bool = False) -> UUID:
    """A trip comp; with `chosen` its winner has chosen Hawaii."""
    made = uuid4()

    def insert(tx: Tx) -> None:
        tx.run(
            """
            INSERT INTO comps (id, member_id, type, amount, source_kind, source_id, reason, awarded_at)
            VALUES (:id, :member_id, 'trip', 0, 'manual', :source_id, '{}', :now)
            """,
            id=made,
            member_id=winner.id,
            source_id=str(made),
            now=NOW,
        )
        if chosen:
            tx.run(
                """
                INSERT INTO trips (comp_id, destination, title, value, chosen_at)
                VALUES (:id, 'hawaii', 'Hawaii', 110000000000, :now)
                """,
                id=made,
                now=NOW,
            )

    db.atomically(insert)
    return made


def second_factor(somebody: Somebody) -> bytes:
    """Set up an authenticator app for a member; returns its secret, from which `totp.code` makes codes."""
    secret = secrets.token_bytes(totp.SECRET_BYTES)

    def insert(tx: Tx) -> None:
        tx.run(
            """
            INSERT INTO second_factors (member_id, sealed_secret, created_at, enabled_at)
            VALUES (:id, :sealed, :now, :now)
            """,
            id=somebody.id,
            sealed=vault.seal(tx, secret, totp.row_of(somebody.id)),
            now=NOW,
        )

    db.atomically(insert)
    return secret


def session(somebody: Somebody, kind: str) -> UUID:
    """Start one more session of a member; returns its id."""
    made = uuid4()
    db.atomically(
        lambda tx: session_records.start(
            tx,
            session_id=made,
            member_id=somebody.id,
            device_kind=kind,
            device_id=None,
            ip_address=None,
            user_agent="tests",
            now=datetime.now(UTC),
        )
    )
    return made


def session_of(somebody: Somebody) -> UUID:
    """The id of the member's live session, from the token."""
    return UUID(jwt.decode(somebody.token, options={"verify_signature": False})["sid"])


def token(somebody: Somebody) -> str:
    """A new access token for the member's live session, of the moment of the test clock."""

    def grant(tx: Tx, now: datetime) -> Grant:
        key = store.signing_key(tx, now)
        return Grant(
            member_id=somebody.id,
            session_id=session_of(somebody),
            key_id=key.kid,
            kms_version=key.kms_version,
            issued_at=now,
            refresh_token="unused",
        )

    return tokens.issue(db.atomically(grant, clock.now())).access_token


def set_scan_counter(value: int) -> None:
    """Set the counter, so that the next scan takes the number after `value`."""
    db.atomically(lambda tx: tx.run("UPDATE scan_counter SET value = :value", value=value))


def _new(email: str, referred_by: UUID | None) -> store.NewMember:
    return store.NewMember(
        email=email,
        password_hash="$argon2id$v=19$m=65536,t=3,p=4$bm8$bm8",
        username=email.partition("@")[0],
        full_name="Test Member",
        date_of_birth=date(1990, 6, 15),
        phone=None,
        address_line1=None,
        address_line2=None,
        city=None,
        state=None,
        zip_code=None,
        country="US",
        language="en",
        referred_by_id=referred_by,
    )
