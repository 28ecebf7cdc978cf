"""What a member is told in the app: written in the transaction of what it tells, counted exactly."""

from collections.abc import Mapping
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
