"""Queued mails as rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Tx
from shared.messages import suppressions
from shared.messages.wording import Language
from shared.messages.written_mails import WrittenMail


@dataclass(frozen=True)
class Mail:
    """A queued mail; `claimed_until` is set while a worker is sending it. `version_id` is the version of a mail that an
    admin has written; its campaign is None for a test. `is_of_this_database`: no restore has come after it was queued.
    """

    id: UUID
    member_id: UUID | None
    to_email: str
    to_name: str
    template: str
    parameters: dict[str, Any]
    language: str
    status: str
    claimed_until: datetime | None
    tried_at: datetime | None
    version_id: UUID | None
    campaign_id: UUID | None
    is_of_this_database: bool


@dataclass(frozen=True)
class Replacement:
    """A version that replaces a mail of the code, with the variables that it shows."""

    id: UUID
    subject: str
    html: str
    text: str
    variables: list[str]
    language: Language
    key: str

    @property
    def mail(self) -> WrittenMail:
        """The version, to be filled in."""
        return WrittenMail(self.subject, self.html, self.text, self.language, self.key)


def mail(tx: Tx, mail_id: UUID) -> Mail | None:
    """The mail, locked; None if there is none."""
    return tx.first(
        Mail,
        """
        SELECT id, member_id, to_email, to_name, template, parameters, language, status, claimed_until, tried_at,
               version_id, campaign_id, coalesce(lineage = database_lineage(), true) AS is_of_this_database
        FROM mails WHERE id = :id FOR UPDATE
        """,
        id=mail_id,
    )


def written(tx: Tx, version_id: UUID) -> WrittenMail:
    """The version of a mail that an admin has written."""
    return tx.one(
        WrittenMail,
        """
        SELECT v.subject, v.html, v.text, t.language, t.key
        FROM mail_template_versions v JOIN mail_templates t ON t.id = v.template_id WHERE v.id = :version_id
        """,
        version_id=version_id,
    )


def replacement(tx: Tx, key: str, language: str) -> Replacement | None:
    """The version that replaces the mail of this key in this language now, if one does."""
    return tx.first(
        Replacement,
        """
        SELECT v.id, v.subject, v.html, v.text, v.variables, t.language, t.key
        FROM mail_templates t
        JOIN mail_publications p ON p.template_id = t.id AND p.withdrawn_at IS NULL
        JOIN mail_template_versions v ON v.id = p.version_id
        WHERE t.key = :key AND t.language = :language
        """,
        key=key,
        language=language,
    )


def is_suppressed(tx: Tx, mail: Mail) -> bool:
    """True if the mail may not be sent any more: nothing is sent to its address; or it is of a campaign that was
    cancelled, or that its recipient does not want.
    """
    if suppressions.suppressed(tx, [mail.to_email], is_campaign=mail.campaign_id is not None):
        return True
    return mail.campaign_id is not None and not tx.scalar(
        bool,
        """
        SELECT EXISTS (SELECT FROM campaigns WHERE id = :campaign_id AND state <> 'cancelled')
           AND EXISTS (SELECT FROM members WHERE id = :member_id AND status = 'active')
           AND NOT EXISTS (SELECT FROM notification_preferences
                           WHERE member_id = :member_id AND type = 'marketing' AND NOT email) AS wanted
        """,
        campaign_id=mail.campaign_id,
        member_id=mail.member_id,
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
    """Mark the mail as sent, refused, unclear or suppressed, and delete its parameters."""
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
