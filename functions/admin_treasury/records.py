"""Rows that treasury admins write."""

from datetime import datetime
from uuid import UUID

from shared.db import Tx


def insert_transfer(tx: Tx, payout_id: UUID, admin_id: UUID, reason: str, now: datetime) -> None:
    """Record who asked for a manual transfer and why."""
    tx.run(
        """
        INSERT INTO manual_transfers (payout_id, reason, requested_by, requested_at)
        VALUES (:payout_id, :reason, :admin_id, :now)
        """,
        payout_id=payout_id,
        reason=reason,
        admin_id=admin_id,
        now=now,
    )


def cancel_transfer(tx: Tx, payout_id: UUID, admin_id: UUID, reason: str, now: datetime) -> None:
    """Record who cancelled a manual transfer and why."""
    tx.run(
        """
        UPDATE manual_transfers SET cancelled_by = :admin_id, cancelled_at = :now, cancel_reason = :reason
        WHERE payout_id = :payout_id
        """,
        payout_id=payout_id,
        admin_id=admin_id,
        reason=reason,
        now=now,
    )


def set_threshold(tx: Tx, treasury: str, kind: str, threshold: int) -> None:
    """Set a threshold. A changed one forgets that an alert was sent, so that a low balance raises a new alert."""
    tx.run(
        """
        UPDATE treasury_alerts SET threshold = CAST(:threshold AS numeric), crossed_at = NULL
        WHERE treasury = :treasury AND kind = :kind AND threshold <> CAST(:threshold AS numeric)
        """,
        treasury=treasury,
        kind=kind,
        threshold=str(threshold),
    )


def insert_reconciliation(tx: Tx, identity: UUID, admin_id: UUID, now: datetime) -> None:
    """Insert a reconciliation that an admin asked for."""
    tx.run(
        "INSERT INTO reconciliations (id, requested_by, requested_at) VALUES (:id, :admin_id, :now)",
        id=identity,
        admin_id=admin_id,
        now=now,
    )


def resolve_finding(tx: Tx, finding_id: UUID, admin_id: UUID, explanation: str, now: datetime) -> None:
    """Mark a finding as resolved by a person."""
    tx.run(
        """
        UPDATE reconciliation_findings SET resolved_at = :now, resolved_by = :admin_id, resolution = :explanation
        WHERE id = :finding_id AND resolved_at IS NULL
        """,
        finding_id=finding_id,
        admin_id=admin_id,
        explanation=explanation,
        now=now,
    )
