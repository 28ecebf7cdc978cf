"""Members as Intercom is to know them, with their events and appeals, as rows."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Tx

AT_ONCE_MAX = 20  # events, or appeals, of one member


@dataclass(frozen=True)
class Known:
    """A member whom Intercom may know. `waits` says whether there is something to do; `closed_at` is when their account
    was closed, None while it is there.
    """

    member_id: UUID
    contact_id: str | None
    revision: int
    failures: int
    held_until: datetime | None
    waits: bool
    closed_at: datetime | None


@dataclass(frozen=True)
class Account:
    """The address and the status of a member."""

    email: str = field(repr=False)
    status: str


@dataclass(frozen=True)
class Happened:
    """An event that is not told yet."""

    id: UUID
    name: str
    metadata: dict[str, Any]
    happened_at: datetime


@dataclass(frozen=True)
class Appeal:
    """An appeal whose conversation is not known to be open; `sent_at` is when Intercom was asked last to open it."""

    sanction_id: UUID
    kind: str
    message: str = field(repr=False)
    sent_at: datetime | None


def lock(tx: Tx, member_id: UUID) -> Known | None:
    """The row of a member, locked until the commit; None if Intercom does not know them, or no more."""
    return tx.first(
        Known,
        """
        SELECT c.member_id, c.contact_id, c.revision, c.failures, c.held_until, c.look_at IS NOT NULL AS waits,
               CASE WHEN m.status = 'deleted' THEN coalesce(e.asked_at, m.updated_at) END AS closed_at
        FROM support_contacts c
        JOIN members m ON m.id = c.member_id
        LEFT JOIN erasures e ON e.member_id = c.member_id
        WHERE c.member_id = :member_id FOR NO KEY UPDATE OF c
        """,
        member_id=member_id,
    )


def hold(tx: Tx, member_id: UUID, until: datetime) -> None:
    """Have no other worker ask about this member until then; if this one dies, the row is looked at after that.

    What the worker stores names the same moment: once another worker has the row, it stores nothing.
    """
    tx.run(
        "UPDATE support_contacts SET held_until = :until, look_at = :until WHERE member_id = :member_id",
        member_id=member_id,
        until=until,
    )


def account(tx: Tx, member_id: UUID) -> Account:
    """The address and status of the member."""
    return tx.one(Account, "SELECT email, status FROM members WHERE id = :member_id", member_id=member_id)


def events(tx: Tx, member_id: UUID) -> list[Happened]:
    """Events that are not told yet, oldest first."""
    return tx.all(
        Happened,
        """
        SELECT id, name, metadata, happened_at FROM support_events
        WHERE member_id = :member_id AND told_at IS NULL ORDER BY happened_at, id LIMIT :limit
        """,
        member_id=member_id,
        limit=AT_ONCE_MAX,
    )


def appeals(tx: Tx, member_id: UUID) -> list[Appeal]:
    """Appeals whose conversations are not known to be open, oldest first."""
    return tx.all(
        Appeal,
        """
        SELECT a.sanction_id, s.kind, a.message, a.sent_at
        FROM support_appeals a JOIN social_sanctions s ON s.id = a.sanction_id
        WHERE a.member_id = :member_id AND a.opened_at IS NULL ORDER BY a.made_at, a.sanction_id LIMIT :limit
        """,
        member_id=member_id,
        limit=AT_ONCE_MAX,
    )


def keep_contact(tx: Tx, member_id: UUID, held_until: datetime, contact_id: str) -> bool:
    """Keep Intercom's id of the member; False if another worker has the row by now."""
    return bool(
        tx.run(
            """
            UPDATE support_contacts SET contact_id = :contact_id
            WHERE member_id = :member_id AND held_until = :held_until
            """,
            member_id=member_id,
            held_until=held_until,
            contact_id=contact_id,
        )
    )


def mark_sent(tx: Tx, sanction_id: UUID, held_until: datetime, now: datetime) -> bool:
    """Note that Intercom is asked to open the conversation; False if another worker has the row by now."""
    return bool(
        tx.run(
            """
            UPDATE support_appeals a SET sent_at = :now
            WHERE sanction_id = :sanction_id AND opened_at IS NULL
              AND EXISTS (SELECT FROM support_contacts WHERE member_id = a.member_id AND held_until = :held_until)
            """,
            sanction_id=sanction_id,
            held_until=held_until,
            now=now,
        )
    )


def mark_not_sent(tx: Tx, sanction_id: UUID) -> None:
    """Note that Intercom has refused to open the conversation."""
    tx.run(
        "UPDATE support_appeals SET sent_at = NULL WHERE sanction_id = :sanction_id AND opened_at IS NULL",
        sanction_id=sanction_id,
    )


def mark_open(tx: Tx, sanction_id: UUID, conversation_id: str, now: datetime) -> None:
    """Note that the conversation is open, unless that is known."""
    tx.run(
        """
        UPDATE support_appeals SET opened_at = :now, conversation_id = :conversation_id
        WHERE sanction_id = :sanction_id AND opened_at IS NULL
        """,
        sanction_id=sanction_id,
        conversation_id=conversation_id,
        now=now,
    )


def mark_told(tx: Tx, event_id: UUID, now: datetime) -> None:
    """Note that Intercom has the event."""
    tx.run("UPDATE support_events SET told_at = :now WHERE id = :id AND told_at IS NULL", id=event_id, now=now)


def finish(
    tx: Tx, member_id: UUID, held_until: datetime, *, revision: int, again_at: datetime | None, now: datetime
) -> bool:
    """Note that Intercom has this revision, and when to look again if something waits; True if there is more to tell by
    now. It does nothing once another worker has the row.
    """
    return bool(
        tx.scalar_or_none(
            bool,
            """
            UPDATE support_contacts
            SET told = greatest(told, :revision), told_at = :now, failures = 0, refusal = NULL, held_until = NULL,
                look_at = CASE WHEN revision > :revision THEN CAST(:now AS timestamptz)
                               ELSE CAST(:again_at AS timestamptz) END,
                waits_since = CASE WHEN revision > :revision THEN CAST(:now AS timestamptz)
                                   WHEN CAST(:again_at AS timestamptz) IS NOT NULL THEN waits_since END
            WHERE member_id = :member_id AND held_until = :held_until
            RETURNING revision > :revision AS is_behind
            """,
            member_id=member_id,
            held_until=held_until,
            revision=revision,
            again_at=again_at,
            now=now,
        )
    )


def put_off(tx: Tx, member_id: UUID, held_until: datetime, look_at: datetime, refusal: str | None) -> None:
    """Note a failure, and when the member is looked at again; `refusal` is why Intercom has refused."""
    tx.run(
        """
        UPDATE support_contacts
        SET failures = failures + 1, refusal = :refusal, held_until = NULL, look_at = :look_at
        WHERE member_id = :member_id AND held_until = :held_until
        """,
        member_id=member_id,
        held_until=held_until,
        look_at=look_at,
        refusal=refusal,
    )


def wait(tx: Tx, member_id: UUID, held_until: datetime, look_at: datetime) -> None:
    """Look at a closed account again at that time; nothing has failed."""
    tx.run(
        """
        UPDATE support_contacts SET failures = 0, held_until = NULL, look_at = :look_at
        WHERE member_id = :member_id AND held_until = :held_until
        """,
        member_id=member_id,
        held_until=held_until,
        look_at=look_at,
    )


def forget(tx: Tx, member_id: UUID) -> None:
    """Delete what says that Intercom has known a member, once it has forgotten them."""
    tx.run("DELETE FROM support_events WHERE member_id = :member_id", member_id=member_id)
    tx.run("DELETE FROM support_appeals WHERE member_id = :member_id", member_id=member_id)
    tx.run("DELETE FROM support_contacts WHERE member_id = :member_id", member_id=member_id)


def due(tx: Tx, now: datetime, look_at: datetime, limit: int) -> list[UUID]:
    """Members who should have been looked at by now, longest waiting first; they are due again at `look_at`."""
    return tx.column(
        UUID,
        """
        WITH due AS (
            SELECT member_id FROM support_contacts WHERE look_at <= :now
            ORDER BY look_at, member_id LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
        )
        UPDATE support_contacts c SET look_at = :look_at FROM due WHERE c.member_id = due.member_id
        RETURNING c.member_id
        """,
        now=now,
        look_at=look_at,
        limit=limit,
    )


def count_waiting(tx: Tx, before: datetime) -> int:
    """The number of members of whom something has waited since before that time."""
    return tx.scalar(int, "SELECT count(*) FROM support_contacts WHERE waits_since < :before", before=before)


def count_not_forgotten(tx: Tx, before: datetime) -> int:
    """The number of accounts that were closed before that time and that Intercom may still know."""
    return tx.scalar(
        int,
        """
        SELECT count(*) FROM support_contacts c
        JOIN members m ON m.id = c.member_id LEFT JOIN erasures e ON e.member_id = c.member_id
        WHERE c.waits_since IS NOT NULL AND m.status = 'deleted' AND coalesce(e.asked_at, m.updated_at) < :before
        """,
        before=before,
    )
