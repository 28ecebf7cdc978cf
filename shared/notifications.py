"""What a member is told in the app: written in the transaction of what it tells, counted exactly."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from shared import events
from shared.db import Tx
from shared.events import NotificationChanged, NotificationMade


@dataclass(frozen=True)
class Note:
    """A notification to be made. Two of one `dedupe_key` are one."""

    member_id: UUID
    type: str  # system, social, comp, order
    title: str
    body: str
    data: Mapping[str, object]
    dedupe_key: str


@dataclass(frozen=True)
class _Made:
    id: UUID
    member_id: UUID


def notify(tx: Tx, note: Note, now: datetime) -> UUID | None:
    """Put a notification into the member's inbox; None when it is there already."""
    identity = uuid4()
    if not tx.run(
        """
        INSERT INTO notifications (id, member_id, type, title, body, data, dedupe_key, created_at)
        VALUES (:id, :member_id, :type, :title, :body, :data, :dedupe_key, :now)
        ON CONFLICT (member_id, dedupe_key) DO NOTHING
        """,
        id=identity,
        member_id=note.member_id,
        type=note.type,
        title=note.title,
        body=note.body,
        data=dict(note.data),
        dedupe_key=note.dedupe_key,
        now=now,
    ):
        return None
    count_unread(tx, note.member_id, 1)
    events.emit(tx, now, NotificationChanged(notification_id=identity), NotificationMade(notification_id=identity))
    return identity


def notify_many(tx: Tx, notes: Sequence[Note], now: datetime) -> int:
    """The same for many members at once, each of whom gets one; how many did not have it.

    Inboxes are locked in the order of their members, so that two who tell many never wait for each other.
    """
    ordered = {uuid4(): note for note in sorted(notes, key=lambda note: note.member_id)}
    if not ordered:
        return 0
    made = tx.all(
        _Made,
        """
        INSERT INTO notifications (id, member_id, type, title, body, data, dedupe_key, created_at)
        SELECT given.id, member_id, type, title, body, data, dedupe_key, :now
        FROM unnest(CAST(:ids AS uuid[]), CAST(:member_ids AS uuid[]), CAST(:kinds AS text[]), CAST(:titles AS text[]),
                    CAST(:bodies AS text[]), CAST(:data AS jsonb[]), CAST(:keys AS text[]))
             AS given (id, member_id, type, title, body, data, dedupe_key)
        ON CONFLICT (member_id, dedupe_key) DO NOTHING
        RETURNING id, member_id
        """,
        ids=list(ordered),
        member_ids=[note.member_id for note in ordered.values()],
        kinds=[note.type for note in ordered.values()],
        titles=[note.title for note in ordered.values()],
        bodies=[note.body for note in ordered.values()],
        data=[json.dumps(dict(note.data)) for note in ordered.values()],
        keys=[note.dedupe_key for note in ordered.values()],
        now=now,
    )
    tx.run_later(
        """
        INSERT INTO inboxes AS inbox (member_id, unread, revision)
        SELECT member_id, 1, 1 FROM unnest(CAST(:member_ids AS uuid[])) AS member_id ORDER BY member_id
        ON CONFLICT (member_id) DO UPDATE SET unread = inbox.unread + 1, revision = inbox.revision + 1
        """,
        member_ids=[row.member_id for row in made],
    )
    for row in made:
        events.emit(tx, now, NotificationChanged(notification_id=row.id), NotificationMade(notification_id=row.id))
    return len(made)


def count_unread(tx: Tx, member_id: UUID, change: int) -> None:
    """Add to the unread count; the row's lock keeps it exact under any concurrency."""
    tx.run(
        """
        INSERT INTO inboxes AS inbox (member_id, unread, revision) VALUES (:member_id, greatest(:change, 0), 1)
        ON CONFLICT (member_id)
        DO UPDATE SET unread = inbox.unread + :change, revision = inbox.revision + 1
        """,
        member_id=member_id,
        change=change,
    )
