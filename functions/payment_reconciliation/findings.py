"""Findings of the comparison as rows. One of a kind and `ref` is open at a time; what people have resolved stays so."""

from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from functions.payment_reconciliation.rules import Kind
from shared.db import Tx
from shared.values.money import Usdt


@dataclass(frozen=True)
class Found:
    """A difference between our rows and the provider's list."""

    kind: Kind
    ref: str
    expected: Usdt
    found: Usdt
    operation_id: object = None  # UUID, if it is about an operation of ours


def insert(tx: Tx, finding: Found, now: datetime) -> bool:
    """Insert a finding; False if it is open already."""
    return bool(
        tx.run(
            """
            INSERT INTO payment_findings (id, kind, ref, operation_id, expected, found, found_at)
            VALUES (:id, :kind, :ref, :operation_id, :expected, :found, :now)
            ON CONFLICT (kind, ref) WHERE resolved_at IS NULL DO NOTHING
            """,
            id=uuid4(),
            now=now,
            **vars(finding),
        )
    )


def close_explained(tx: Tx, now: datetime) -> int:
    """Close the findings whose two sides agree by now; returns how many."""
    return tx.run(
        """
        UPDATE payment_findings f SET resolved_at = :now, resolution = 'Both sides agree now.'
        WHERE f.resolved_at IS NULL AND CASE f.kind
            WHEN 'unknown_booking' THEN EXISTS (SELECT FROM card_bookings b WHERE b.reference = f.ref
                                                AND num_nonnulls(b.operation_id, b.dispute_id) > 0)
            WHEN 'missing_booking' THEN EXISTS (SELECT FROM payment_operations o
                                                WHERE o.id = f.operation_id AND o.booked_at IS NOT NULL)
            WHEN 'dispute_differs' THEN EXISTS (SELECT FROM disputes d
                                                WHERE d.reference = f.ref AND d.withdrawn = d.booked)
            ELSE false END
        """,
        now=now,
    )


def close_unchanged(tx: Tx, references: list[str], now: datetime) -> int:
    """Close the findings of bookings that the list has as before again; returns how many."""
    return tx.run(
        """
        UPDATE payment_findings SET resolved_at = :now, resolution = 'The list says the same as before again.'
        WHERE kind = 'booking_changed' AND resolved_at IS NULL AND ref = ANY(CAST(:references AS text[]))
        """,
        references=references,
        now=now,
    )


def close_balance(tx: Tx, ref: str, now: datetime) -> int:
    """Close the open differences of the balance other than `ref`; returns how many."""
    return tx.run(
        """
        UPDATE payment_findings SET resolved_at = :now, resolution = 'The difference is another one now, or none.'
        WHERE kind = 'balance_differs' AND resolved_at IS NULL AND ref <> :ref
        """,
        ref=ref,
        now=now,
    )


def count_open(tx: Tx) -> int:
    """The number of findings that nobody has explained."""
    return tx.scalar(int, "SELECT count(*) FROM payment_findings WHERE resolved_at IS NULL")
