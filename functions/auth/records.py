"""What is kept of attempts, known devices and second factors."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared import totp, vault
from shared.db import Tx


@dataclass(frozen=True)
class SecondFactor:
    """`enabled_at` is None until a code of the app has proved it."""

    sealed_secret: bytes
    enabled_at: datetime | None


@dataclass(frozen=True)
class _Attempts:
    subject: str
    attempts: int


@dataclass(frozen=True)
class _Count:
    count: int


def count_attempts(tx: Tx, subjects: Sequence[str], now: datetime) -> dict[str, int]:
    """One more attempt of each subject; how many that makes in this clock hour. Nobody counts it at the same time."""
    named = {_hashed(subject): subject for subject in subjects}
    rows = tx.all(
        _Attempts,
        """
        INSERT INTO attempt_counters AS counter (subject, hour, attempts)
        SELECT subject, date_trunc('hour', CAST(:now AS timestamptz)), 1
        FROM unnest(CAST(:subjects AS text[])) AS subject
        ON CONFLICT (subject, hour) DO UPDATE SET attempts = counter.attempts + 1
        RETURNING subject, attempts
        """,
        subjects=sorted(named),
        now=now,
    )
    return {named[row.subject]: row.attempts for row in rows}


def attempts(tx: Tx, subjects: Sequence[str], now: datetime) -> dict[str, int]:
    """How many there have been in this clock hour, those included that are being counted at this moment."""
    named = {_hashed(subject): subject for subject in subjects}
    rows = tx.all(
        _Attempts,
        """
        SELECT subject, attempts FROM attempt_counters
        WHERE subject = ANY(CAST(:subjects AS text[])) AND hour = date_trunc('hour', CAST(:now AS timestamptz))
        ORDER BY subject FOR UPDATE
        """,
        subjects=sorted(named),
        now=now,
    )
    return dict.fromkeys(subjects, 0) | {named[row.subject]: row.attempts for row in rows}


def is_known_device(tx: Tx, token_hash: bytes, email: str, since: datetime) -> bool:
    """Whether the account has signed in with this device."""
    return (
        tx.one(
            _Count,
            """
            SELECT count(*) AS count FROM known_devices d JOIN members m ON m.id = d.member_id
            WHERE d.token_hash = :token_hash AND lower(m.email) = lower(:email) AND d.last_used_at >= :since
            """,
            token_hash=token_hash,
            email=email,
            since=since,
        ).count
        > 0
    )


def remember_device(tx: Tx, token_hash: bytes, member_id: UUID, now: datetime, since: datetime) -> None:
    """It has signed in; devices that have not for long are forgotten."""
    tx.run_later(
        """
        INSERT INTO known_devices (token_hash, member_id, created_at, last_used_at)
        VALUES (:token_hash, :member_id, :now, :now) ON CONFLICT (token_hash) DO UPDATE SET last_used_at = :now
        """,
        token_hash=token_hash,
        member_id=member_id,
        now=now,
    )
    tx.run_later(
        "DELETE FROM known_devices WHERE member_id = :member_id AND last_used_at < :since",
        member_id=member_id,
        since=since,
    )


def second_factor(tx: Tx, member_id: UUID) -> SecondFactor | None:
    """The member's, locked."""
    return tx.first(
        SecondFactor,
        "SELECT sealed_secret, enabled_at FROM second_factors WHERE member_id = :member_id FOR UPDATE",
        member_id=member_id,
    )


def has_second_factor(tx: Tx, member_id: UUID) -> bool:
    """Whether sign-in asks for a code."""
    return (
        tx.one(
            _Count,
            """
            SELECT count(*) AS count FROM second_factors WHERE member_id = :member_id AND enabled_at IS NOT NULL
            """,
            member_id=member_id,
        ).count
        > 0
    )


def start_second_factor(tx: Tx, member_id: UUID, secret: bytes, now: datetime) -> bool:
    """A secret that a code has to prove yet; a later one replaces it. False when one is enabled."""
    return bool(
        tx.run(
            """
            INSERT INTO second_factors AS factor (member_id, sealed_secret, created_at)
            VALUES (:member_id, :sealed, :now)
            ON CONFLICT (member_id) DO UPDATE SET sealed_secret = :sealed, created_at = :now
            WHERE factor.enabled_at IS NULL
            """,
            member_id=member_id,
            sealed=vault.seal(tx, secret, totp.row_of(member_id)),
            now=now,
        )
    )


def enable_second_factor(tx: Tx, member_id: UUID, step: int, now: datetime) -> None:
    """A code has proved it; that code is spent."""
    tx.run_later(
        """
        UPDATE second_factors SET enabled_at = :now, last_step = greatest(last_step, :step)
        WHERE member_id = :member_id
        """,
        member_id=member_id,
        step=step,
        now=now,
    )


def remove_second_factor(tx: Tx, member_id: UUID) -> None:
    """With its backup codes; no session is proved any more."""
    tx.run_later("DELETE FROM backup_codes WHERE member_id = :member_id", member_id=member_id)
    tx.run_later("DELETE FROM second_factors WHERE member_id = :member_id", member_id=member_id)
    tx.run_later(
        "UPDATE sessions SET totp_at = NULL WHERE member_id = :member_id AND ended_at IS NULL", member_id=member_id
    )


def prove_session(tx: Tx, session_id: UUID, now: datetime) -> None:
    """Its member has shown the second factor."""
    tx.run_later("UPDATE sessions SET totp_at = :now WHERE id = :id", id=session_id, now=now)


def replace_backup_codes(tx: Tx, member_id: UUID, macs: Sequence[bytes], now: datetime) -> None:
    """Earlier ones stop working."""
    tx.run_later("DELETE FROM backup_codes WHERE member_id = :member_id", member_id=member_id)
    tx.run_later(
        """
        INSERT INTO backup_codes (member_id, code_mac, created_at)
        SELECT :member_id, mac, :now FROM unnest(CAST(:macs AS bytea[])) AS mac
        """,
        member_id=member_id,
        macs=list(macs),
        now=now,
    )


def spend_backup_code(tx: Tx, member_id: UUID, mac: bytes, now: datetime) -> bool:
    """False when there is none, or it is used."""
    return bool(
        tx.run(
            """
            UPDATE backup_codes SET used_at = :now
            WHERE member_id = :member_id AND code_mac = :mac AND used_at IS NULL
            """,
            member_id=member_id,
            mac=mac,
            now=now,
        )
    )


def backup_codes_left(tx: Tx, member_id: UUID) -> int:
    """How many are unused."""
    return tx.one(
        _Count,
        "SELECT count(*) AS count FROM backup_codes WHERE member_id = :member_id AND used_at IS NULL",
        member_id=member_id,
    ).count


def _hashed(subject: str) -> str:
    """Addresses of strangers are in it. Sorted by this, two who count the same never wait for each other."""
    return hashlib.sha256(subject.encode()).hexdigest()
