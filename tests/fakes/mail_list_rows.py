"""Rows of the lists of mails that admins write, and of their campaigns."""

from datetime import datetime
from uuid import UUID, uuid4

from tests.factories import Somebody
from tests.fakes.list_rows import insert, run

MAIL_TEMPLATE = UUID("5f0d7f0e-8d1b-4b52-9d3e-0a6f0d0c9a52")


def mail_template(owner: Somebody, at: datetime, number: int) -> str:
    made = uuid4()
    insert(
        "mail_templates", id=made, name=f"News {number}", language="en", created_by=owner.id, created_at=at
    )  # fmt: skip
    return str(made)


def mail_version(owner: Somebody, at: datetime, number: int) -> str:
    """A version of MAIL_TEMPLATE, which is made with the first one."""
    del number
    run(
        """
        INSERT INTO mail_templates (id, name, language, created_by, created_at)
        VALUES (:id, 'News', 'en', :owner, :at) ON CONFLICT DO NOTHING
        """,
        id=MAIL_TEMPLATE, owner=owner.id, at=at,
    )  # fmt: skip
    return _version_of(MAIL_TEMPLATE, owner, at)


def mail_version_beside(owner: Somebody, at: datetime, number: int) -> str:
    """The version of another template."""
    return _version_of(UUID(mail_template(owner, at, number)), owner, at)


def campaign(owner: Somebody, at: datetime, number: int) -> str:
    made, version = uuid4(), mail_version_beside(owner, at, number)
    insert(
        "campaigns", id=made, name=f"News {number}", version_id=UUID(version), segment={}, state_at=at,
        created_by=owner.id, created_at=at,
    )  # fmt: skip
    return str(made)


def _version_of(template: UUID, owner: Somebody, at: datetime) -> str:
    made = uuid4()
    run(
        """
        INSERT INTO mail_template_versions (id, template_id, version, subject, preheader, blocks, html, text,
                                            created_by, created_at)
        SELECT :id, CAST(:template AS uuid), count(*) + 1, 'News', 'News', '[]', '', '', :owner, :at
        FROM mail_template_versions WHERE template_id = :template
        """,
        id=made, template=template, owner=owner.id, at=at,
    )  # fmt: skip
    return str(made)
