"""Messages that wait for their check, and what it has found, as rows."""

import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from functions.social_check.rules import Verdict
from shared.db import Tx
from shared.ports.moderation import Scores
from shared.social import strikes
from shared.values.ids import EPOCH, NIL


@dataclass(frozen=True)
class Waiting:
    """A message whose present revision is not checked."""

    posted_at: datetime
    id: UUID
    channel_id: UUID
    number: int
    member_id: UUID
    text: str
    revision: int


@dataclass(frozen=True)
class _Struck:
    strikes: int
    struck_at: datetime | None


def waiting(tx: Tx, since: datetime, after: Waiting | None, limit: int) -> list[Waiting]:
    """Messages that wait, oldest first, from a moment on and after another one."""
    return tx.all(
        Waiting,
        """
        SELECT posted_at, id, channel_id, number, member_id, text, revision FROM social_messages
        WHERE checked_revision < revision AND removed_at IS NULL AND member_id IS NOT NULL AND text <> ''
          AND posted_at >= :since AND (posted_at, id) > (CAST(:after_at AS timestamptz), CAST(:after_id AS uuid))
        ORDER BY posted_at, id LIMIT :limit
        """,
        since=since,
        after_at=after.posted_at if after else EPOCH,
        after_id=after.id if after else NIL,
        limit=limit,
    )


def count_late(tx: Tx, since: datetime, before: datetime) -> int:
    """How many messages of that time wait. An edited one counts from when it was posted."""
    return tx.scalar(
        int,
        """
        SELECT count(*) AS number FROM social_messages
        WHERE checked_revision < revision AND removed_at IS NULL AND member_id IS NOT NULL AND text <> ''
          AND posted_at >= :since AND posted_at < :before
        """,
        since=since,
        before=before,
    )


def mark_checked(tx: Tx, message: Waiting) -> bool:
    """Mark the message as checked, and lock it; False if it was checked by another, edited or removed since."""
    return bool(
        tx.run(
            """
            UPDATE social_messages SET checked_revision = revision
            WHERE posted_at = :posted_at AND id = :id AND revision = :revision AND checked_revision < revision
              AND removed_at IS NULL
            """,
            posted_at=message.posted_at,
            id=message.id,
            revision=message.revision,
        )
    )


def open_case(tx: Tx, message: Waiting, verdict: Verdict, scores: Scores | None, now: datetime) -> UUID:
    """Record what a check has found, and return the case's id."""
    identity = uuid4()
    tx.run(
        """
        INSERT INTO social_cases (id, message_id, revision, channel_id, number, member_id, text, outcome, scores,
                                  severity, opened_at)
        VALUES (:id, :message_id, :revision, :channel_id, :number, :member_id, :text, :outcome,
                CAST(:scores AS jsonb), :severity, :now)
        """,
        id=identity,
        message_id=message.id,
        revision=message.revision,
        channel_id=message.channel_id,
        number=message.number,
        member_id=message.member_id,
        text=message.text,
        outcome=verdict.outcome.value,
        scores=None if scores is None else json.dumps(dict(scores)),
        severity=verdict.severity,
        now=now,
    )
    return identity


def strike(tx: Tx, member_id: UUID, now: datetime) -> None:
    """Give the member a strike; their standing is locked."""
    found = tx.one(
        _Struck, "SELECT strikes, struck_at FROM social_standings WHERE member_id = :member_id", member_id=member_id
    )
    tx.run(
        "UPDATE social_standings SET strikes = :strikes, struck_at = :now WHERE member_id = :member_id",
        member_id=member_id,
        strikes=strikes.one_more(found.strikes, found.struck_at, now),
        now=now,
    )


def remove(tx: Tx, message: Waiting, now: datetime) -> None:
    """Remove a message, which is locked. The text stays until its week is dropped, for moderators."""
    tx.run(
        """
        UPDATE social_messages SET removed_at = :now, removed_by = 'check', revision = revision + 1
        WHERE posted_at = :posted_at AND id = :id
        """,
        posted_at=message.posted_at,
        id=message.id,
        now=now,
    )
