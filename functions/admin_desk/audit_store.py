"""The lines of the audit log with the names of who acted, as rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Tx
from shared.web.paging import Position


@dataclass(frozen=True)
class Wanted:
    """Conditions for lines; None means no condition."""

    actor: UUID | None
    action: str | None
    resource_type: str | None
    resource_id: str | None
    recorded_from: datetime | None
    recorded_to: datetime | None


@dataclass(frozen=True)
class Line:
    """A line of the audit log."""

    id: int
    actor_id: UUID | None
    actor_username: str | None
    action: str
    resource_type: str
    resource_id: str
    resource_name: str | None
    changes: dict[str, Any]
    ip_address: str | None
    user_agent: str | None
    recorded_at: datetime


def lines(tx: Tx, wanted: Wanted, after: Position | None, limit: int) -> list[Line]:
    """Lines after a position, newest first. The query is planned anew each time, to use the index of the given
    filters.
    """
    tx.run_later("SET LOCAL plan_cache_mode = force_custom_plan")
    return tx.all(
        Line,
        """
        SELECT line.id, line.actor_id, actor.username AS actor_username, line.action, line.resource_type,
               line.resource_id, thing.username AS resource_name, line.changes, host(line.ip_address) AS ip_address,
               line.user_agent, line.created_at AS recorded_at
        FROM audit_logs line
        LEFT JOIN members actor ON actor.id = line.actor_id
        LEFT JOIN members thing
               ON thing.id = CASE WHEN line.resource_type = 'member' THEN CAST(line.resource_id AS uuid) END
        WHERE (CAST(:actor AS uuid) IS NULL OR line.actor_id = :actor)
          AND (CAST(:action AS text) IS NULL OR line.action = :action)
          AND (CAST(:resource_type AS text) IS NULL OR line.resource_type = :resource_type)
          AND (CAST(:resource_id AS text) IS NULL OR line.resource_id = :resource_id)
          AND (CAST(:recorded_from AS timestamptz) IS NULL OR line.created_at >= :recorded_from)
          AND (CAST(:recorded_to AS timestamptz) IS NULL OR line.created_at < :recorded_to)
          AND (CAST(:at AS timestamptz) IS NULL OR (line.created_at, line.id) < (:at, CAST(:id AS bigint)))
        ORDER BY line.created_at DESC, line.id DESC LIMIT :limit
        """,
        **vars(wanted),
        at=after.at if after else None,
        id=after.id.int if after else None,
        limit=limit,
    )
