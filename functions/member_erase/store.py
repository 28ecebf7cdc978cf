"""What there is of a deleted account: each step removes at most so many rows and tells how many.

Rows that name files go with the last look: until then somebody may still be writing one.

KEPT is what stays and why. A contract test holds both lists against the schema.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.db import Tx


class Step(Protocol):
    """Removes at most so many rows; how many there were."""

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
    "payouts": "bookkeeping: the chain shows them anyway",
    "payout_approvals": "bookkeeping of admins",
    "withdrawals": "bookkeeping: the chain shows them anyway, and one that is signed is still followed",
    "wallet_transactions": "bookkeeping: the chain shows them anyway",
    "wallet_links": "bookkeeping: which address was paid, and who proved it",
    "affiliate_earnings": "bookkeeping",
    "affiliate_chips": "bookkeeping",
    "chip_balances": "bookkeeping",
    "downline_entries": "bookkeeping",
    "honey_trials": "fraud: who tried a code that is on no tin",
    "code_retries": "fraud: who tried a code that was spent",
    "flagged_scans": "fraud: what people decided about a scan",
    "comp_rule_changes": "what an admin did, seven years",
    "code_batches": "likewise",
    "code_changes": "likewise",
    "code_imports": "likewise",
    "broadcasts": "likewise",
    "manual_transfers": "likewise",
    "reconciliations": "likewise",
    "reconciliation_findings": "likewise",
    "listener_revocations": "older realtime tokens stay refused",
    "erasures": "that it was done",
}


@dataclass(frozen=True)
class Erasure:
    """Whether it is done."""

    finished_at: datetime | None


@dataclass(frozen=True)
class File:
    """Something in the storage."""

    object_name: str


def erasure(tx: Tx, member_id: UUID) -> Erasure | None:
    """None when nobody asked for it."""
    return tx.first(Erasure, "SELECT finished_at FROM erasures WHERE member_id = :member_id", member_id=member_id)


def finish(tx: Tx, member_id: UUID, now: datetime) -> None:
    """Nothing is left but what is kept."""
    tx.run(
        "UPDATE erasures SET finished_at = :now WHERE member_id = :member_id AND finished_at IS NULL",
        member_id=member_id,
        now=now,
    )


def forget_attempts(tx: Tx, before: datetime, limit: int) -> int:
    """What was counted in earlier hours; how many rows."""
    return tx.run(
        """
        DELETE FROM attempt_counters WHERE ctid = ANY(ARRAY(
            SELECT ctid FROM attempt_counters WHERE hour < :before LIMIT :limit))
        """,
        before=before,
        limit=limit,
    )


def avatars_left(tx: Tx, member_id: UUID) -> list[File]:
    """Pictures, whether they lie in the storage or never did."""
    return tx.all(File, "SELECT object_name FROM avatars WHERE member_id = :member_id", member_id=member_id)


def exports_left(tx: Tx, member_id: UUID) -> list[File]:
    """Files that the member asked for."""
    return tx.all(File, "SELECT object_name FROM data_exports WHERE member_id = :member_id", member_id=member_id)


def _pushes(tx: Tx, member_id: UUID, limit: int) -> int:
    """Before the notifications that they tell of."""
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
    """What they were told."""
    return tx.run(
        """
        DELETE FROM notifications WHERE id IN (
            SELECT id FROM notifications WHERE member_id = :member_id LIMIT :limit)
        """,
        member_id=member_id,
        limit=limit,
    )


def _inboxes(tx: Tx, member_id: UUID, limit: int) -> int:
    """Their unread count."""
    return tx.run(
        """
        DELETE FROM inboxes WHERE member_id = :member_id AND :limit > 0
        """,
        member_id=member_id,
        limit=limit,
    )


def _preferences(tx: Tx, member_id: UUID, limit: int) -> int:
    """How they wanted to be told."""
    return tx.run(
        """
        DELETE FROM notification_preferences WHERE member_id = :member_id AND :limit > 0
        """,
        member_id=member_id,
        limit=limit,
    )


def _devices(tx: Tx, member_id: UUID, limit: int) -> int:
    """Where they were told."""
    return tx.run(
        """
        DELETE FROM devices WHERE member_id = :member_id AND :limit > 0
        """,
        member_id=member_id,
        limit=limit,
    )


def _mails(tx: Tx, member_id: UUID, limit: int) -> int:
    """What they were sent; what still waits is sent first, and goes with the last look."""
    return tx.run(
        """
        DELETE FROM mails WHERE id IN (
            SELECT id FROM mails WHERE member_id = :member_id AND status <> 'queued' LIMIT :limit)
        """,
        member_id=member_id,
        limit=limit,
    )


def _codes(tx: Tx, member_id: UUID, limit: int) -> int:
    """Codes that were mailed to them."""
    return tx.run(
        """
        DELETE FROM email_codes WHERE member_id = :member_id AND :limit > 0
        """,
        member_id=member_id,
        limit=limit,
    )


def _email_changes(tx: Tx, member_id: UUID, limit: int) -> int:
    """An address that waited."""
    return tx.run(
        """
        DELETE FROM email_changes WHERE member_id = :member_id AND :limit > 0
        """,
        member_id=member_id,
        limit=limit,
    )


def _refresh_tokens(tx: Tx, member_id: UUID, limit: int) -> int:
    """Before the sessions that they belong to."""
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
    """Where they were signed in, and from which address."""
    return tx.run(
        """
        DELETE FROM sessions WHERE id IN (
            SELECT id FROM sessions WHERE member_id = :member_id LIMIT :limit)
        """,
        member_id=member_id,
        limit=limit,
    )


def _second_factors(tx: Tx, member_id: UUID, limit: int) -> int:
    """The secret of their authenticator app."""
    return tx.run(
        """
        DELETE FROM second_factors WHERE member_id = :member_id AND :limit > 0
        """,
        member_id=member_id,
        limit=limit,
    )


def _backup_codes(tx: Tx, member_id: UUID, limit: int) -> int:
    """Hashes of the codes that stand in for it."""
    return tx.run(
        """
        DELETE FROM backup_codes WHERE member_id = :member_id AND :limit > 0
        """,
        member_id=member_id,
        limit=limit,
    )


def _known_devices(tx: Tx, member_id: UUID, limit: int) -> int:
    """Devices that they have signed in on: a row for each sign-in of ninety days."""
    return tx.run(
        """
        DELETE FROM known_devices WHERE token_hash IN (
            SELECT token_hash FROM known_devices WHERE member_id = :member_id LIMIT :limit)
        """,
        member_id=member_id,
        limit=limit,
    )


def _referral_codes(tx: Tx, member_id: UUID, limit: int) -> int:
    """Names that they chose for their link; like their username they are free again."""
    return tx.run(
        """
        DELETE FROM referral_codes WHERE code IN (
            SELECT code FROM referral_codes WHERE member_id = :member_id LIMIT :limit)
        """,
        member_id=member_id,
        limit=limit,
    )


def _balances(tx: Tx, member_id: UUID, limit: int) -> int:
    """What their wallet held when we looked last."""
    return tx.run(
        """
        DELETE FROM wallet_balances WHERE member_id = :member_id AND :limit > 0
        """,
        member_id=member_id,
        limit=limit,
    )


def _challenges(tx: Tx, member_id: UUID, limit: int) -> int:
    """What their wallets were asked to sign."""
    return tx.run(
        """
        DELETE FROM wallet_challenges WHERE member_id = :member_id AND :limit > 0
        """,
        member_id=member_id,
        limit=limit,
    )


def _replies(tx: Tx, member_id: UUID, limit: int) -> int:
    """What they were answered: the scope of their idempotency keys is their id."""
    return tx.run(
        """
        DELETE FROM idempotency_keys WHERE (scope, key_hash) IN (
            SELECT scope, key_hash FROM idempotency_keys WHERE scope = CAST(:member_id AS text) LIMIT :limit)
        """,
        member_id=member_id,
        limit=limit,
    )


def _avatars(tx: Tx, member_id: UUID, limit: int) -> int:
    """Their pictures are out of the storage."""
    return tx.run(
        """
        DELETE FROM avatars WHERE member_id = :member_id AND :limit > 0
        """,
        member_id=member_id,
        limit=limit,
    )


def _exports(tx: Tx, member_id: UUID, limit: int) -> int:
    """So are their files."""
    return tx.run(
        """
        DELETE FROM data_exports WHERE member_id = :member_id AND :limit > 0
        """,
        member_id=member_id,
        limit=limit,
    )


def _places(tx: Tx, member_id: UUID, limit: int) -> int:
    """Scans are kept, without where, from which device and from which address they came."""
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
    """Where the last one was."""
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
    _balances,
    _challenges,
    _replies,
    _places,
    _last_place,
)
LAST_STEPS: Sequence[Step] = (_avatars, _exports)
