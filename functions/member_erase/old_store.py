"""Rows whose retention period has ended (shared/database/retention.py). Each statement deletes a limited number, the
oldest first, and returns how many.

Rows that another transaction has locked are left for the next run, so that no run waits for another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from shared.db import Tx

ROWS_AT_ONCE = 5_000
FIRST = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class SignUp:
    """An account with an unproved address."""

    id: UUID
    email: str
    created_at: datetime


class Purge(Protocol):
    """Deletes at most `limit` rows from before a moment; returns how many."""

    def __call__(self, tx: Tx, before: datetime, limit: int) -> int: ...


def sign_ups(tx: Tx, before: datetime, after: datetime, after_id: UUID, limit: int) -> list[SignUp]:
    """Accounts with an unproved address, created before a moment, from a position on."""
    return tx.all(
        SignUp,
        """
        SELECT id, email, created_at FROM members
        WHERE email_verified_at IS NULL AND status = 'active' AND created_at < :before
          AND (created_at, id) > (:after, CAST(:after_id AS uuid))
        ORDER BY created_at, id LIMIT :limit
        """,
        before=before,
        after=after,
        after_id=after_id,
        limit=limit,
    )


def _attempt_counters(tx: Tx, before: datetime, limit: int) -> int:
    return tx.run(
        """
        DELETE FROM attempt_counters WHERE (subject, hour) IN (
            SELECT subject, hour FROM attempt_counters WHERE hour < :before
            ORDER BY hour LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
        before=before,
        limit=limit,
    )


def _avatars(tx: Tx, before: datetime, limit: int) -> int:
    return tx.run(
        """
        DELETE FROM avatars WHERE id IN (
            SELECT id FROM avatars WHERE removed_at < :before
            ORDER BY removed_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
        before=before,
        limit=limit,
    )


def _carts(tx: Tx, before: datetime, limit: int) -> int:
    """Delete open carts; what is in them goes with them."""
    return tx.run(
        """
        DELETE FROM carts WHERE id IN (
            SELECT id FROM carts WHERE status = 'open' AND changed_at < :before
            ORDER BY changed_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
        before=before,
        limit=limit,
    )


def _data_exports(tx: Tx, before: datetime, limit: int) -> int:
    return tx.run(
        """
        DELETE FROM data_exports WHERE id IN (
            SELECT id FROM data_exports WHERE status = 'expired' AND expires_at < :before
            ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
        before=before,
        limit=limit,
    )


def _email_changes(tx: Tx, before: datetime, limit: int) -> int:
    return tx.run(
        """
        DELETE FROM email_changes WHERE member_id IN (
            SELECT member_id FROM email_changes WHERE expires_at < :before
            ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
        before=before,
        limit=limit,
    )


def _email_codes(tx: Tx, before: datetime, limit: int) -> int:
    return tx.run(
        """
        DELETE FROM email_codes WHERE id IN (
            SELECT id FROM email_codes WHERE expires_at < :before
            ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
        before=before,
        limit=limit,
    )


def _idempotency_keys(tx: Tx, before: datetime, limit: int) -> int:
    return tx.run(
        """
        DELETE FROM idempotency_keys WHERE (scope, key_hash) IN (
            SELECT scope, key_hash FROM idempotency_keys WHERE created_at < :before
            ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
        before=before,
        limit=limit,
    )


def _idempotency_keys_of_anyone(tx: Tx, before: datetime, limit: int) -> int:
    """Delete old keys of callers without an account. Their scope begins with the operation, that of a member is an id
    (shared/web/idempotency.py).
    """
    return tx.run(
        """
        DELETE FROM idempotency_keys WHERE (scope, key_hash) IN (
            SELECT scope, key_hash FROM idempotency_keys WHERE scope LIKE '% %' AND created_at < :before
            ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
        before=before,
        limit=limit,
    )


def _job_faults(tx: Tx, before: datetime, limit: int) -> int:
    return tx.run(
        """
        DELETE FROM job_faults WHERE id IN (
            SELECT id FROM job_faults WHERE happened_at < :before
            ORDER BY happened_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
        before=before,
        limit=limit,
    )


def _known_devices(tx: Tx, before: datetime, limit: int) -> int:
    return tx.run(
        """
        DELETE FROM known_devices WHERE token_hash IN (
            SELECT token_hash FROM known_devices WHERE last_used_at < :before
            ORDER BY last_used_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
        before=before,
        limit=limit,
    )


def _mails(tx: Tx, before: datetime, limit: int) -> int:
    return tx.run(
        """
        DELETE FROM mails WHERE id IN (
            SELECT id FROM mails WHERE finished_at < :before
            ORDER BY finished_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
        before=before,
        limit=limit,
    )


def _pushes(tx: Tx, before: datetime, limit: int) -> int:
    return tx.run(
        """
        DELETE FROM pushes WHERE (notification_id, device_id) IN (
            SELECT notification_id, device_id FROM pushes WHERE claimed_until < :before
            ORDER BY claimed_until LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
        before=before,
        limit=limit,
    )


def _refresh_tokens(tx: Tx, before: datetime, limit: int) -> int:
    return tx.run(
        """
        DELETE FROM refresh_tokens WHERE token_hash IN (
            SELECT token_hash FROM refresh_tokens WHERE expires_at < :before
            ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
        before=before,
        limit=limit,
    )


def _second_factors(tx: Tx, before: datetime, limit: int) -> int:
    return tx.run(
        """
        DELETE FROM second_factors WHERE member_id IN (
            SELECT member_id FROM second_factors WHERE enabled_at IS NULL AND created_at < :before
            ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
        before=before,
        limit=limit,
    )


def _sessions(tx: Tx, before: datetime, limit: int) -> int:
    """Delete old sessions, whose refresh tokens were deleted long before."""
    return tx.run(
        """
        DELETE FROM sessions WHERE id IN (
            SELECT id FROM sessions
            WHERE coalesce(ended_at, last_used_at) < :before
              AND NOT EXISTS (SELECT FROM refresh_tokens WHERE session_id = sessions.id)
            ORDER BY coalesce(ended_at, last_used_at) LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
        before=before,
        limit=limit,
    )


def _wallet_challenges(tx: Tx, before: datetime, limit: int) -> int:
    return tx.run(
        """
        DELETE FROM wallet_challenges WHERE id IN (
            SELECT id FROM wallet_challenges WHERE expires_at < :before
            ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
        before=before,
        limit=limit,
    )


PURGES: Mapping[str, Purge] = {
    "attempt_counters": _attempt_counters,
    "avatars": _avatars,
    "carts": _carts,
    "data_exports": _data_exports,
    "email_changes": _email_changes,
    "email_codes": _email_codes,
    "idempotency_keys": _idempotency_keys,
    "idempotency_keys_of_anyone": _idempotency_keys_of_anyone,
    "job_faults": _job_faults,
    "known_devices": _known_devices,
    "mails": _mails,
    "pushes": _pushes,
    "refresh_tokens": _refresh_tokens,
    "second_factors": _second_factors,
    "sessions": _sessions,
    "wallet_challenges": _wallet_challenges,
}
