"""Templates and their versions: written, looked at, and sent to their authors as a test."""

from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid4

from pydantic import Field

from functions.admin_mails import rules, variables
from functions.admin_mails import template_store as store
from functions.admin_mails.blocks import MailContent, NewMailTemplate
from functions.admin_mails.common import Operations, api
from functions.admin_mails.layout import layout
from functions.admin_mails.template_store import MailTemplate, MailVersion, MailVersionDetail
from shared import settings
from shared.db import Tx
from shared.messages import built_in_mails, campaign_mails, segments, unsubscribing, written_mails
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


@api.post("/v1/admin/mails/templates", status=201, problems=(rules.MailTemplateExists,))
def create_mail_template(
    tx: Tx, admin: Operations, body: NewMailTemplate, client: Client, now: datetime
) -> MailTemplate:
    """Make a template; its first version is added to it."""
    _require_its_mail(body)
    identity = uuid4()
    if not store.insert_template(tx, identity, body, admin_id=admin.id, now=now):
        known = store.template_of_key(tx, body.key, body.language)
        raise rules.MailTemplateExists(template_id=str(known))
    changes = {"name": body.name, "language": body.language, "kind": body.kind, "key": body.key}
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
    used = variables.check(body, variables.allowed(found.key))
    made = MailVersion(
        id=uuid4(),
        template_id=template_id,
        version=found.version + 1,
        subject=body.subject,
        preheader=body.preheader,
        variables=used,
        created_by=admin.id,
        created_at=now,
    )
    store.insert_version(tx, made, body, layout(body, language(found.language), found.key))
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
    recipient = None if query.member_number is None else _member(tx, query.member_number, now)
    # Whoever clicks on this link unsubscribes nobody.
    footer = Footer(unsubscribing.link(NIL), settings.load(tx).postal_address)
    made = written_mails.fill(written.mail, _values(written, recipient), footer)
    return MailPreview(subject=made.subject, html=made.html, text=made.text)


@api.post("/v1/admin/mails/versions/{version_id}/test", status=202)
def send_test_mail(tx: Tx, admin: Operations, version_id: UUID, client: Client, now: datetime) -> TestMailQueued:
    """Send a version to the admin's own address, with the admin's own values where there are any. No campaign counts
    it.
    """
    written = _written(tx, version_id)
    recipient = _member(tx, admin.number, now)
    occasion = uuid4()
    version = WrittenVersion(written.id, written.language)
    campaign_mails.queue(tx, version, [recipient], occasion, now, values=_values(written, recipient))
    changes = {"version_id": str(version_id)}
    audit.record(tx, admin, client, Action("mail_template.test", "mail_version", version_id, changes), now)
    return TestMailQueued(to_email=recipient.email)


def _require_its_mail(body: NewMailTemplate) -> None:
    """Raises NotValid unless a template that replaces a mail says which, in a language in which that mail is sent."""
    mail = built_in_mails.replaceable(body.key) if body.key else None
    if body.kind == "marketing" and body.key is not None:
        raise NotValid(errors=[{"field": "/key", "message": "must not be given: mails of campaigns replace no other"}])
    if body.kind == "transactional" and mail is None:
        message = "must be the key of a mail of the code (GET /v1/admin/mails/built-in)"
        raise NotValid(errors=[{"field": "/key", "message": message}])
    if mail and body.language not in mail.languages:
        message = f"must be one in which this mail is sent: {', '.join(mail.languages)}"
        raise NotValid(errors=[{"field": "/language", "message": message}])


def _values(written: store.Written, recipient: SegmentMember | None) -> dict[str, str | int]:
    """The values that a preview or a test mail shows: the recipient's own, and samples of what only an event gives."""
    if written.key is None:
        return campaign_mails.parameters(recipient) if recipient else written_mails.samples()
    values: dict[str, str | int] = {**built_in_mails.samples(written.key)}
    return values | {"name": recipient.full_name} if recipient and "name" in values else values


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
