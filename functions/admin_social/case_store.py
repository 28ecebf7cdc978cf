"""Cases of the chat, and their diaries, as rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.admin_social.models import AdminChatCase, AdminChatEntry, ChatCopy
from shared.db import Tx
from shared.values.problems import NotFound
from shared.web.paging import FIGURE_MAX, Rank

HIGHEST = UUID(int=2**128 - 1)


@dataclass(frozen=True)
class Locked:
    """A case as far as a decision about it needs it."""

    member_id: UUID
    message_id: UUID | None
    version: int
    decision: str | None


def open_cases(tx: Tx, after: Rank | None, limit: int) -> list[AdminChatCase]:
    """At most `limit` open cases after a rank, the most urgent first."""
    return tx.all(
        AdminChatCase,
        """
        SELECT c.version AS revision, c.id, 'open' AS state, c.urgency, c.reports, c.outcome, c.member_id, m.username,
               c.message_id, c.channel_id, c.number, c.text, c.opened_at, c.decision, c.decided_at
        FROM social_cases c JOIN members m ON m.id = c.member_id
        WHERE c.decided_at IS NULL AND (c.urgency, c.id) < (CAST(:urgency AS bigint), CAST(:id AS uuid))
        ORDER BY c.urgency DESC, c.id DESC LIMIT :limit
        """,
        urgency=after.figure if after else FIGURE_MAX,
        id=after.id if after else HIGHEST,
        limit=limit,
    )


def cases(tx: Tx, after: Rank | None, limit: int, *, decided_only: bool) -> list[AdminChatCase]:
    """At most `limit` cases after a rank, the most urgent first; without the open ones if so asked."""
    return tx.all(
        AdminChatCase,
        """
        SELECT c.version AS revision, c.id, CASE WHEN c.decided_at IS NULL THEN 'open' ELSE 'decided' END AS state,
               c.urgency, c.reports, c.outcome, c.member_id, m.username, c.message_id, c.channel_id, c.number, c.text,
               c.opened_at, c.decision, c.decided_at
        FROM social_cases c JOIN members m ON m.id = c.member_id
        WHERE (NOT CAST(:decided_only AS boolean) OR c.decided_at IS NOT NULL)
          AND (c.urgency, c.id) < (CAST(:urgency AS bigint), CAST(:id AS uuid))
        ORDER BY c.urgency DESC, c.id DESC LIMIT :limit
        """,
        decided_only=decided_only,
        urgency=after.figure if after else FIGURE_MAX,
        id=after.id if after else HIGHEST,
        limit=limit,
    )


def find(tx: Tx, case_id: UUID) -> Locked | None:
    """The case, not locked; None if there is none."""
    return tx.first(
        Locked, "SELECT member_id, message_id, version, decision FROM social_cases WHERE id = :id", id=case_id
    )


def lock(tx: Tx, case_id: UUID) -> Locked | None:
    """The case, locked until the commit; None if there is none any more."""
    return tx.first(
        Locked,
        """
        SELECT member_id, message_id, version, decision FROM social_cases WHERE id = :id FOR NO KEY UPDATE
        """,
        id=case_id,
    )


def decide(tx: Tx, case_id: UUID, decision: str, reason: str, *, admin_id: UUID, now: datetime) -> None:
    """Store the decision about a case, which is locked."""
    tx.run(
        """
        UPDATE social_cases
        SET decision = :decision, decision_reason = :reason, decided_by = :admin_id, decided_at = :now,
            version = version + 1
        WHERE id = :id
        """,
        id=case_id,
        decision=decision,
        reason=reason,
        admin_id=admin_id,
        now=now,
    )


def detail(tx: Tx, case_id: UUID) -> tuple[AdminChatCase, list[ChatCopy]]:
    """The case, and the other texts that were reported or flagged. Raises NotFound."""
    found = tx.first(
        AdminChatCase,
        """
        SELECT c.version AS revision, c.id, CASE WHEN c.decided_at IS NULL THEN 'open' ELSE 'decided' END AS state,
               c.urgency, c.reports, c.outcome, c.member_id, m.username, c.message_id, c.channel_id, c.number, c.text,
               c.opened_at, c.decision, c.decided_at
        FROM social_cases c JOIN members m ON m.id = c.member_id WHERE c.id = :id
        """,
        id=case_id,
    )
    if found is None:
        raise NotFound
    copies = tx.all(
        ChatCopy,
        """
        SELECT CAST(copy ->> 'revision' AS integer) AS revision, copy ->> 'text' AS text
        FROM social_cases, jsonb_array_elements(copies) AS copy WHERE id = :id ORDER BY revision
        """,
        id=case_id,
    )
    return found, copies


def diary(tx: Tx, case_id: UUID, limit: int) -> list[AdminChatEntry]:
    """The newest `limit` lines of a case's diary, oldest first: reports, the decision, and what was done to its member
    for it.
    """
    return tx.all(
        AdminChatEntry,
        """
        SELECT line.happened_at, line.kind, line.by_username, line.text, line.note
        FROM (SELECT each.*, m.username AS by_username
              FROM (SELECT opened_at AS happened_at, 1 AS place, 'opened' AS kind, CAST(NULL AS uuid) AS by_id,
                           outcome AS text, CAST(NULL AS text) AS note
                    FROM social_cases WHERE id = :id
                    UNION ALL
                    SELECT reported_at, 2, 'reported', reporter_id, reason, note FROM social_reports
                    WHERE case_id = :id
                    UNION ALL
                    SELECT decided_at, 3, 'decided', decided_by, decision, decision_reason FROM social_cases
                    WHERE id = :id AND decided_at IS NOT NULL
                    UNION ALL
                    SELECT given_at, 4, kind, given_by, reason, NULL FROM social_sanctions WHERE case_id = :id) AS each
              LEFT JOIN members m ON m.id = each.by_id
              ORDER BY each.happened_at DESC, each.place DESC, m.username DESC LIMIT :limit) AS line
        ORDER BY line.happened_at, line.place, line.by_username
        """,
        id=case_id,
        limit=limit,
    )
