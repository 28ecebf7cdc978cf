"""Templates and their versions: written, looked at, and sent to their authors as a test."""

from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid4

from pydantic import Field

from functions.admin_mails import template_store as store
from functions.admin_mails.blocks import MailContent, NewMailTemplate
from functions.admin_mails.common import Operations, api
from functions.admin_mails.layout import layout
from functions.admin_mails.template_store import MailTemplate, MailVersion, MailVersionDetail
from shared import settings
from shared.db import Tx
from shared.messages import campaign_mails, segments, unsubscribing, written_mails
from shared.messages.campaign_mails import WrittenVersion
from shared.messages.segments import NUMBER_MAX, SegmentMember
from shared.messages.wording import language
from shared.messages.written_mails import Footer
from shared.values.fields import DIGITS, Listing, Page, Query, Reply
from shared.values.ids import NIL
from shared.values.problems import NotFound, NotValid
from shared.web import audit, paging
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.paging import Position


class PreviewQuery(Query):
    """The member whose values are shown, by number; without one each variable has a sample."""

    member_number: Annotated[int, DIGITS, Field(ge=1, le=NUMBER_MAX)] | None = None


class MailPreview(Reply):
    """The mail as that member would get it. `html` is a whole page."""

    subject: str
    html: str
    text: str


class TestMailQueued(Reply):
    """The address to which the test mail goes: the admin's own."""

    to_email: str


@api.post("/v1/admin/mails/templates", status=201)
def create_mail_template(
    tx: Tx, admin: Operations, body: NewMailTemplate, client: Client, now: datetime
) -> MailTemplate:
    """Make a template; its first version is added to it."""
    identity = uuid4()
    store.insert_template(tx, identity, body.name, body.language, admin_id=admin.id, now=now)
    changes = {"name": body.name, "language": body.language}
    audit.record(tx, admin, client, Action("mail_template.create", "mail_template", identity, changes), now)
    return _template(tx, identity)


@api.get("/v1/admin/mails/templates")
def list_mail_templates(tx: Tx, admin: Operations, page: Page) -> Listing[MailTemplate]:
    """List templates, newest first."""
    rows = store.templates(tx, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.created_at, row.id))
    return Listing[MailTemplate](items=list(shown), next_cursor=cursor)


@api.get("/v1/admin/mails/templates/{template_id}")
def get_mail_template(tx: Tx, admin: Operations, template_id: UUID) -> MailTemplate:
    """Return one template of mails."""
    return _template(tx, template_id)


@api.post("/v1/admin/mails/templates/{template_id}/versions", status=201)
def add_mail_version(
    tx: Tx, admin: Operations, template_id: UUID, body: MailContent, client: Client, now: datetime
) -> MailVersion:
    """Add a version to a template. Earlier ones stay as they are."""
    store.lock_template(tx, template_id)
    found = _template(tx, template_id)
    made = MailVersion(
        id=uuid4(),
        template_id=template_id,
        version=found.version + 1,
        subject=body.subject,
        preheader=body.preheader,
        created_by=admin.id,
        created_at=now,
    )
    store.insert_version(tx, made, body, layout(body, language(found.language)))
    changes = {"template_id": str(template_id), "version": made.version, "subject": body.subject}
    audit.record(tx, admin, client, Action("mail_template.add_version", "mail_version", made.id, changes), now)
    return made


@api.get("/v1/admin/mails/templates/{template_id}/versions")
def list_mail_versions(tx: Tx, admin: Operations, template_id: UUID, page: Page) -> Listing[MailVersion]:
    """List the versions of a template, newest first."""
    after = paging.after(page.cursor)
    _template(tx, template_id)
    rows = store.versions(tx, template_id, after, page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.created_at, row.id))
    return Listing[MailVersion](items=list(shown), next_cursor=cursor)


@api.get("/v1/admin/mails/versions/{version_id}")
def get_mail_version(tx: Tx, admin: Operations, version_id: UUID) -> MailVersionDetail:
    """Return a version with its blocks, to begin the next one with."""
    found = store.version(tx, version_id)
    if found is None:
        raise NotFound
    return found


@api.get("/v1/admin/mails/versions/{version_id}/preview")
def preview_mail(tx: Tx, admin: Operations, version_id: UUID, query: PreviewQuery, now: datetime) -> MailPreview:
    """Return a version as a member would get it, or with samples. Nothing is sent."""
    written = _written(tx, version_id)
    values = written_mails.samples()
    if query.member_number is not None:
        values = campaign_mails.parameters(_member(tx, query.member_number, now))
    # Whoever clicks on this link unsubscribes nobody.
    footer = Footer(unsubscribing.link(NIL), settings.load(tx).postal_address)
    made = written_mails.fill(written.mail, values, footer)
    return MailPreview(subject=made.subject, html=made.html, text=made.text)


@api.post("/v1/admin/mails/versions/{version_id}/test", status=202)
def send_test_mail(tx: Tx, admin: Operations, version_id: UUID, client: Client, now: datetime) -> TestMailQueued:
    """Send a version to the admin's own address, with the admin's own values. No campaign counts it."""
    written = _written(tx, version_id)
    recipient = _member(tx, admin.number, now)
    occasion = uuid4()
    campaign_mails.queue(tx, WrittenVersion(written.id, written.language), [recipient], occasion, now)
    changes = {"version_id": str(version_id)}
    audit.record(tx, admin, client, Action("mail_template.test", "mail_version", version_id, changes), now)
    return TestMailQueued(to_email=recipient.email)


def _template(tx: Tx, template_id: UUID) -> MailTemplate:
    """The template. Raises NotFound."""
    found = store.template(tx, template_id)
    if found is None:
        raise NotFound
    return found


def _written(tx: Tx, version_id: UUID) -> store.Written:
    """The version as it is sent. Raises NotFound."""
    found = store.written(tx, version_id)
    if found is None:
        raise NotFound
    return found


def _member(tx: Tx, number: int, now: datetime) -> SegmentMember:
    """The active member with this number. Raises NotValid."""
    found = segments.member(tx, number, now)
    if found is None:
        raise NotValid(errors=[{"field": "/member_number", "message": "is no active member's number"}])
    return found
