"""Read-only questions of operators: where a payout is and why, which payouts are stuck, and what is sent next.

No function here changes or locks a payout; `note` and `note_explanation` write to the audit log. The questions may be
asked at any time and as often as needed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Tx
from shared.values.money import Usdt

STORY_MAX = 200
STUCK_MAX = 50


@dataclass(frozen=True)
class Whereabouts:
    """A payout with its latest slot (nonce) and the hash of its latest signed transaction.

    `in_doubt`: a foreign transaction that people have not explained may have paid it.
    """

    id: UUID
    treasury: str
    source_kind: str
    source_id: str
    recipient_address: str
    amount: Usdt
    state: str
    hold_reason: str | None
    state_at: datetime
    requested_at: datetime
    approvals_given: int
    approvals_needed: int
    paid_at: datetime | None
    transaction_hash: str | None
    treasury_paused_at: datetime | None
    pause_reason: str | None
    slot_state: str | None
    signer: str | None
    nonce: int | None
    block_number: int | None
    last_hash: str | None
    attempts: int
    lowest_open_nonce: int | None
    in_doubt: bool


@dataclass(frozen=True)
class DiaryEntry:
    """One entry of a payout's diary (table payout_events)."""

    happened_at: datetime
    kind: str
    nonce: int | None
    attempt_hash: str | None
    detail: dict[str, Any]


@dataclass(frozen=True)
class StuckPayout:
    """An open payout that has not changed its state for some time."""

    id: UUID
    treasury: str
    state: str
    hold_reason: str | None
    state_at: datetime
    amount: Usdt
    approvals_given: int
    approvals_needed: int
    slot_state: str | None
    nonce: int | None
    attempts: int


@dataclass(frozen=True)
class TreasuryStatus:
    """A treasury: whether it is paused, its active key, and what its last snapshot recorded."""

    name: str
    paused_at: datetime | None
    pause_reason: str | None
    address: str
    next_nonce: int
    set_aside: Usdt
    snapshot_balance: Usdt | None
    snapshot_at: datetime | None
    findings_open: int


@dataclass(frozen=True)
class NextPayout:
    """A payout that is not sent yet. `reserved` is true when its money is set aside already."""

    id: UUID
    state: str
    amount: Usdt
    recipient_address: str
    source_kind: str
    reserved: bool


def of_id(tx: Tx, identity: UUID) -> list[UUID]:
    """The ids of the payouts that an id may stand for: the payout's own id, or its comp's or affiliate payout's."""
    return tx.column(
        UUID,
        """
        SELECT id FROM payouts WHERE id = :identity
        UNION SELECT id FROM payouts
              WHERE source_kind IN ('comp', 'affiliate_payout', 'wholesale_comp', 'rotation')
                AND source_id = CAST(:identity AS text)
        """,
        identity=identity,
    )


def of_transaction(tx: Tx, transaction_hash: str) -> list[UUID]:
    """The id of the payout that a transaction was signed for; an empty list when the hash is not one of ours."""
    return tx.column(
        UUID,
        """
        SELECT s.payout_id AS id
        FROM payout_attempts a JOIN payout_slots s ON s.signer = a.signer AND s.nonce = a.nonce
        WHERE a.hash = :hash AND s.payout_id IS NOT NULL
        """,
        hash=transaction_hash,
    )


def where(tx: Tx, payout_id: UUID) -> Whereabouts:
    """One payout with its treasury and its latest slot; the payout must exist (see `of_id`)."""
    return tx.one(
        Whereabouts,
        """
        SELECT p.id, p.treasury, p.source_kind, p.source_id, p.recipient_address, p.amount,
               CAST(p.state AS text) AS state, CAST(p.hold_reason AS text) AS hold_reason, p.state_at, p.requested_at,
               (SELECT approvals_that_count(payouts) FROM payouts WHERE id = p.id) AS approvals_given,
               p.approvals_needed, p.paid_at, p.transaction_hash, t.paused_at AS treasury_paused_at, t.pause_reason,
               CAST(s.state AS text) AS slot_state, s.signer, s.nonce, s.block_number,
               (SELECT hash FROM payout_attempts WHERE signer = s.signer AND nonce = s.nonce
                ORDER BY position DESC LIMIT 1) AS last_hash,
               (SELECT count(*) FROM payout_attempts WHERE signer = s.signer AND nonce = s.nonce) AS attempts,
               (SELECT min(nonce) FROM payout_slots WHERE signer = s.signer
                  AND slot_is_open(state)) AS lowest_open_nonce,
               payout_in_doubt(p) AS in_doubt
        FROM payouts p JOIN treasuries t ON t.name = p.treasury
        LEFT JOIN LATERAL (SELECT * FROM payout_slots WHERE payout_id = p.id
                           ORDER BY allocated_at DESC LIMIT 1) s ON true
        WHERE p.id = :payout_id
        """,
        payout_id=payout_id,
    )


def story(tx: Tx, payout_id: UUID) -> list[DiaryEntry]:
    """The payout's diary, oldest entry first; at most STORY_MAX entries."""
    return tx.all(
        DiaryEntry,
        """
        SELECT happened_at, kind, nonce, attempt_hash, detail FROM payout_events
        WHERE payout_id = :payout_id ORDER BY id LIMIT :limit
        """,
        payout_id=payout_id,
        limit=STORY_MAX,
    )


def stuck(tx: Tx, before: datetime) -> list[StuckPayout]:
    """Open payouts that have not changed their state since `before`, longest waiting first; at most STUCK_MAX."""
    return tx.all(
        StuckPayout,
        """
        SELECT p.id, p.treasury, CAST(p.state AS text) AS state, CAST(p.hold_reason AS text) AS hold_reason, p.state_at,
               p.amount,
               (SELECT approvals_that_count(payouts) FROM payouts WHERE id = p.id) AS approvals_given,
               p.approvals_needed, CAST(s.state AS text) AS slot_state, s.nonce,
               (SELECT count(*) FROM payout_attempts WHERE signer = s.signer AND nonce = s.nonce) AS attempts
        FROM (SELECT * FROM payouts WHERE payout_is_under_way(state)
              UNION ALL SELECT * FROM payouts WHERE payout_is_stopped(state)) p
        LEFT JOIN payout_slots s ON s.payout_id = p.id AND slot_is_open(s.state)
        WHERE p.state_at <= :before
        ORDER BY p.state_at, p.id LIMIT :limit
        """,
        before=before,
        limit=STUCK_MAX,
    )


def treasuries(tx: Tx) -> list[TreasuryStatus]:
    """The treasuries, in the order of their names."""
    return tx.all(
        TreasuryStatus,
        """
        SELECT t.name, t.paused_at, t.pause_reason, s.address, s.next_nonce,
               (SELECT CAST(coalesce(sum(balance), 0) AS bigint) FROM ledger_balances
                WHERE account = 'in_flight:' || t.name) AS set_aside,
               shot.onchain_balance AS snapshot_balance, shot.at AS snapshot_at,
               (SELECT count(*) FROM reconciliation_findings WHERE treasury = t.name AND resolved_at IS NULL)
                   AS findings_open
        FROM treasuries t
        JOIN signers s ON s.treasury = t.name AND s.status = 'active'
        LEFT JOIN LATERAL (SELECT onchain_balance, at FROM treasury_snapshots WHERE treasury = t.name
                           ORDER BY at DESC LIMIT 1) shot ON true
        ORDER BY t.name
        """,
    )


def next_payouts(tx: Tx, treasury: str, now: datetime, limit: int) -> list[NextPayout]:
    """The next payouts of a treasury in the order in which payout_send takes them: oldest request first. Payouts that
    are held or postponed are left out.
    """
    return tx.all(
        NextPayout,
        """
        SELECT id, CAST(state AS text) AS state, amount, recipient_address, source_kind,
               payout_reserved(payouts) AS reserved
        FROM payouts
        WHERE treasury = :treasury AND payout_is_payable(state)
          AND (postponed_until IS NULL OR postponed_until <= :now)
        ORDER BY requested_at, id LIMIT :limit
        """,
        treasury=treasury,
        now=now,
        limit=limit,
    )


def note(tx: Tx, action: str, treasury: str, who: str, why: str, now: datetime) -> None:
    """Record in the audit log what an operator did to a treasury at a terminal."""
    tx.run(
        """
        INSERT INTO audit_logs (action, resource_type, resource_id, changes, created_at)
        VALUES (:action, 'treasury', :treasury, :changes, :now)
        """,
        action=action,
        treasury=treasury,
        changes={"by": who, "reason": why},
        now=now,
    )


def treasurer(tx: Tx, username: str) -> UUID | None:
    """The member id of an active treasury admin or owner, who may explain and approve; None for any other username."""
    return tx.scalar_or_none(
        UUID,
        """
        SELECT id FROM members
        WHERE lower(username) = lower(:username) AND role IN ('treasury', 'owner') AND status = 'active'
        """,
        username=username,
    )


def note_explanation(tx: Tx, person_id: UUID, nonce: str, changes: Mapping[str, object], now: datetime) -> None:
    """Record an explanation in the audit log in the same form as the admin function does."""
    tx.run(
        """
        INSERT INTO audit_logs (actor_id, action, resource_type, resource_id, changes, created_at)
        VALUES (:person_id, 'nonce.explain', 'nonce', :nonce, :changes, :now)
        """,
        person_id=person_id,
        nonce=nonce,
        changes=dict(changes),
        now=now,
    )
