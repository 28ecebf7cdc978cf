"""Critical events in their table: each cause that lasts is stored once, with its beginning and end (docs/alerts.md).

A job says which causes of some kinds there are now. New ones begin, those that are gone end, and those that last are
left alone, so that a job that runs twice, late or beside another one changes nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from shared.db import Tx
from shared.values.incidents import RUNBOOKS, Cause, CriticalKind

DETAIL_MAX = 500


@dataclass(frozen=True)
class OpenEvent:
    """A critical event that has not ended."""

    id: UUID
    kind: str
    subject: str
    detail: str
    runbook: str
    begun_at: datetime


def settle(
    tx: Tx,
    kinds: Collection[CriticalKind],
    found: Sequence[Cause],
    now: datetime,
    unknown: Collection[tuple[str, str]] = (),
) -> None:
    """Make the open events of these kinds those of the causes that were found. Of `unknown` causes (kind and subject)
    nothing could be seen: their events stay as they are.
    """
    there = {cause.key for cause in found}
    known = {(event.kind, event.subject): event for event in open_events(tx) if event.kind in set(kinds)}
    for key in sorted(known.keys() - there - set(unknown)):
        _end(tx, known[key].id, now)
    for cause in found:
        if cause.key not in known:
            _begin(tx, cause, now)


def open_events(tx: Tx) -> list[OpenEvent]:
    """All critical events that have not ended, oldest first."""
    return tx.all(
        OpenEvent,
        """
        SELECT id, kind, subject, detail, runbook, begun_at
        FROM critical_events WHERE ended_at IS NULL ORDER BY begun_at, id
        """,
    )


def _begin(tx: Tx, cause: Cause, now: datetime) -> None:
    """Store an event, unless another run has stored it meanwhile. It does not begin later than now."""
    kind, subject = cause.key
    tx.run(
        """
        INSERT INTO critical_events (id, kind, subject, detail, runbook, begun_at)
        VALUES (:id, :kind, :subject, :detail, :runbook, :begun_at)
        ON CONFLICT (kind, subject) WHERE ended_at IS NULL DO NOTHING
        """,
        id=uuid4(),
        kind=kind,
        subject=subject,
        detail=cause.detail[:DETAIL_MAX],
        runbook=RUNBOOKS[cause.kind],
        begun_at=min(cause.since, now),
    )


def _end(tx: Tx, event_id: UUID, now: datetime) -> None:
    tx.run(
        "UPDATE critical_events SET ended_at = greatest(begun_at, :now) WHERE id = :id AND ended_at IS NULL",
        id=event_id,
        now=now,
    )
