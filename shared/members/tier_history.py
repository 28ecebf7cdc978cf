"""The history of a member's tiers: a line for each that was earned, set or removed by an admin, or ended."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.values.tiers import Tier
from shared.web.paging import Position


@dataclass(frozen=True)
class TierChange:
    """A line to be written. Without a `quarter` it concerns the permanent tier."""

    member_id: UUID
    kind: str  # earned, override, override_removed or ended
    tier: Tier
    achieved_at: datetime
    quarter: str | None = None
    expires_at: datetime | None = None
    scan_count: int = 0
    downline_tins: int | None = None
    reason: str | None = None
    set_by: UUID | None = None


@dataclass(frozen=True)
class Entry:
    """A stored line of the history."""

    id: UUID
    kind: str
    tier: Tier
    is_permanent: bool
    quarter: str | None
    scan_count: int
    downline_tins: int | None
    achieved_at: datetime
    expires_at: datetime | None
    reason: str | None
    set_by: UUID | None


def record(tx: Tx, change: TierChange) -> None:
    """Write one line of the history."""
    tx.run_later(
        """
        INSERT INTO tier_history (member_id, quarter, tier, scan_count, achieved_at, expires_at, is_permanent, reason,
                                  kind, downline_tins, set_by)
        VALUES (:member_id, :quarter, :tier, :scan_count, :achieved_at, :expires_at, :is_permanent, :reason,
                :kind, :downline_tins, :set_by)
        """,
        **vars(change),
        is_permanent=change.quarter is None,
    )


def entries(tx: Tx, member_id: UUID, after: Position | None, limit: int) -> list[Entry]:
    """The member's lines, newest first, at most `limit`."""
    return tx.all(
        Entry,
        """
        SELECT entry_id AS id, kind, tier, is_permanent, quarter, scan_count, downline_tins, achieved_at, expires_at,
               reason, set_by
        FROM tier_history
        WHERE member_id = :member_id
          AND (CAST(:at AS timestamptz) IS NULL OR (achieved_at, entry_id) < (:at, CAST(:id AS uuid)))
        ORDER BY achieved_at DESC, entry_id DESC LIMIT :limit
        """,
        member_id=member_id,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )
