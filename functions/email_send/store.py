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


def mail(tx: Tx, mail_id: UUID) -> Mail | None:
    """The mail, locked."""
    return tx.first(
        Mail,
        """
        SELECT id, to_email, to_name, template, parameters, status, claimed_until
        FROM mails WHERE id = :id FOR UPDATE
        """,
        id=mail_id,
    )


def claim(tx: Tx, mail_id: UUID, until: datetime) -> None:
    """Nobody else sends it until then."""
    tx.run("UPDATE mails SET claimed_until = :until WHERE id = :id", id=mail_id, until=until)


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
