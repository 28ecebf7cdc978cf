"""Versions that replace mails of the code: which mails there are, and publishing and withdrawing a version."""

from datetime import datetime
from uuid import UUID

from functions.admin_mails import publication_store as store
from functions.admin_mails import rules
from functions.admin_mails.common import Operations, api
from functions.admin_mails.publication_store import Candidate, MailPublication
from shared.db import Tx
from shared.messages import built_in_mails
from shared.messages.built_in_mails import SOURCES, replaceable
from shared.payouts import interests
from shared.values.fields import Listing, Reply
from shared.values.problems import NotFound
from shared.web import audit
from shared.web.audit import Action
from shared.web.http import Client


class BuiltInMail(Reply):
    """A mail of the code. A version that replaces it may show `variables` and no others, must show `required`, and may
    have `outside` in its subject and preheader. It is sent in `languages`; `replaced_by` are the versions in force.
    """

    key: str
    variables: list[str]
    required: list[str]
    outside: list[str]
    languages: list[str]
    replaced_by: list[MailPublication]


@api.get("/v1/admin/mails/built-in")
def list_built_in_mails(tx: Tx, admin: Operations) -> Listing[BuiltInMail]:
    """List the mails of the code on one page, by key, with the versions that replace them."""
    published = store.in_force(tx)
    shown = [_shown(key, [each for each in published if each.key == key]) for key in sorted(SOURCES)]
    return Listing[BuiltInMail](items=shown, next_cursor=None)


@api.post(
    "/v1/admin/mails/versions/{version_id}/publish",
    problems=(rules.MailNotTransactional, rules.MailVariablesWrong, rules.OwnMailVersion),
)
def publish_mail_version(tx: Tx, admin: Operations, version_id: UUID, client: Client, now: datetime) -> MailPublication:
    """Have somebody else's version replace the mail of its template's key, instead of an earlier version."""
    version = _locked(tx, version_id)
    if version.key is None:
        raise rules.MailNotTransactional
    if interests.is_same_person(tx, admin.id, version.created_by):
        raise rules.OwnMailVersion
    if not built_in_mails.fits(version.key, version.variables):
        raise rules.MailVariablesWrong
    before = store.of_template(tx, version.template_id)
    if before is not None and before.version_id == version.id:
        return before
    store.withdraw(tx, version.template_id, admin_id=admin.id, now=now)
    store.insert(tx, version, admin_id=admin.id, now=now)
    made = store.of_template(tx, version.template_id)
    assert made, "it was inserted"
    changes = {"key": made.key, "language": made.language, "before": str(before.version_id) if before else None}
    audit.record(tx, admin, client, Action("mail_version.publish", "mail_version", version.id, changes), now)
    return made


@api.post(
    "/v1/admin/mails/versions/{version_id}/withdraw",
    problems=(rules.MailVersionNotPublished,),
)
def withdraw_mail_version(
    tx: Tx, admin: Operations, version_id: UUID, client: Client, now: datetime
) -> MailPublication:
    """End that the version replaces its mail: from now on the mail is that of the code."""
    version = _locked(tx, version_id)
    before = store.of_template(tx, version.template_id)
    if before is None or before.version_id != version.id:
        raise rules.MailVersionNotPublished
    store.withdraw(tx, version.template_id, admin_id=admin.id, now=now)
    changes = {"key": before.key, "language": before.language}
    audit.record(tx, admin, client, Action("mail_version.withdraw", "mail_version", version.id, changes), now)
    return before.model_copy(update={"withdrawn_by": admin.id, "withdrawn_at": now})


def _locked(tx: Tx, version_id: UUID) -> Candidate:
    """The version, with its template locked. Raises NotFound."""
    found = store.lock(tx, version_id)
    if found is None:
        raise NotFound
    return found


def _shown(key: str, published: list[MailPublication]) -> BuiltInMail:
    mail = replaceable(key)
    assert mail, "the key is that of a mail"
    return BuiltInMail(
        key=key,
        variables=sorted(mail.variables),
        required=sorted(mail.required),
        outside=sorted(mail.outside),
        languages=list(mail.languages),
        replaced_by=published,
    )
