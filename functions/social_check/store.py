"""Messages that wait for their check, and what it has found, as rows."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from functions.social_check.rules import REASON, Outcome, Verdict
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
    reply_to: int | None
    mentions: list[dict[str, Any]]


@dataclass(frozen=True)
class _Struck:
    strikes: int
    struck_at: datetime | None


def waiting(tx: Tx, since: datetime, after: Waiting | None, limit: int) -> list[Waiting]:
    """Messages that wait, oldest first, from a moment on and after another one."""
    return tx.all(
        Waiting,
        """
        SELECT posted_at, id, channel_id, number, member_id, text, revision, reply_to, mentions FROM social_messages
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


def record_case(tx: Tx, message: Waiting, verdict: Verdict, scores: Scores | None, now: datetime) -> UUID:
    """Record what a check has found, in the open case of the message or in a new one, and return its id. The message is
    locked. What was removed needs nobody's decision.
    """
    found = tx.scalar_or_none(
        UUID, "SELECT id FROM social_cases WHERE message_id = :id AND decided_at IS NULL", id=message.id
    )
    identity = found or _open_case(tx, message, verdict, now)
    is_removed = verdict.outcome is Outcome.REMOVED
    tx.run(
        """
        UPDATE social_cases
        SET outcome = :outcome, scores = CAST(:scores AS jsonb), severity = :severity, version = version + 1,
            urgency = greatest(urgency, :urgency), decision = :decision, decision_reason = :reason,
            decided_at = CAST(:decided_at AS timestamptz),
            copies = CASE WHEN revision = :revision THEN copies
                          ELSE copies || jsonb_build_array(jsonb_build_object('revision', CAST(:revision AS integer),
                                                                              'text', CAST(:text AS text))) END
        WHERE id = :id
        """,
        id=identity,
        outcome=verdict.outcome.value,
        scores=None if scores is None else json.dumps(dict(scores)),
        severity=verdict.severity,
        urgency=verdict.urgency,
        decision="remove" if is_removed else None,
        reason=REASON if is_removed else None,
        decided_at=now if is_removed else None,
        revision=message.revision,
        text=message.text,
    )
    return identity


def _open_case(tx: Tx, message: Waiting, verdict: Verdict, now: datetime) -> UUID:
    identity = uuid4()
    tx.run(
        """
        INSERT INTO social_cases (id, message_id, revision, channel_id, number, member_id, text, outcome, urgency,
                                  version, opened_at)
        VALUES (:id, :message_id, :revision, :channel_id, :number, :member_id, :text, :outcome, 0, 1, :now)
        """,
        id=identity,
        message_id=message.id,
        revision=message.revision,
        channel_id=message.channel_id,
        number=message.number,
        member_id=message.member_id,
        text=message.text,
        outcome=verdict.outcome.value,
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
