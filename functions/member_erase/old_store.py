"""Rows whose retention period has ended (shared/database/retention.py). Each statement deletes a limited number, the
oldest first, or empties what goes of them, and returns how many.

Rows that another transaction has locked are left for the next run, so that no run waits for another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import LiteralString
from uuid import UUID

from shared.db import Tx

ROWS_AT_ONCE = 5_000
FIRST = datetime.fromtimestamp(0, UTC)

PURGES: Mapping[str, LiteralString] = {
    "attempt_counters": """
        DELETE FROM attempt_counters WHERE (subject, hour) IN (
            SELECT subject, hour FROM attempt_counters WHERE hour < :before
            ORDER BY hour LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "avatars": """
        DELETE FROM avatars WHERE id IN (
            SELECT id FROM avatars WHERE removed_at < :before
            ORDER BY removed_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "bank_nonces": """
        DELETE FROM bank_nonces WHERE id IN (
            SELECT id FROM bank_nonces WHERE expires_at < :before
            ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    # What is in them goes with them.
    "carts": """
        DELETE FROM carts WHERE id IN (
            SELECT id FROM carts WHERE status = 'open' AND changed_at < :before
            ORDER BY changed_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "data_exports": """
        DELETE FROM data_exports WHERE id IN (
            SELECT id FROM data_exports WHERE status = 'expired' AND expires_at < :before
            ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "email_changes": """
        DELETE FROM email_changes WHERE member_id IN (
            SELECT member_id FROM email_changes WHERE expires_at < :before
            ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "email_codes": """
        DELETE FROM email_codes WHERE id IN (
            SELECT id FROM email_codes WHERE expires_at < :before
            ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "hook_deliveries": """
        DELETE FROM hook_deliveries WHERE id IN (
            SELECT id FROM hook_deliveries WHERE done_at < :before
            ORDER BY done_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "hook_secrets": """
        DELETE FROM hook_secrets WHERE id IN (
            SELECT id FROM hook_secrets WHERE ends_at < :before
            ORDER BY ends_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "idempotency_keys": """
        DELETE FROM idempotency_keys WHERE (scope, key_hash) IN (
            SELECT scope, key_hash FROM idempotency_keys WHERE created_at < :before
            ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    # The scope of a caller without an account begins with the operation; that of a member is an id.
    "idempotency_keys_of_anyone": """
        DELETE FROM idempotency_keys WHERE (scope, key_hash) IN (
            SELECT scope, key_hash FROM idempotency_keys WHERE scope LIKE '% %' AND created_at < :before
            ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "job_faults": """
        DELETE FROM job_faults WHERE id IN (
            SELECT id FROM job_faults WHERE happened_at < :before
            ORDER BY happened_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "known_devices": """
        DELETE FROM known_devices WHERE token_hash IN (
            SELECT token_hash FROM known_devices WHERE last_used_at < :before
            ORDER BY last_used_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "mails": """
        DELETE FROM mails WHERE id IN (
            SELECT id FROM mails WHERE finished_at < :before
            ORDER BY finished_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    # The address alone goes: what was sold stays.
    "orders": """
        UPDATE orders SET address = NULL WHERE id IN (
            SELECT id FROM orders
            WHERE address IS NOT NULL AND state IN ('delivered', 'cancelled') AND state_at < :before
            ORDER BY state_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "pushes": """
        DELETE FROM pushes WHERE (notification_id, device_id) IN (
            SELECT notification_id, device_id FROM pushes WHERE claimed_until < :before
            ORDER BY claimed_until LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "refresh_tokens": """
        DELETE FROM refresh_tokens WHERE token_hash IN (
            SELECT token_hash FROM refresh_tokens WHERE expires_at < :before
            ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "second_factors": """
        DELETE FROM second_factors WHERE member_id IN (
            SELECT member_id FROM second_factors WHERE enabled_at IS NULL AND created_at < :before
            ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    # Its files go before it.
    "report_exports": """
        DELETE FROM report_exports WHERE id IN (
            SELECT id FROM report_exports
            WHERE state IN ('failed', 'expired') AND expires_at < :before
              AND NOT EXISTS (SELECT FROM report_files WHERE export_id = report_exports.id)
            ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    # The tokens of a session go before it.
    "sessions": """
        DELETE FROM sessions WHERE id IN (
            SELECT id FROM sessions
            WHERE coalesce(ended_at, last_used_at) < :before
              AND NOT EXISTS (SELECT FROM refresh_tokens WHERE session_id = sessions.id)
              AND NOT EXISTS (SELECT FROM wallet_tokens WHERE session_id = sessions.id)
            ORDER BY coalesce(ended_at, last_used_at) LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "social_cases": """
        DELETE FROM social_cases WHERE id IN (
            SELECT id FROM social_cases WHERE opened_at < :before
            ORDER BY opened_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "social_entries": """
        DELETE FROM social_entries WHERE (channel_id, position) IN (
            SELECT channel_id, position FROM social_entries WHERE happened_at < :before
            ORDER BY happened_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "social_pages": """
        DELETE FROM social_pages WHERE (channel_id, first) IN (
            SELECT channel_id, first FROM social_pages WHERE made_at < :before
            ORDER BY made_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "social_images": """
        DELETE FROM social_images WHERE id IN (
            SELECT id FROM social_images WHERE removed_at < :before
            ORDER BY removed_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "social_sent": """
        DELETE FROM social_sent WHERE (member_id, client_id) IN (
            SELECT member_id, client_id FROM social_sent WHERE sent_at < :before
            ORDER BY sent_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "social_translations": """
        DELETE FROM social_translations WHERE (message_id, revision, language) IN (
            SELECT message_id, revision, language FROM social_translations WHERE claimed_until < :before
            ORDER BY claimed_until LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "support_events": """
        DELETE FROM support_events WHERE id IN (
            SELECT id FROM support_events WHERE happened_at < :before
            ORDER BY happened_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "tax_quotes": """
        DELETE FROM tax_quotes WHERE id IN (
            SELECT id FROM tax_quotes WHERE expires_at < :before
            ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "wallet_challenges": """
        DELETE FROM wallet_challenges WHERE id IN (
            SELECT id FROM wallet_challenges WHERE expires_at < :before
            ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "wallet_id_tokens": """
        DELETE FROM wallet_id_tokens WHERE mark IN (
            SELECT mark FROM wallet_id_tokens WHERE used_at < :before
            ORDER BY used_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "wallet_tokens": """
        DELETE FROM wallet_tokens WHERE id IN (
            SELECT id FROM wallet_tokens WHERE issued_at < :before
            ORDER BY issued_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "watch_minutes": """
        DELETE FROM watch_minutes WHERE minute IN (
            SELECT minute FROM watch_minutes WHERE minute < :before
            ORDER BY minute LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "webhook_deliveries": """
        DELETE FROM webhook_deliveries WHERE (source, event_id) IN (
            SELECT source, event_id FROM webhook_deliveries WHERE received_at < :before
            ORDER BY received_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
    "wholesale_accounts": """
        DELETE FROM wholesale_accounts WHERE id IN (
            SELECT id FROM wholesale_accounts WHERE status = 'rejected' AND decided_at < :before
            ORDER BY decided_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """,
}


@dataclass(frozen=True)
class SignUp:
    """An account with an unproved address."""

    id: UUID
    email: str
    created_at: datetime


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


def purge(tx: Tx, name: str, before: datetime, limit: int) -> int:
    """Delete or empty at most `limit` rows of a table whose time was over before a moment; returns how many."""
    return tx.run(PURGES[name], before=before, limit=limit)
