"""Queued mails as rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx


@dataclass(frozen=True)
class Mail:
    """A queued mail; `claimed_until` is set while a worker is sending it."""

    id: UUID
    to_email: str
    to_name: str
    template: str
    parameters: dict[str, str]
    language: str
    status: str
    claimed_until: datetime | None
    tried_at: datetime | None


def mail(tx: Tx, mail_id: UUID) -> Mail | None:
    """The mail, locked; None if there is none."""
    return tx.first(
        Mail,
        """
        SELECT id, to_email, to_name, template, parameters, language, status, claimed_until, tried_at
        FROM mails WHERE id = :id FOR UPDATE
        """,
        id=mail_id,
    )


def claim(tx: Tx, mail_id: UUID, now: datetime, until: datetime) -> None:
    """Claim the mail until then. `tried_at` keeps the first try, since which the provider may have the mail."""
    tx.run(
        "UPDATE mails SET claimed_until = :until, tried_at = coalesce(tried_at, :now) WHERE id = :id",
        id=mail_id,
        now=now,
        until=until,
    )


def release(tx: Tx, mail_id: UUID, now: datetime, *, was_not_taken: bool) -> None:
    """Give the claim up. A mail that was certainly not accepted (`was_not_taken`) counts as never tried."""
    tx.run(
        """
        UPDATE mails SET claimed_until = :now, tried_at = CASE WHEN :was_not_taken THEN NULL ELSE tried_at END
        WHERE id = :id
        """,
        id=mail_id,
        now=now,
        was_not_taken=was_not_taken,
    )


def finish(tx: Tx, mail_id: UUID, status: str, provider_message_id: str | None, now: datetime) -> None:
    """Mark the mail as sent, refused or unclear, and delete its parameters."""
    tx.run(
        """
        UPDATE mails SET status = :status, finished_at = :now, provider_message_id = :provider_message_id,
               parameters = '{}', claimed_until = NULL
        WHERE id = :id AND status = 'queued'
        """,
        id=mail_id,
        status=status,
        provider_message_id=provider_message_id,
        now=now,
    )


def ask_again(tx: Tx, now: datetime, before: datetime, limit: int) -> list[UUID]:
    """The ids of mails that have waited since `before`, longest first. None of them is returned again until it has
    waited as long once more.
    """
    return tx.column(
        UUID,
        """
        UPDATE mails SET asked_again_at = :now WHERE id IN (
            SELECT id FROM mails
            WHERE status = 'queued' AND coalesce(asked_again_at, queued_at) <= :before
            ORDER BY coalesce(asked_again_at, queued_at) LIMIT :limit FOR UPDATE SKIP LOCKED)
        RETURNING id
        """,
        now=now,
        before=before,
        limit=limit,
    )
