"""The versions that replace mails of the code, as rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from shared.db import Tx
from shared.values.fields import Reply


class MailPublication(Reply):
    """A version that replaces the mail of the code with this key in this language; once it is withdrawn, did."""

    id: UUID
    key: str
    language: str
    template_id: UUID
    version_id: UUID
    version: int
    published_by: UUID
    published_at: datetime
    withdrawn_by: UUID | None
    withdrawn_at: datetime | None


@dataclass(frozen=True)
class Candidate:
    """A version that is to replace a mail; `key` is None if its template is for campaigns."""

    id: UUID
    template_id: UUID
    key: str | None
    variables: list[str]
    created_by: UUID


def lock(tx: Tx, version_id: UUID) -> Candidate | None:
    """The version, with its template locked, so that one version of it at a time is published or withdrawn."""
    return tx.first(
        Candidate,
        """
        SELECT v.id, v.template_id, t.key, v.variables, v.created_by
        FROM mail_template_versions v JOIN mail_templates t ON t.id = v.template_id
        WHERE v.id = :version_id FOR NO KEY UPDATE OF t
        """,
        version_id=version_id,
    )


def in_force(tx: Tx) -> list[MailPublication]:
    """All versions that replace a mail now, by key and language."""
    return tx.all(
        MailPublication,
        """
        SELECT p.id, t.key, t.language, p.template_id, p.version_id, v.version, p.published_by, p.published_at,
               p.withdrawn_by, p.withdrawn_at
        FROM mail_publications p
        JOIN mail_templates t ON t.id = p.template_id
        JOIN mail_template_versions v ON v.id = p.version_id
        WHERE p.withdrawn_at IS NULL ORDER BY t.key, t.language
        """,
    )


def of_template(tx: Tx, template_id: UUID) -> MailPublication | None:
    """The version of the template that replaces its mail now; None if none does."""
    return tx.first(
        MailPublication,
        """
        SELECT p.id, t.key, t.language, p.template_id, p.version_id, v.version, p.published_by, p.published_at,
               p.withdrawn_by, p.withdrawn_at
        FROM mail_publications p
        JOIN mail_templates t ON t.id = p.template_id
        JOIN mail_template_versions v ON v.id = p.version_id
        WHERE p.template_id = :template_id AND p.withdrawn_at IS NULL
        """,
        template_id=template_id,
    )


def insert(tx: Tx, version: Candidate, *, admin_id: UUID, now: datetime) -> None:
    """Have the version replace the mail of its template from now on; none of the template does, under its lock."""
    tx.run(
        """
        INSERT INTO mail_publications (id, template_id, version_id, published_by, published_at)
        VALUES (:id, :template_id, :version_id, :admin_id, :now)
        """,
        id=uuid4(),
        template_id=version.template_id,
        version_id=version.id,
        admin_id=admin_id,
        now=now,
    )


def withdraw(tx: Tx, template_id: UUID, *, admin_id: UUID, now: datetime) -> None:
    """End what replaces the template's mail, if something does."""
    tx.run(
        """
        UPDATE mail_publications SET withdrawn_by = :admin_id, withdrawn_at = :now
        WHERE template_id = :template_id AND withdrawn_at IS NULL
        """,
        template_id=template_id,
        admin_id=admin_id,
        now=now,
    )
