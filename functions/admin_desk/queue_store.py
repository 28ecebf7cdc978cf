"""Queues that wait for people: a statement for each, which reads an index of what is open.

Each gives how many things wait, at most `most`, and since when the oldest of them waits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from shared.db import Tx

COUNTED_MAX = 10_000


@dataclass(frozen=True)
class Waiting:
    """How many things wait, and since when the oldest of them does; None if nothing waits."""

    count: int
    oldest_at: datetime | None


QUEUES: Mapping[str, LiteralString] = {
    "critical_events": """
        SELECT count(*) AS count, min(at) AS oldest_at
        FROM (SELECT begun_at AS at FROM critical_events WHERE ended_at IS NULL LIMIT :most) open
        """,
    "payouts": """
        SELECT count(*) AS count, min(at) AS oldest_at
        FROM (SELECT requested_at AS at FROM payouts WHERE payout_is_stopped(state) LIMIT :most) open
        """,
    "foreign_nonces": """
        SELECT count(*) AS count, min(at) AS oldest_at
        FROM (SELECT state_at AS at FROM payout_slots WHERE state = 'FOREIGN' LIMIT :most) open
        """,
    "flagged_scans": """
        SELECT count(*) AS count, min(at) AS oldest_at
        FROM (SELECT flagged_at AS at FROM flagged_scans WHERE status = 'open'
              ORDER BY flagged_at LIMIT :most) open
        """,
    "guarantee_reviews": """
        SELECT count(*) AS count, min(at) AS oldest_at
        FROM (SELECT asked_at AS at FROM guarantee_reviews WHERE status = 'waiting'
              ORDER BY asked_at LIMIT :most) open
        """,
    "referral_reviews": """
        SELECT count(*) AS count, min(at) AS oldest_at
        FROM (SELECT found_at AS at FROM referral_reviews WHERE status = 'open'
              ORDER BY found_at LIMIT :most) open
        """,
    "comps": """
        SELECT count(*) AS count, min(at) AS oldest_at
        FROM (SELECT awarded_at AS at FROM comps WHERE status = 'in_review'
              ORDER BY awarded_at LIMIT :most) open
        """,
    "affiliate_awards": """
        SELECT count(*) AS count, min(at) AS oldest_at
        FROM (SELECT earned_at AS at FROM affiliate_earnings
              WHERE status = 'in_review' AND kind = 'manual'
              ORDER BY earned_at LIMIT :most) open
        """,
    "trips": """
        SELECT count(*) AS count, min(at) AS oldest_at
        FROM (SELECT chosen_at AS at FROM trips WHERE state <> 'chip_mailed'
              ORDER BY chosen_at LIMIT :most) open
        """,
    "weeks": """
        SELECT count(*) AS count, min(at) AS oldest_at
        FROM (SELECT ready_at AS at FROM affiliate_weeks WHERE state = 'ready' LIMIT :most) open
        """,
    "findings": """
        SELECT count(*) AS count, min(at) AS oldest_at
        FROM (SELECT found_at AS at FROM reconciliation_findings WHERE resolved_at IS NULL LIMIT :most) open
        """,
    "payment_findings": """
        SELECT count(*) AS count, min(at) AS oldest_at
        FROM (SELECT found_at AS at FROM payment_findings WHERE resolved_at IS NULL LIMIT :most) open
        """,
    "refunds": """
        SELECT count(*) AS count, min(at) AS oldest_at
        FROM (SELECT requested_at AS at FROM refund_requests WHERE status = 'waiting'
              ORDER BY requested_at LIMIT :most) open
        """,
    "deposits": """
        SELECT count(*) AS count, min(at) AS oldest_at
        FROM (SELECT found_at AS at FROM usdt_deposits WHERE payment_id IS NULL
              ORDER BY found_at LIMIT :most) open
        """,
    "campaigns": """
        SELECT count(*) AS count, min(at) AS oldest_at
        FROM (SELECT state_at AS at FROM campaigns WHERE state = 'paused' LIMIT :most) open
        """,
    "banks": """
        SELECT count(*) AS count, min(at) AS oldest_at
        FROM (SELECT state_at AS at FROM teller_enrollments WHERE state = 'needs_reauth' LIMIT :most) open
        """,
    "wholesale_applications": """
        SELECT count(*) AS count, min(at) AS oldest_at
        FROM (SELECT applied_at AS at FROM wholesale_accounts WHERE status = 'pending' LIMIT :most) open
        """,
}


def waiting(tx: Tx, queue: str) -> Waiting:
    """Count the things that wait in this queue."""
    return tx.one(Waiting, QUEUES[queue], most=COUNTED_MAX)
