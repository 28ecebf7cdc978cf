"""What an operator asks at night: where is a payout and why, what is stuck, what would be sent next.

Nothing here changes a payout or locks one: it may be asked at any time, as often as needed.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Tx
from shared.money import Usdt

STORY_MAX = 200
STUCK_MAX = 50


@dataclass(frozen=True)
class Whereabouts:
    """A payout, its latest nonce and its latest signature."""

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


@dataclass(frozen=True)
class Told:
    """A line of its diary."""

    happened_at: datetime
    kind: str
    nonce: int | None
    attempt_hash: str | None
    detail: dict[str, Any]


@dataclass(frozen=True)
class Stuck:
    """A payout that is open, oldest change first."""

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
class Standing:
    """A treasury: whether it signs, and what the last snapshot saw."""

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
class Coming:
    """A payout in the order in which it would be sent; `reserved` has its money already."""

    id: UUID
    state: str
    amount: Usdt
    recipient_address: str
    source_kind: str
    reserved: bool


@dataclass(frozen=True)
class _Id:
    id: UUID


def of_id(tx: Tx, identity: UUID) -> list[UUID]:
    """The payouts that somebody may mean by an id: the payout's own, or its comp's, match's or share's."""
    rows = tx.all(
        _Id,
        """
        SELECT id FROM payouts WHERE id = :identity
        UNION SELECT id FROM payouts
              WHERE source_kind IN ('comp', 'match', 'pool_share', 'rotation') AND source_id = CAST(:identity AS text)
        """,
        identity=identity,
    )
    return [row.id for row in rows]


def of_transaction(tx: Tx, transaction_hash: str) -> list[UUID]:
    """The payout that a transaction was signed for."""
    rows = tx.all(
        _Id,
        """
        SELECT s.payout_id AS id
        FROM payout_attempts a JOIN payout_slots s ON s.signer = a.signer AND s.nonce = a.nonce
        WHERE a.hash = :hash AND s.payout_id IS NOT NULL
        """,
        hash=transaction_hash,
    )
    return [row.id for row in rows]


def where(tx: Tx, payout_id: UUID) -> Whereabouts:
    """One payout with what it waits for."""
    return tx.one(
        Whereabouts,
        """
        SELECT p.id, p.treasury, p.source_kind, p.source_id, p.recipient_address, p.amount,
               CAST(p.state AS text) AS state, CAST(p.hold_reason AS text) AS hold_reason, p.state_at, p.requested_at,
               (SELECT count(*) FROM payout_approvals WHERE payout_id = p.id AND hold = p.holds) AS approvals_given,
               p.approvals_needed, p.paid_at, p.transaction_hash, t.paused_at AS treasury_paused_at, t.pause_reason,
               CAST(s.state AS text) AS slot_state, s.signer, s.nonce, s.block_number,
               (SELECT hash FROM payout_attempts WHERE signer = s.signer AND nonce = s.nonce
                ORDER BY position DESC LIMIT 1) AS last_hash,
               (SELECT count(*) FROM payout_attempts WHERE signer = s.signer AND nonce = s.nonce) AS attempts,
               (SELECT min(nonce) FROM payout_slots WHERE signer = s.signer
                  AND state IN ('ALLOCATED', 'LIVE', 'MINED', 'FOREIGN')) AS lowest_open_nonce
        FROM payouts p JOIN treasuries t ON t.name = p.treasury
        LEFT JOIN LATERAL (SELECT * FROM payout_slots WHERE payout_id = p.id
                           ORDER BY allocated_at DESC LIMIT 1) s ON true
        WHERE p.id = :payout_id
        """,
        payout_id=payout_id,
    )


def story(tx: Tx, payout_id: UUID) -> list[Told]:
    """Its diary, oldest first."""
    return tx.all(
        Told,
        """
        SELECT happened_at, kind, nonce, attempt_hash, detail FROM payout_events
        WHERE payout_id = :payout_id ORDER BY id LIMIT :limit
        """,
        payout_id=payout_id,
        limit=STORY_MAX,
    )


def stuck(tx: Tx, before: datetime) -> list[Stuck]:
    """Open payouts that have not moved since, the longest standing first."""
    return tx.all(
        Stuck,
        """
        SELECT p.id, p.treasury, CAST(p.state AS text) AS state, CAST(p.hold_reason AS text) AS hold_reason, p.state_at,
               p.amount,
               (SELECT count(*) FROM payout_approvals WHERE payout_id = p.id AND hold = p.holds) AS approvals_given,
               p.approvals_needed, CAST(s.state AS text) AS slot_state, s.nonce,
               (SELECT count(*) FROM payout_attempts WHERE signer = s.signer AND nonce = s.nonce) AS attempts
        FROM (SELECT * FROM payouts WHERE state IN ('REQUESTED', 'APPROVED', 'RESERVED', 'IN_FLIGHT')
              UNION ALL SELECT * FROM payouts WHERE state IN ('HELD', 'QUARANTINED')) p
        LEFT JOIN payout_slots s ON s.payout_id = p.id AND s.state IN ('ALLOCATED', 'LIVE', 'MINED', 'FOREIGN')
        WHERE p.state_at <= :before
        ORDER BY p.state_at, p.id LIMIT :limit
        """,
        before=before,
        limit=STUCK_MAX,
    )


def treasuries(tx: Tx) -> list[Standing]:
    """All three."""
    return tx.all(
        Standing,
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


def coming(tx: Tx, treasury: str, now: datetime, limit: int) -> list[Coming]:
    """In the order of asking, as payout_send takes them."""
    return tx.all(
        Coming,
        """
        SELECT id, CAST(state AS text) AS state, amount, recipient_address, source_kind,
               payout_reserved(payouts) AS reserved
        FROM payouts
        WHERE treasury = :treasury AND state IN ('REQUESTED', 'APPROVED', 'RESERVED')
          AND (postponed_until IS NULL OR postponed_until <= :now)
        ORDER BY requested_at, id LIMIT :limit
        """,
        treasury=treasury,
        now=now,
        limit=limit,
    )


def note(tx: Tx, action: str, treasury: str, who: str, why: str, now: datetime) -> None:
    """What somebody at a terminal did stands in the audit log too."""
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
