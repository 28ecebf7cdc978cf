"""Known devices and second factors as rows."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from functions.auth import rules, tokens
from shared.credentials import totp, vault
from shared.db import Tx


def is_known_device(tx: Tx, token: str | None, email: str, now: datetime) -> bool:
    """Whether the account has recently signed in on the device with this device token."""
    if not token:
        return False
    return (
        tx.scalar(
            int,
            """
            SELECT count(*) AS count FROM known_devices d JOIN members m ON m.id = d.member_id
            WHERE d.token_hash = :token_hash AND lower(m.email) = lower(:email) AND d.last_used_at >= :since
            """,
            token_hash=tokens.secret_hash(token),
            email=email,
            since=now - rules.DEVICE_KNOWN_FOR,
        )
        > 0
    )


def remember_device(tx: Tx, token: str, member_id: UUID, now: datetime) -> None:
    """Store the device token as known, and delete the member's devices without a recent sign-in."""
    tx.run_later(
        """
        INSERT INTO known_devices (token_hash, member_id, created_at, last_used_at)
        VALUES (:token_hash, :member_id, :now, :now) ON CONFLICT (token_hash) DO UPDATE SET last_used_at = :now
        """,
        token_hash=tokens.secret_hash(token),
        member_id=member_id,
        now=now,
    )
    tx.run_later(
        "DELETE FROM known_devices WHERE member_id = :member_id AND last_used_at < :since",
        member_id=member_id,
        since=now - rules.DEVICE_KNOWN_FOR,
    )


def start_second_factor(tx: Tx, member_id: UUID, secret: bytes, now: datetime) -> bool:
    """Store a secret that still has to be proved, instead of an earlier one; False if a second factor is enabled
    already.
    """
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
    """Enable the second factor and mark the code of time step `step` as used."""
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
    """Delete the second factor and its backup codes; no live session counts as proved any more."""
    tx.run_later("DELETE FROM backup_codes WHERE member_id = :member_id", member_id=member_id)
    tx.run_later("DELETE FROM second_factors WHERE member_id = :member_id", member_id=member_id)
    tx.run_later(
        "UPDATE sessions SET totp_at = NULL WHERE member_id = :member_id AND ended_at IS NULL", member_id=member_id
    )


def prove_session(tx: Tx, session_id: UUID, now: datetime) -> None:
    """Record that the session's member has shown the second factor."""
    tx.run_later("UPDATE sessions SET totp_at = :now WHERE id = :id", id=session_id, now=now)


def replace_backup_codes(tx: Tx, member_id: UUID, macs: Sequence[bytes], now: datetime) -> None:
    """Replace the member's backup codes; the earlier ones stop working."""
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
    """Mark the backup code as used; False if there is no such code, or it is used already."""
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
    """The number of unused backup codes."""
    return tx.scalar(
        int,
        "SELECT count(*) AS count FROM backup_codes WHERE member_id = :member_id AND used_at IS NULL",
        member_id=member_id,
    )
