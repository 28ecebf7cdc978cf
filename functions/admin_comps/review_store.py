"""Reviews of guarantees, and the unpaid comps of a guarantee, as rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Tx
from shared.web.paging import Position


@dataclass(frozen=True)
class Review:
    """A guarantee that is or was withheld. A signal is `{"kind", "member_id", "points"}`."""

    id: UUID
    member_id: UUID
    username: str
    score: int
    signals: list[dict[str, Any]]
    status: str
    asked_at: datetime
    decided_at: datetime | None
    decided_by: UUID | None
    note: str | None
    referred_by_id: UUID | None


def reviews(tx: Tx, status: str | None, review_id: UUID | None, after: Position | None, limit: int) -> list[Review]:
    """Reviews, newest first; of one status, or a single review, if given."""
    return tx.all(
        Review,
        """
        SELECT r.id, r.member_id, m.username, r.score, r.signals, r.status, r.asked_at, r.decided_at, r.decided_by,
               r.note, m.referred_by_id
        FROM guarantee_reviews r JOIN members m ON m.id = r.member_id
        WHERE (CAST(:status AS text) IS NULL OR r.status = :status)
          AND (CAST(:review_id AS uuid) IS NULL OR r.id = :review_id)
          AND (CAST(:at AS timestamptz) IS NULL OR (r.asked_at, r.id) < (:at, CAST(:id AS uuid)))
        ORDER BY r.asked_at DESC, r.id DESC LIMIT :limit
        """,
        status=status,
        review_id=review_id,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def lock(tx: Tx, review_id: UUID) -> None:
    """Lock the member's guarantee, then the review, in the same order as the code that withholds a guarantee."""
    tx.run(
        """
        SELECT FROM guarantees WHERE member_id = (SELECT member_id FROM guarantee_reviews WHERE id = :id) FOR UPDATE
        """,
        id=review_id,
    )
    tx.run("SELECT FROM guarantee_reviews WHERE id = :id FOR UPDATE", id=review_id)


def decide(tx: Tx, review_id: UUID, status: str, admin_id: UUID, note: str, now: datetime) -> None:
    """Record the decision about a review."""
    tx.run(
        """
        UPDATE guarantee_reviews SET status = :status, decided_at = :now, decided_by = :admin_id, note = :note
        WHERE id = :id
        """,
        id=review_id,
        status=status,
        now=now,
        admin_id=admin_id,
        note=note,
    )


def unpaid(tx: Tx, member_id: UUID) -> list[UUID]:
    """Comps of the guarantee without a payout; there are at most twelve."""
    return tx.column(
        UUID,
        """
        SELECT id FROM comps WHERE member_id = :member_id AND source_kind = 'guarantee' AND status = 'pending'
          AND NOT EXISTS (SELECT FROM payouts WHERE source_kind = 'comp' AND source_id = CAST(comps.id AS text))
        ORDER BY awarded_at
        """,
        member_id=member_id,
    )


def end_referral(tx: Tx, member_id: UUID, now: datetime) -> None:
    """Remove the member's referrer, who then earns no further match or chip through this member."""
    tx.run("UPDATE members SET referred_by_id = NULL, updated_at = :now WHERE id = :id", id=member_id, now=now)
