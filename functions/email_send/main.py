"""Job: send queued mails. Each is claimed before it is sent; after a crash it is sent again under the same idempotency
key.

The provider forgets that key after a while: a mail whose outcome is still unknown by then is not sent again, because it
may have been sent.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from flask import Request, Response

from functions.email_send import store, templates
from functions.email_send.templates import Rendered
from shared import clock, db, events, log, settings
from shared.db import Tx
from shared.events import MailQueued
from shared.job import ComeAgain, Hopeless, Job
from shared.messages import built_in_mails, unsubscribing, wording, written_mails
from shared.messages.written_mails import Footer, WrittenMail
from shared.ports import mail
from shared.values.states import MailStatus

CLAIM_LIFE = timedelta(seconds=60)
KEY_LIFE = timedelta(minutes=14)  # the port's docstring says fifteen or thirty
ASKED_AGAIN_AFTER = timedelta(hours=1)
ASKED_AGAIN_MAX = 500  # per run
NO_FOOTER = Footer("", "")

job = Job("email_send")


def email_send(request: Request) -> Response:
    return job.handle(request)


@job.on(MailQueued)
def send(event: MailQueued, now: datetime) -> None:
    """Send one mail once. Raises ComeAgain if the provider does not answer, Hopeless for an unknown template."""
    waiting = db.atomically(_claim, event.mail_id, now)
    if waiting is None:
        return
    try:
        rendered = _rendered(waiting)
    except templates.TemplateUnknown as error:
        _finish(waiting.id, "refused", None)
        raise Hopeless(str(error)) from None
    try:
        message_id = mail.send(
            mail.Mail(
                to_email=waiting.to_email,
                to_name=waiting.to_name,
                subject=rendered.subject,
                html=rendered.html,
                text=rendered.text,
                idempotency_key=str(waiting.id),
                headers=rendered.headers,
            )
        )
    except mail.MailRefused:
        log.warning("the provider refused a mail", mail_id=waiting.id, template=waiting.template)
        _finish(waiting.id, "refused", None)
        return
    except mail.MailDelayed as error:
        untouched = waiting.tried_at is None and isinstance(error, mail.MailNotTaken)
        db.atomically(lambda tx: store.release(tx, waiting.id, clock.now(), was_not_taken=untouched))
        raise ComeAgain("the mail provider is not answering") from error
    _finish(waiting.id, "sent", message_id)


@job.schedule("sweep")
def sweep(now: datetime) -> None:
    """Queue events anew for mails that still wait, because their events ended as dead letters; each at most once an
    hour.
    """
    asked = db.atomically(_ask_again, now)
    if asked:
        log.warning("mails are asked for again", number=asked)


def _ask_again(tx: Tx, now: datetime) -> int:
    waiting = store.ask_again(tx, now, now - ASKED_AGAIN_AFTER, ASKED_AGAIN_MAX)
    events.emit(tx, now, *(MailQueued(mail_id=mail_id) for mail_id in waiting))
    return len(waiting)


def _claim(tx: Tx, mail_id: UUID, now: datetime) -> store.Mail | None:
    """Claim the mail; None if nothing is left to do. Raises ComeAgain while another worker is sending it."""
    found = store.mail(tx, mail_id)
    if found is None or found.status != MailStatus.QUEUED:
        return None
    if found.claimed_until and found.claimed_until > now:
        raise ComeAgain("somebody else is sending this mail")
    if found.tried_at and now - found.tried_at > KEY_LIFE:
        log.error("nobody knows whether a mail was sent", mail_id=mail_id, template=found.template)
        store.finish(tx, mail_id, "unclear", None, now)
        return None
    if not found.is_of_this_database:
        log.warning("a written mail may have been sent before the database was restored", mail_id=mail_id)
        store.finish(tx, mail_id, "unclear", None, now)
        return None
    if store.is_suppressed(tx, found):
        store.finish(tx, mail_id, "suppressed", None, now)
        return None
    store.claim(tx, mail_id, now, now + CLAIM_LIFE)
    return found


def _rendered(mail: store.Mail) -> Rendered:
    """The mail's texts and headers: of a version that an admin has written for a campaign or as a test, or of the code.
    Raises TemplateUnknown.
    """
    if mail.version_id is None or mail.member_id is None:
        return _of_the_code(mail)
    written, address = db.atomically(_written, mail.version_id)
    link = unsubscribing.link(mail.member_id)
    made = written_mails.fill(written, mail.parameters, Footer(link, address))
    return Rendered(made.subject, made.html, made.text, {} if written.key else _headers(link))


def _of_the_code(mail: store.Mail) -> Rendered:
    """A mail of the code, in the words of the version that replaces it, if one does. A version that does not fit this
    release, or not what was queued, is left aside: a code must arrive. Raises TemplateUnknown.
    """
    known, language = built_in_mails.replaceable(mail.template), wording.language(mail.language)
    if known:
        into = language if language in known.languages else wording.DEFAULT
        found = db.atomically(store.replacement, mail.template, into)
        if found and built_in_mails.fits(mail.template, found.variables) and mail.parameters.keys() >= known.variables:
            made = written_mails.fill(found.mail, mail.parameters, NO_FOOTER)
            return Rendered(made.subject, made.html, made.text)
        if found:
            log.warning("a published version does not fit its mail", template=mail.template, version_id=found.id)
    return templates.render(mail.template, mail.parameters, language)


def _written(tx: Tx, version_id: UUID) -> tuple[WrittenMail, str]:
    """The version, and the postal address that mails of campaigns show now."""
    return store.written(tx, version_id), settings.load(tx).postal_address


def _headers(link: str) -> Mapping[str, str]:
    """The headers by which mail programs end campaigns for the recipient (RFC 8058, section 3.1)."""
    return {"List-Unsubscribe": f"<{link}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def _finish(mail_id: UUID, status: str, message_id: str | None) -> None:
    db.atomically(lambda tx: store.finish(tx, mail_id, status, message_id, clock.now()))
