"""Queued mails."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx


@dataclass(frozen=True)
class Mail:
    """A mail that waits; `claimed_until` is set while somebody is sending it."""

    id: UUID
    to_email: str
    to_name: str
    template: str
    parameters: dict[str, str]
    status: str
    claimed_until: datetime | None
    tried_at: datetime | None


def mail(tx: Tx, mail_id: UUID) -> Mail | None:
    """The mail, locked."""
    return tx.first(
        Mail,
        """
        SELECT id, to_email, to_name, template, parameters, status, claimed_until, tried_at
        FROM mails WHERE id = :id FOR UPDATE
        """,
        id=mail_id,
    )


def claim(tx: Tx, mail_id: UUID, now: datetime, until: datetime) -> None:
    """Nobody else sends it until then. From the first try on the provider may have it."""
    tx.run(
        "UPDATE mails SET claimed_until = :until, tried_at = coalesce(tried_at, :now) WHERE id = :id",
        id=mail_id,
        now=now,
        until=until,
    )


def release(tx: Tx, mail_id: UUID, now: datetime, *, was_not_taken: bool) -> None:
    """Anybody may try it again. What was certainly not taken, this time or before, is as if never tried."""
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
    """Sent or refused; what it said is forgotten."""
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
