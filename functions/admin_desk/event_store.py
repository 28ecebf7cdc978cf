"""Critical events as rows of the desk, and who has seen them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.web.paging import Position


@dataclass(frozen=True)
class Event:
    """A critical event, from its beginning to its end, and who looks after it."""

    id: UUID
    kind: str
    subject: str
    detail: str
    runbook: str
    begun_at: datetime
    ended_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: UUID | None


def events(tx: Tx, is_open: bool | None, after: Position | None, limit: int) -> list[Event]:
    """Events after a position, newest first: those that last, those that are over, or both."""
    return tx.all(
        Event,
        """
        SELECT id, kind, subject, detail, runbook, begun_at, ended_at, acknowledged_at, acknowledged_by
        FROM critical_events
        WHERE (CAST(:is_open AS boolean) IS NULL OR (ended_at IS NULL) = :is_open)
          AND (CAST(:at AS timestamptz) IS NULL OR (begun_at, id) < (:at, CAST(:id AS uuid)))
        ORDER BY begun_at DESC, id DESC LIMIT :limit
        """,
        is_open=is_open,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def event(tx: Tx, event_id: UUID) -> Event | None:
    """One event; None if there is no such."""
    return tx.first(
        Event,
        """
        SELECT id, kind, subject, detail, runbook, begun_at, ended_at, acknowledged_at, acknowledged_by
        FROM critical_events WHERE id = :id
        """,
        id=event_id,
    )


def acknowledge(tx: Tx, event_id: UUID, admin_id: UUID, now: datetime) -> bool:
    """Store who has seen the event first; False if somebody has before, or there is no such event."""
    return bool(
        tx.run(
            """
            UPDATE critical_events SET acknowledged_at = :now, acknowledged_by = :admin_id
            WHERE id = :id AND acknowledged_at IS NULL
            """,
            id=event_id,
            admin_id=admin_id,
            now=now,
        )
    )
