"""Templates of mails and their versions, as rows."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from functions.admin_mails.blocks import MailContent
from functions.admin_mails.layout import Layout
from shared.db import Tx
from shared.messages.wording import Language
from shared.messages.written_mails import WrittenMail
from shared.values.fields import Reply
from shared.web.paging import Position


class MailTemplate(Reply):
    """A template; `version` is the number of its newest version, 0 before there is one."""

    id: UUID
    name: str
    language: str
    version: int
    created_by: UUID
    created_at: datetime


class MailVersion(Reply):
    """A version of a template, in a list."""

    id: UUID
    template_id: UUID
    version: int
    subject: str
    preheader: str
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

    @property
    def mail(self) -> WrittenMail:
        """The version, to be filled in."""
        return WrittenMail(self.subject, self.html, self.text, self.language)


def insert_template(tx: Tx, template_id: UUID, name: str, language: str, *, admin_id: UUID, now: datetime) -> None:
    """Make a template without a version."""
    tx.run(
        """
        INSERT INTO mail_templates (id, name, language, created_by, created_at)
        VALUES (:id, :name, :language, :admin_id, :now)
        """,
        id=template_id,
        name=name,
        language=language,
        admin_id=admin_id,
        now=now,
    )


def templates(tx: Tx, after: Position | None, limit: int) -> list[MailTemplate]:
    """Templates after a position, newest first."""
    return tx.all(
        MailTemplate,
        """
        SELECT t.id, t.name, t.language, (SELECT coalesce(max(version), 0) FROM mail_template_versions
                                          WHERE template_id = t.id) AS version, t.created_by, t.created_at
        FROM mail_templates t
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
        SELECT t.id, t.name, t.language, (SELECT coalesce(max(version), 0) FROM mail_template_versions
                                          WHERE template_id = t.id) AS version, t.created_by, t.created_at
        FROM mail_templates t WHERE t.id = :id
        """,
        id=template_id,
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
                                            created_by, created_at)
        VALUES (:id, :template_id, :version, :subject, :preheader, CAST(:blocks AS jsonb), :html, :text, :admin_id,
                :now)
        """,
        id=made.id,
        template_id=made.template_id,
        version=made.version,
        subject=made.subject,
        preheader=made.preheader,
        blocks=json.dumps(blocks),
        html=layout.html,
        text=layout.text,
        admin_id=made.created_by,
        now=made.created_at,
    )


def versions(tx: Tx, template_id: UUID, after: Position | None, limit: int) -> list[MailVersion]:
    """Versions of a template after a position, newest first."""
    return tx.all(
        MailVersion,
        """
        SELECT id, template_id, version, subject, preheader, created_by, created_at
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
        SELECT id, template_id, version, subject, preheader, created_by, created_at, blocks
        FROM mail_template_versions WHERE id = :id
        """,
        id=version_id,
    )


def written(tx: Tx, version_id: UUID) -> Written | None:
    """The version as it is sent, if there is one."""
    return tx.first(
        Written,
        """
        SELECT v.id, v.subject, v.html, v.text, t.language
        FROM mail_template_versions v JOIN mail_templates t ON t.id = v.template_id WHERE v.id = :id
        """,
        id=version_id,
    )
