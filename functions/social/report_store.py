"""Reports and their cases as rows."""

import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from functions.social.models import ReportDraft
from shared.db import Tx

EACH_FURTHER = 20  # thousandths of urgency for each report after the first


@dataclass(frozen=True)
class Case:
    """A case; `revision` is that of the message which it was opened with. `has_text` says whether the text that the
    message has now is among those which it is about.
    """

    id: UUID
    revision: int | None
    is_open: bool
    has_text: bool = True


@dataclass(frozen=True)
class Evidence:
    """A message, or without one a member, as they are reported; the text of a member is their name."""

    member_id: UUID
    text: str
    message_id: UUID | None = None
    revision: int | None = None
    channel_id: UUID | None = None
    number: int | None = None


def case_of_message(tx: Tx, message_id: UUID, revision: int) -> Case | None:
    """The open case of a message, else its newest one; None if there is none."""
    return tx.first(
        Case,
        """
        SELECT id, revision, decided_at IS NULL AS is_open,
               revision = :revision OR copies @> CAST(:copy AS jsonb) AS has_text
        FROM social_cases WHERE message_id = :message_id
        ORDER BY decided_at IS NOT NULL, opened_at DESC, id LIMIT 1
        """,
        message_id=message_id,
        revision=revision,
        copy=json.dumps([{"revision": revision}]),
    )


def open_case_of_member(tx: Tx, member_id: UUID) -> Case | None:
    """The open case of a member; None if there is none."""
    return tx.first(
        Case,
        """
        SELECT id, revision, true AS is_open, true AS has_text FROM social_cases
        WHERE member_id = :member_id AND message_id IS NULL AND decided_at IS NULL
        """,
        member_id=member_id,
    )


def has_reported(tx: Tx, case_id: UUID, member_id: UUID) -> bool:
    """Whether the member has reported this case."""
    return tx.scalar(
        bool,
        "SELECT EXISTS (SELECT FROM social_reports WHERE case_id = :case_id AND reporter_id = :member_id) AS reported",
        case_id=case_id,
        member_id=member_id,
    )


def open_case(tx: Tx, evidence: Evidence, severity: int, now: datetime) -> Case:
    """Open a case with its first report. What it is about is locked."""
    case = Case(uuid4(), evidence.revision, is_open=True)
    tx.run(
        """
        INSERT INTO social_cases (id, message_id, revision, channel_id, number, member_id, text, reports, urgency,
                                  opened_at)
        VALUES (:id, :message_id, :revision, :channel_id, :number, :member_id, :text, 1, :urgency, :now)
        """,
        id=case.id,
        message_id=evidence.message_id,
        revision=evidence.revision,
        channel_id=evidence.channel_id,
        number=evidence.number,
        member_id=evidence.member_id,
        text=evidence.text,
        urgency=severity,
        now=now,
    )
    return case


def add_to_case(tx: Tx, case: Case, evidence: Evidence, severity: int) -> None:
    """Add one more report to a case. A text that the case did not have makes it another version: nobody decides about
    what they have not read. What the case is about is locked.
    """
    copy = [] if evidence.revision == case.revision else [{"revision": evidence.revision, "text": evidence.text}]
    tx.run(
        """
        UPDATE social_cases
        SET reports = reports + 1, urgency = least(greatest(urgency, :severity) + :further, 1000),
            version = CASE WHEN copies @> CAST(:copy AS jsonb) THEN version ELSE version + 1 END,
            copies = CASE WHEN copies @> CAST(:copy AS jsonb) THEN copies ELSE copies || CAST(:copy AS jsonb) END
        WHERE id = :id
        """,
        id=case.id,
        severity=severity,
        further=EACH_FURTHER,
        copy=json.dumps(copy),
    )


def insert(tx: Tx, case_id: UUID, reporter_id: UUID, draft: ReportDraft, now: datetime) -> None:
    """Store who reports, and why."""
    tx.run(
        """
        INSERT INTO social_reports (case_id, reporter_id, reason, note, reported_at)
        VALUES (:case_id, :reporter_id, :reason, :note, :now)
        """,
        case_id=case_id,
        reporter_id=reporter_id,
        reason=draft.reason,
        note=draft.note,
        now=now,
    )
