"""Findings of the comparison as rows. One of a kind and `ref` is open at a time; what people have resolved stays so."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import uuid4

from functions.payment_reconciliation.rules import Kind
from shared.db import Tx
from shared.values.money import Usdt

OPEN_MAX = 1_000  # open findings of a kind that are looked at in one run, oldest first

# By kind: the open findings, and what shows that both sides agree.
AGREE: Mapping[str, LiteralString] = {
    "unknown_booking": """
    WITH open AS (
        SELECT id, ref FROM payment_findings WHERE kind = 'unknown_booking' AND resolved_at IS NULL
        ORDER BY ref LIMIT :limit
    ), agreed AS MATERIALIZED (
        SELECT open.id FROM open CROSS JOIN LATERAL (
            SELECT FROM card_bookings b
            WHERE b.reference = open.ref AND num_nonnulls(b.operation_id, b.dispute_id) > 0 LIMIT 1) matched
    )
    UPDATE payment_findings SET resolved_at = :now, resolution = 'We have done it as well.'
    WHERE id IN (SELECT id FROM agreed)
    """,
    "missing_booking": """
    WITH open AS (
        SELECT id, operation_id FROM payment_findings WHERE kind = 'missing_booking' AND resolved_at IS NULL
        ORDER BY ref LIMIT :limit
    ), agreed AS MATERIALIZED (
        SELECT open.id FROM open CROSS JOIN LATERAL (
            SELECT FROM payment_operations o WHERE o.id = open.operation_id AND o.booked_at IS NOT NULL LIMIT 1) booked
    )
    UPDATE payment_findings SET resolved_at = :now, resolution = 'The provider has booked it.'
    WHERE id IN (SELECT id FROM agreed)
    """,
    "dispute_differs": """
    WITH open AS (
        SELECT id, ref FROM payment_findings WHERE kind = 'dispute_differs' AND resolved_at IS NULL
        ORDER BY ref LIMIT :limit
    ), agreed AS MATERIALIZED (
        SELECT open.id FROM open CROSS JOIN LATERAL (
            SELECT FROM disputes d WHERE d.reference = open.ref AND d.withdrawn = d.booked LIMIT 1) same
    )
    UPDATE payment_findings SET resolved_at = :now, resolution = 'Both have the same amount now.'
    WHERE id IN (SELECT id FROM agreed)
    """,
}


@dataclass(frozen=True)
class Found:
    """A difference between our rows and the provider's list."""

    kind: Kind
    ref: str
    expected: Usdt
    found: Usdt
    operation_id: object = None  # UUID, if it is about an operation of ours


def insert(tx: Tx, finding: Found, now: datetime) -> bool:
    """Insert a finding; False if it is open already, or if a person has explained the same difference of the same
    `kind` and `ref` before.
    """
    return bool(
        tx.run(
            """
            INSERT INTO payment_findings (id, kind, ref, operation_id, expected, found, found_at)
            SELECT :id, :kind, :ref, CAST(:operation_id AS uuid), CAST(:expected AS bigint), CAST(:found AS bigint),
                   CAST(:now AS timestamptz)
            WHERE NOT EXISTS (SELECT FROM payment_findings known
                              WHERE known.kind = :kind AND known.ref = :ref AND known.resolved_by IS NOT NULL
                                AND known.found - known.expected = CAST(:found AS bigint) - CAST(:expected AS bigint))
            ON CONFLICT (kind, ref) WHERE resolved_at IS NULL DO NOTHING
            """,
            id=uuid4(),
            now=now,
            **vars(finding),
        )
    )


def close_explained(tx: Tx, now: datetime) -> None:
    """Close the findings whose two sides agree by now."""
    for kind in AGREE:
        tx.run(AGREE[kind], now=now, limit=OPEN_MAX)


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
