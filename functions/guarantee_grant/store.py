"""Members whose guarantee is due, as rows."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from shared.db import Tx


@dataclass(frozen=True)
class Due:
    """A member whose next comp is due."""

    next_on: date
    member_id: UUID


def due(tx: Tx, *, today: date, after: Due | None, limit: int) -> list[Due]:
    """The next page of members who are due, the longest waiting first."""
    return tx.all(
        Due,
        """
        SELECT next_on, member_id FROM guarantees
        WHERE next_on <= :today
          AND (CAST(:next_on AS date) IS NULL OR (next_on, member_id) > (:next_on, CAST(:member_id AS uuid)))
        ORDER BY next_on, member_id LIMIT :limit
        """,
        today=today,
        next_on=after.next_on if after else None,
        member_id=after.member_id if after else None,
        limit=limit,
    )
