"""Quarters that are over and not closed yet, as rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.values.tiers import Tier


@dataclass(frozen=True)
class Open:
    """A member's tier in the quarter, and the permanent tier at its end."""

    member_id: UUID
    tier: Tier
    scans: int
    permanent_tier: Tier


def oldest_open(tx: Tx, current: str, skipped: Sequence[UUID]) -> str | None:
    """The first quarter before `current` in which a member's tier is still open, without the members in `skipped`."""
    return tx.scalar_or_none(
        str,
        """
        SELECT quarter FROM member_quarters
        WHERE quarter < :current AND closed_at IS NULL AND tier <> 'standard'
          AND NOT member_id = ANY(CAST(:skipped AS uuid[]))
        ORDER BY quarter LIMIT 1
        """,
        current=current,
        skipped=list(skipped),
    )


def lock_open(tx: Tx, quarter: str, ended_at: datetime, skipped: Sequence[UUID], limit: int) -> list[Open]:
    """Some open members that no other run is closing, without those in `skipped`. If the permanent tier has changed
    since the end of the quarter, the earlier one is taken from the history.
    """
    return tx.all(
        Open,
        """
        WITH taken AS (
            SELECT member_id, tier, scans FROM member_quarters
            WHERE quarter = :quarter AND closed_at IS NULL AND tier <> 'standard'
              AND NOT member_id = ANY(CAST(:skipped AS uuid[]))
            ORDER BY member_id LIMIT :limit FOR UPDATE SKIP LOCKED
        )
        SELECT taken.member_id, taken.tier, taken.scans,
               CASE WHEN NOT EXISTS (SELECT FROM tier_history h
                                     WHERE h.member_id = taken.member_id AND h.is_permanent
                                       AND h.achieved_at >= :ended_at)
                    THEN m.permanent_tier
                    ELSE greatest(
                        CAST('standard' AS tier),
                        (SELECT max(h.tier) FROM tier_history h
                         WHERE h.member_id = taken.member_id AND h.is_permanent AND h.kind = 'earned'
                           AND h.achieved_at < :ended_at),
                        (SELECT CASE h.kind WHEN 'override' THEN h.tier END FROM tier_history h
                         WHERE h.member_id = taken.member_id AND h.is_permanent AND h.kind <> 'earned'
                           AND h.achieved_at < :ended_at
                         ORDER BY h.achieved_at DESC, h.id DESC LIMIT 1))
               END AS permanent_tier
        FROM taken JOIN members m ON m.id = taken.member_id
        ORDER BY taken.member_id
        """,
        quarter=quarter,
        ended_at=ended_at,
        skipped=list(skipped),
        limit=limit,
    )


def mark_closed(tx: Tx, quarter: str, member_ids: Sequence[UUID], now: datetime) -> None:
    """Mark the members as closed for this quarter."""
    tx.run(
        """
        UPDATE member_quarters SET closed_at = :now
        WHERE quarter = :quarter AND member_id = ANY(CAST(:member_ids AS uuid[]))
        """,
        quarter=quarter,
        member_ids=list(member_ids),
        now=now,
    )
