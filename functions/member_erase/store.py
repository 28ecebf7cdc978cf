"""The rows of a deleted account: each step deletes a limited number of them and returns how many.

Rows that name files are deleted in the last task, because until then a file may still be written.

KEPT lists what stays and why. A contract test compares both lists with the schema.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.db import Tx


class Step(Protocol):
    """Deletes at most `limit` rows of a member; returns how many."""

    def __call__(self, tx: Tx, member_id: UUID, limit: int) -> int: ...


ROWS_AT_ONCE = 500

KEPT: Mapping[str, str] = {
    "members": "emptied when the account was closed; the number is what the rest refers to",
    "member_totals": "sums of the ledger, without a place",
    "member_quarters": "how many scans and which tier: the public count rests on them",
    "tier_history": "likewise",
    "permanent_tiers": "likewise",
    "scans": "the public count has no gaps; without place, device and address",
    "codes": "a code is spent",
    "comps": "bookkeeping: what was won and paid",
    "milestones": "bookkeeping",
    "guarantees": "bookkeeping: given once and never again",
    "guarantee_claims": "fraud: keyed fingerprints, by which the guarantee is given once per person",
    "guarantee_reviews": "fraud: what people decided about a second guarantee",
    "payouts": "bookkeeping: the chain shows them anyway",
    "payout_approvals": "bookkeeping of admins",
    "foreign_explanations": "bookkeeping of admins",
    "withdrawals": "bookkeeping: the chain shows them anyway, and one that is signed is still followed",
    "wallet_transactions": "bookkeeping: the chain shows them anyway",
    "wallet_links": "bookkeeping: which address was paid, and who proved it",
    "member_wallets": "who has had which wallet: nobody approves a payment to a wallet that was theirs",
    "affiliate_earnings": "bookkeeping",
    "affiliate_chips": "bookkeeping",
    "chip_balances": "bookkeeping",
    "late_counts": "bookkeeping: numbers on their way to a count",
    "downline_entries": "bookkeeping",
    "honey_trials": "fraud: who tried a code that is on no tin",
    "code_retries": "fraud: who tried a code that was spent",
    "flagged_scans": "fraud: what people decided about a scan",
    "comp_rule_changes": "what an admin did, seven years",
    "manual_awards": "likewise",
    "code_batches": "likewise",
    "code_changes": "likewise",
    "code_imports": "likewise",
    "broadcasts": "likewise",
    "manual_transfers": "likewise",
    "stock_moves": "likewise",
    "reconciliations": "likewise",
    "reconciliation_findings": "likewise",
    "listener_revocations": "older realtime tokens stay refused",
    "erasures": "that it was done",
}


@dataclass(frozen=True)
class Erasure:
    """The erasure of an account, and when it was finished."""

    finished_at: datetime | None


def erasure(tx: Tx, member_id: UUID) -> Erasure | None:
    """The erasure of the account; None if the member has not asked for one."""
    return tx.first(Erasure, "SELECT finished_at FROM erasures WHERE member_id = :member_id", member_id=member_id)


def finish(tx: Tx, member_id: UUID, now: datetime) -> None:
    """Mark the erasure as finished."""
    tx.run(
        "UPDATE erasures SET finished_at = :now WHERE member_id = :member_id AND finished_at IS NULL",
        member_id=member_id,
        now=now,
    )


def avatars_left(tx: Tx, member_id: UUID) -> list[str]:
    """The member's pictures, whether they were stored or not."""
    return tx.column(str, "SELECT object_name FROM avatars WHERE member_id = :member_id", member_id=member_id)


def exports_left(tx: Tx, member_id: UUID) -> list[str]:
    """The member's exported files."""
    return tx.column(str, "SELECT object_name FROM data_exports WHERE member_id = :member_id", member_id=member_id)


def _pushes(tx: Tx, member_id: UUID, limit: int) -> int:
    """Delete the pushes, before the notifications that they belong to."""
    return tx.run(
        """
        DELETE FROM pushes WHERE ctid IN (
            SELECT pushes.ctid FROM pushes JOIN notifications ON notifications.id = notification_id
            WHERE member_id = :member_id LIMIT :limit)
        """,
        member_id=member_id,
        limit=limit,
    )


def _notifications(tx: Tx, member_id: UUID, limit: int) -> int:
    return tx.run(
        """
        DELETE FROM notifications WHERE id IN (
            SELECT id FROM notifications WHERE member_id = :member_id LIMIT :limit)
        """,
        member_id=member_id,
        limit=limit,
    )


def _inboxes(tx: Tx, member_id: UUID, limit: int) -> int:
    """Delete the inbox with its unread count."""
    return tx.run(
        """
        DELETE FROM inboxes WHERE member_id = :member_id AND :limit > 0
        """,
        member_id=member_id,
        limit=limit,
    )


def _preferences(tx: Tx, member_id: UUID, limit: int) -> int:
    """Delete the notification preferences."""
    return tx.run(
        """
        DELETE FROM notification_preferences WHERE member_id = :member_id AND :limit > 0
        """,
        member_id=member_id,
        limit=limit,
    )


def _devices(tx: Tx, member_id: UUID, limit: int) -> int:
    """Delete the devices registered for push notifications."""
    return tx.run(
        """
        DELETE FROM devices WHERE member_id = :member_id AND :limit > 0
        """,
        member_id=member_id,
        limit=limit,
    )


def _mails(tx: Tx, member_id: UUID, limit: int) -> int:
    """Delete the mails; a queued one is sent first and deleted with the last task."""
    return tx.run(
        """
        DELETE FROM mails WHERE id IN (
            SELECT id FROM mails WHERE member_id = :member_id AND status <> 'queued' LIMIT :limit)
        """,
        member_id=member_id,
        limit=limit,
    )


def _codes(tx: Tx, member_id: UUID, limit: int) -> int:
    """Delete the codes that were mailed to the member."""
    return tx.run(
        """
        DELETE FROM email_codes WHERE member_id = :member_id AND :limit > 0
        """,
        member_id=member_id,
        limit=limit,
    )


def _email_changes(tx: Tx, member_id: UUID, limit: int) -> int:
    """Delete the unproved new e-mail address."""
    return tx.run(
        """
        DELETE FROM email_changes WHERE member_id = :member_id AND :limit > 0
        """,
        member_id=member_id,
        limit=limit,
    )


def _refresh_tokens(tx: Tx, member_id: UUID, limit: int) -> int:
    """Delete the refresh tokens, before the sessions that they belong to."""
    return tx.run(
        """
        DELETE FROM refresh_tokens WHERE token_hash IN (
            SELECT token_hash FROM refresh_tokens JOIN sessions ON sessions.id = session_id
            WHERE member_id = :member_id LIMIT :limit)
        """,
        member_id=member_id,
        limit=limit,
    )


def _sessions(tx: Tx, member_id: UUID, limit: int) -> int:
    """Delete the sessions with their devices and addresses."""
    return tx.run(
        """
        DELETE FROM sessions WHERE id IN (
            SELECT id FROM sessions WHERE member_id = :member_id LIMIT :limit)
        """,
        member_id=member_id,
        limit=limit,
    )


def _second_factors(tx: Tx, member_id: UUID, limit: int) -> int:
    """Delete the secret of the authenticator app."""
    return tx.run(
        """
        DELETE FROM second_factors WHERE member_id = :member_id AND :limit > 0
        """,
        member_id=member_id,
        limit=limit,
    )


def _backup_codes(tx: Tx, member_id: UUID, limit: int) -> int:
    """Delete the hashes of the backup codes."""
    return tx.run(
        """
        DELETE FROM backup_codes WHERE member_id = :member_id AND :limit > 0
        """,
        member_id=member_id,
        limit=limit,
    )


def _known_devices(tx: Tx, member_id: UUID, limit: int) -> int:
    """Delete up to `limit` of the member's known devices; returns how many."""
    return tx.run(
        """
        DELETE FROM known_devices WHERE token_hash IN (
            SELECT token_hash FROM known_devices WHERE member_id = :member_id LIMIT :limit)
        """,
        member_id=member_id,
        limit=limit,
    )


def _referral_codes(tx: Tx, member_id: UUID, limit: int) -> int:
    """Delete the chosen referral codes; like usernames they stay taken, as keyed fingerprints."""
    return tx.run(
        """
        DELETE FROM referral_codes WHERE code IN (
            SELECT code FROM referral_codes WHERE member_id = :member_id LIMIT :limit)
        """,
        member_id=member_id,
        limit=limit,
    )


def _former_usernames(tx: Tx, member_id: UUID, limit: int) -> int:
    """Delete the former usernames; they stay taken, as keyed fingerprints."""
    return tx.run(
        """
        DELETE FROM former_usernames WHERE name IN (
            SELECT name FROM former_usernames WHERE member_id = :member_id LIMIT :limit)
        """,
        member_id=member_id,
        limit=limit,
    )


def _balances(tx: Tx, member_id: UUID, limit: int) -> int:
    """Delete the last read balance of the wallet."""
    return tx.run(
        """
        DELETE FROM wallet_balances WHERE member_id = :member_id AND :limit > 0
        """,
        member_id=member_id,
        limit=limit,
    )


def _challenges(tx: Tx, member_id: UUID, limit: int) -> int:
    """Delete the challenges that wallets were asked to sign."""
    return tx.run(
        """
        DELETE FROM wallet_challenges WHERE member_id = :member_id AND :limit > 0
        """,
        member_id=member_id,
        limit=limit,
    )


def _carts(tx: Tx, member_id: UUID, limit: int) -> int:
    """Delete the carts; what is in them goes with them."""
    return tx.run(
        """
        DELETE FROM carts WHERE id IN (SELECT id FROM carts WHERE member_id = :member_id LIMIT :limit)
        """,
        member_id=member_id,
        limit=limit,
    )


def _replies(tx: Tx, member_id: UUID, limit: int) -> int:
    """Delete the stored replies: the scope of a member's idempotency keys is the member's id."""
    return tx.run(
        """
        DELETE FROM idempotency_keys WHERE (scope, key_hash) IN (
            SELECT scope, key_hash FROM idempotency_keys WHERE scope = CAST(:member_id AS text) LIMIT :limit)
        """,
        member_id=member_id,
        limit=limit,
    )


def _avatars(tx: Tx, member_id: UUID, limit: int) -> int:
    """Delete the rows of pictures, whose files are deleted."""
    return tx.run(
        """
        DELETE FROM avatars WHERE member_id = :member_id AND :limit > 0
        """,
        member_id=member_id,
        limit=limit,
    )


def _exports(tx: Tx, member_id: UUID, limit: int) -> int:
    """Delete the rows of exports, whose files are deleted."""
    return tx.run(
        """
        DELETE FROM data_exports WHERE member_id = :member_id AND :limit > 0
        """,
        member_id=member_id,
        limit=limit,
    )


def _places(tx: Tx, member_id: UUID, limit: int) -> int:
    """Clear place, device and address of the member's scans, which are kept."""
    return tx.run(
        """
        UPDATE scans SET latitude = NULL, longitude = NULL, device_time = NULL, device_id = NULL, ip_address = NULL
        WHERE (scanned_at, id) IN (
            SELECT scanned_at, id FROM scans WHERE member_id = :member_id
              AND (latitude IS NOT NULL OR longitude IS NOT NULL OR device_time IS NOT NULL OR device_id IS NOT NULL
                   OR ip_address IS NOT NULL)
            LIMIT :limit)
        """,
        member_id=member_id,
        limit=limit,
    )


def _last_place(tx: Tx, member_id: UUID, limit: int) -> int:
    """Clear the place of the member's last scan."""
    return tx.run(
        """
        UPDATE member_totals SET located_at = NULL, latitude = NULL, longitude = NULL
        WHERE member_id = :member_id AND located_at IS NOT NULL AND :limit > 0
        """,
        member_id=member_id,
        limit=limit,
    )


STEPS: Sequence[Step] = (
    _pushes,
    _notifications,
    _inboxes,
    _preferences,
    _devices,
    _mails,
    _codes,
    _email_changes,
    _refresh_tokens,
    _sessions,
    _second_factors,
    _backup_codes,
    _known_devices,
    _referral_codes,
    _former_usernames,
    _balances,
    _challenges,
    _carts,
    _replies,
    _places,
    _last_place,
)
LAST_STEPS: Sequence[Step] = (_avatars, _exports)
