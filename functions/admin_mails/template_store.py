"""Templates of mails and their versions, as rows."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from functions.admin_mails.blocks import MailContent, NewMailTemplate
from functions.admin_mails.layout import Layout
from shared.db import Tx
from shared.messages.wording import Language
from shared.messages.written_mails import WrittenMail
from shared.values.fields import Reply
from shared.web.paging import Position


class MailTemplate(Reply):
    """A template; `version` is the number of its newest version, 0 before there is one. `published_version_id` is the
    version that replaces the mail of the code with its `key`.
    """

    id: UUID
    name: str
    language: str
    kind: str
    key: str | None
    published_version_id: UUID | None
    version: int
    created_by: UUID
    created_at: datetime


class MailVersion(Reply):
    """A version of a template, in a list. `variables` are those that it shows, subject and preheader included."""

    id: UUID
    template_id: UUID
    version: int
    subject: str
    preheader: str
    variables: list[str]
    created_by: UUID
    created_at: datetime


class MailVersionDetail(MailVersion):
    """A version with its blocks, as they were sent."""

    blocks: list[dict[str, Any]]


@dataclass(frozen=True)
class Written:
    """A version as it is sent."""

    id: UUID
    subject: str
    html: str
    text: str
    language: Language
    key: str | None

    @property
    def mail(self) -> WrittenMail:
        """The version, to be filled in."""
        return WrittenMail(self.subject, self.html, self.text, self.language, self.key)


def insert_template(tx: Tx, template_id: UUID, template: NewMailTemplate, *, admin_id: UUID, now: datetime) -> bool:
    """Make a template without a version; False, and nothing is made, if there is one for its key and language."""
    return bool(
        tx.run(
            """
            INSERT INTO mail_templates (id, name, language, kind, key, created_by, created_at)
            VALUES (:id, :name, :language, :kind, :key, :admin_id, :now)
            ON CONFLICT (key, language) DO NOTHING
            """,
            id=template_id,
            name=template.name,
            language=template.language,
            kind=template.kind,
            key=template.key,
            admin_id=admin_id,
            now=now,
        )
    )


def templates(tx: Tx, after: Position | None, limit: int) -> list[MailTemplate]:
    """Templates after a position, newest first."""
    return tx.all(
        MailTemplate,
        """
        SELECT t.id, t.name, t.language, t.kind, t.key, p.version_id AS published_version_id,
               (SELECT coalesce(max(version), 0) FROM mail_template_versions WHERE template_id = t.id) AS version,
               t.created_by, t.created_at
        FROM mail_templates t
        LEFT JOIN mail_publications p ON p.template_id = t.id AND p.withdrawn_at IS NULL
        WHERE CAST(:at AS timestamptz) IS NULL OR (t.created_at, t.id) < (:at, CAST(:id AS uuid))
        ORDER BY t.created_at DESC, t.id DESC LIMIT :limit
        """,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def template(tx: Tx, template_id: UUID) -> MailTemplate | None:
    """The template with this id, if there is one."""
    return tx.first(
        MailTemplate,
        """
        SELECT t.id, t.name, t.language, t.kind, t.key, p.version_id AS published_version_id,
               (SELECT coalesce(max(version), 0) FROM mail_template_versions WHERE template_id = t.id) AS version,
               t.created_by, t.created_at
        FROM mail_templates t
        LEFT JOIN mail_publications p ON p.template_id = t.id AND p.withdrawn_at IS NULL
        WHERE t.id = :id
        """,
        id=template_id,
    )


def template_of_key(tx: Tx, key: str | None, language: str) -> UUID:
    """The template whose versions replace the mail of this key in this language; there is one."""
    return tx.scalar(
        UUID,
        "SELECT id FROM mail_templates WHERE key = :key AND language = :language",
        key=key,
        language=language,
    )


def lock_template(tx: Tx, template_id: UUID) -> None:
    """Lock the template, if there is one, so that one version at a time is added to it."""
    tx.run("SELECT 1 FROM mail_templates WHERE id = :id FOR NO KEY UPDATE", id=template_id)


def insert_version(tx: Tx, made: MailVersion, content: MailContent, layout: Layout) -> None:
    """Add a version; the caller holds the template's lock and has read its newest version."""
    blocks = [block.model_dump(mode="json", exclude_none=True, exclude_defaults=True) for block in content.blocks]
    tx.run(
        """
        INSERT INTO mail_template_versions (id, template_id, version, subject, preheader, blocks, html, text,
                                            variables, created_by, created_at)
        VALUES (:id, :template_id, :version, :subject, :preheader, CAST(:blocks AS jsonb), :html, :text,
                CAST(:variables AS text[]), :admin_id, :now)
        """,
        id=made.id,
        template_id=made.template_id,
        version=made.version,
        subject=made.subject,
        preheader=made.preheader,
        blocks=json.dumps(blocks),
        html=layout.html,
        text=layout.text,
        variables=made.variables,
        admin_id=made.created_by,
        now=made.created_at,
    )


def versions(tx: Tx, template_id: UUID, after: Position | None, limit: int) -> list[MailVersion]:
    """Versions of a template after a position, newest first."""
    return tx.all(
        MailVersion,
        """
        SELECT id, template_id, version, subject, preheader, variables, created_by, created_at
        FROM mail_template_versions
        WHERE template_id = :template_id
          AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:id AS uuid)))
        ORDER BY created_at DESC, id DESC LIMIT :limit
        """,
        template_id=template_id,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def version(tx: Tx, version_id: UUID) -> MailVersionDetail | None:
    """The version with this id, if there is one."""
    return tx.first(
        MailVersionDetail,
        """
        SELECT id, template_id, version, subject, preheader, variables, created_by, created_at, blocks
        FROM mail_template_versions WHERE id = :id
        """,
        id=version_id,
    )


def written(tx: Tx, version_id: UUID) -> Written | None:
    """The version as it is sent, if there is one."""
    return tx.first(
        Written,
        """
        SELECT v.id, v.subject, v.html, v.text, t.language, t.key
        FROM mail_template_versions v JOIN mail_templates t ON t.id = v.template_id WHERE v.id = :id
        """,
        id=version_id,
    )
