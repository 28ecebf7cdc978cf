"""Reviews of referrals, as rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Tx
from shared.values.states import ReferralReviewStatus
from shared.web.paging import Position


@dataclass(frozen=True)
class Review:
    """A referral that people look at, or have decided about. A signal is `{"kind", "member_id", "points"}`."""

    id: UUID
    affiliate_id: UUID
    affiliate_username: str
    referred_id: UUID
    referred_username: str
    score: int
    signals: list[dict[str, Any]]
    status: ReferralReviewStatus
    found_at: datetime
    decided_at: datetime | None
    decided_by: UUID | None
    note: str | None


def reviews(tx: Tx, status: str | None, review_id: UUID | None, after: Position | None, limit: int) -> list[Review]:
    """Reviews, newest first; of one status, or a single review, if given."""
    return tx.all(
        Review,
        """
        SELECT r.id, r.affiliate_id, a.username AS affiliate_username, r.referred_id, m.username AS referred_username,
               r.score, r.signals, r.status, r.found_at, r.decided_at, r.decided_by, r.note
        FROM referral_reviews r JOIN members a ON a.id = r.affiliate_id JOIN members m ON m.id = r.referred_id
        WHERE (CAST(:status AS text) IS NULL OR r.status = :status)
          AND (CAST(:review_id AS uuid) IS NULL OR r.id = :review_id)
          AND (CAST(:at AS timestamptz) IS NULL OR (r.found_at, r.id) < (:at, CAST(:id AS uuid)))
        ORDER BY r.found_at DESC, r.id DESC LIMIT :limit
        """,
        status=status,
        review_id=review_id,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def lock(tx: Tx, review_id: UUID) -> None:
    """Lock the review: a second decision waits, and so does whoever adds signals."""
    tx.run("SELECT FROM referral_reviews WHERE id = :id FOR NO KEY UPDATE", id=review_id)


def decide(tx: Tx, review_id: UUID, status: str, admin_id: UUID, note: str, now: datetime) -> None:
    """Record the decision about a review, which is final."""
    tx.run(
        """
        UPDATE referral_reviews SET status = :status, decided_at = :now, decided_by = :admin_id, note = :note
        WHERE id = :id
        """,
        id=review_id,
        status=status,
        now=now,
        admin_id=admin_id,
        note=note,
    )
