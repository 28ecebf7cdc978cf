"""Notifications in the app: written in the transaction that causes them, with an exact unread count."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from shared import events
from shared.db import Tx
from shared.events import NotificationChanged, NotificationMade, NotificationRetracted
from shared.messages import texts, wording
from shared.messages.notices import NOTICES
from shared.messages.texts import TextUnknown
from shared.messages.wording import DEFAULT, Language


@dataclass(frozen=True)
class Note:
    """A notification to be created. Two of one `dedupe_key` are created once.

    Title and body are English; the text in another language is made from `code` and `params`.
    """

    member_id: UUID
    type: str  # system, social, comp or order
    title: str
    body: str
    data: Mapping[str, object]
    dedupe_key: str
    code: str | None = None
    params: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Made:
    id: UUID
    member_id: UUID


@dataclass(frozen=True)
class _Gone:
    id: UUID
    member_id: UUID
    unread: bool


def note(member_id: UUID, code: str, data: Mapping[str, object], dedupe_key: str, **values: object) -> Note:
    """A notification with a text of `notices`. Raises TextUnknown, NotThisKind: errors of the caller."""
    if code not in NOTICES:
        raise TextUnknown(code)
    params = texts.checked(code, values)
    words = texts.notice(code, params, DEFAULT)
    assert words, "its parameters were checked"
    return Note(
        member_id, NOTICES[code].type, words.title, words.body, data, dedupe_key=dedupe_key, code=code, params=params
    )


def announcement(member_id: UUID, title: str, body: str, data: Mapping[str, object], dedupe_key: str) -> Note:
    """A notification in the words of an admin, which are not translated."""
    return Note(member_id, "system", title, body, data, dedupe_key=dedupe_key, code=texts.ANNOUNCEMENT)


def language_of(tx: Tx, member_id: UUID) -> Language:
    """The language that a member reads."""
    return wording.language(tx.scalar(str, "SELECT language FROM members WHERE id = :member_id", member_id=member_id))


def notify(tx: Tx, note: Note, now: datetime) -> UUID | None:
    """Put a notification into the member's inbox, count it as unread, and have it copied to listeners and pushed;
    returns its id, or None if it is there already.
    """
    identity = uuid4()
    if not tx.run(
        """
        INSERT INTO notifications (id, member_id, type, title, body, data, dedupe_key, code, params, created_at)
        VALUES (:id, :member_id, :type, :title, :body, :data, :dedupe_key, :code, :params, :now)
        ON CONFLICT (member_id, dedupe_key) DO NOTHING
        """,
        id=identity,
        member_id=note.member_id,
        type=note.type,
        title=note.title,
        body=note.body,
        data=dict(note.data),
        dedupe_key=note.dedupe_key,
        code=note.code,
        params=dict(note.params),
        now=now,
    ):
        return None
    count_unread(tx, note.member_id, 1)
    events.emit(tx, now, NotificationChanged(notification_id=identity), NotificationMade(notification_id=identity))
    return identity


def notify_many(tx: Tx, notes: Sequence[Note], now: datetime) -> int:
    """Do what `notify` does for many members, one notification for each; returns how many were new.

    Inboxes are locked in the order of their members, so that two such calls never wait for each other.
    """
    ordered = {uuid4(): note for note in sorted(notes, key=lambda note: note.member_id)}
    if not ordered:
        return 0
    made = tx.all(
        _Made,
        """
        INSERT INTO notifications (id, member_id, type, title, body, data, dedupe_key, code, params, created_at)
        SELECT given.id, member_id, type, title, body, data, dedupe_key, code, params, :now
        FROM unnest(CAST(:ids AS uuid[]), CAST(:member_ids AS uuid[]), CAST(:kinds AS text[]), CAST(:titles AS text[]),
                    CAST(:bodies AS text[]), CAST(:data AS jsonb[]), CAST(:keys AS text[]), CAST(:codes AS text[]),
                    CAST(:params AS jsonb[]))
             AS given (id, member_id, type, title, body, data, dedupe_key, code, params)
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
        codes=[note.code for note in ordered.values()],
        params=[json.dumps(dict(note.params)) for note in ordered.values()],
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


def retract(tx: Tx, dedupe_key: str, now: datetime, limit: int | None = None) -> int:
    """Take a social notification back from everybody who has it, or from so many of them: what it tells of is there no
    more. Returns how many.

    Each is deleted, with what is known of its pushes, and counts as unread no more. Listeners are told.
    """
    gone = tx.all(
        _Gone,
        """
        SELECT id, member_id, read_at IS NULL AS unread FROM notifications
        WHERE dedupe_key = :key AND type = 'social' ORDER BY id LIMIT CAST(:limit AS bigint) FOR UPDATE
        """,
        key=dedupe_key,
        limit=limit,
    )
    if not gone:
        return 0
    ids = [row.id for row in gone]
    tx.run_later("DELETE FROM pushes WHERE notification_id = ANY(CAST(:ids AS uuid[]))", ids=ids)
    tx.run_later("DELETE FROM notifications WHERE id = ANY(CAST(:ids AS uuid[]))", ids=ids)
    for row in sorted(gone, key=lambda found: found.member_id):
        if row.unread:
            count_unread(tx, row.member_id, -1)
        events.emit(tx, now, NotificationRetracted(notification_id=row.id, member_id=row.member_id))
    return len(gone)


def count_unread(tx: Tx, member_id: UUID, change: int) -> None:
    """Add `change` to the member's unread count, exactly and without waiting, because scans wait for the caller.

    If another transaction has the inbox locked, the change is left in late_counts for the next one that locks it; the
    view inbox_counts adds both. Call it after the notifications' own rows are written.

    The inbox is locked by a statement of its own, so that the counting statement sees the row as it is then. In a
    single statement Postgres would repeat the sum for a row that was changed meanwhile, and lose the late counts.
    """
    is_free = tx.run(
        "SELECT 1 FROM inboxes WHERE member_id = :member_id FOR NO KEY UPDATE SKIP LOCKED", member_id=member_id
    )
    if is_free:
        tx.run(
            """
            WITH late AS (
                DELETE FROM late_counts WHERE kind = 'unread' AND member_id = :member_id RETURNING change
            )
            UPDATE inboxes SET unread = unread + :change + (SELECT coalesce(sum(change), 0) FROM late),
                               revision = revision + 1 + (SELECT count(*) FROM late)
            WHERE member_id = :member_id
            """,
            member_id=member_id,
            change=change,
        )
        return
    tx.run(
        """
        WITH opened AS (
            INSERT INTO inboxes AS inbox (member_id, unread, revision)
            SELECT :member_id, greatest(:change, 0), 1
            WHERE NOT EXISTS (SELECT FROM inboxes WHERE member_id = :member_id)
            ON CONFLICT (member_id) DO UPDATE SET unread = inbox.unread + :change, revision = inbox.revision + 1
        )
        INSERT INTO late_counts (kind, member_id, change)
        SELECT 'unread', member_id, :change FROM inboxes WHERE member_id = :member_id
        """,
        member_id=member_id,
        change=change,
    )
