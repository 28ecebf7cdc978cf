"""Job: send queued mails. Claimed before sending; sent again after a crash under the same idempotency key."""

from datetime import datetime, timedelta
from uuid import UUID

from flask import Request, Response

from functions.email_send import store, templates
from shared import clock, db, log
from shared.db import Tx
from shared.events import MailQueued
from shared.job import ComeAgain, Hopeless, Job
from shared.ports import mail

CLAIM_LIFE = timedelta(seconds=60)

job = Job("email_send")


def email_send(request: Request) -> Response:
    """The function's door."""
    return job.handle(request)


@job.on(MailQueued)
def send(event: MailQueued, now: datetime) -> None:
    """Send one mail once."""
    waiting = db.atomically(lambda tx: _claim(tx, event.mail_id, now))
    if waiting is None:
        return
    try:
        rendered = templates.render(waiting.template, waiting.parameters)
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
            )
        )
    except mail.MailRefused:
        log.warning("the provider refused a mail", mail_id=waiting.id, template=waiting.template)
        _finish(waiting.id, "refused", None)
        return
    except mail.MailDelayed as error:
        db.atomically(lambda tx: store.claim(tx, waiting.id, clock.now()))
        raise ComeAgain("the mail provider is not answering") from error
    _finish(waiting.id, "sent", message_id)


def _claim(tx: Tx, mail_id: UUID, now: datetime) -> store.Mail | None:
    """None when there is nothing left to do. Raises ComeAgain while somebody else is sending it."""
    found = store.mail(tx, mail_id)
    if found is None or found.status != "queued":
        return None
    if found.claimed_until and found.claimed_until > now:
        raise ComeAgain("somebody else is sending this mail")
    store.claim(tx, mail_id, now + CLAIM_LIFE)
    return found


def _finish(mail_id: UUID, status: str, message_id: str | None) -> None:
    db.atomically(lambda tx: store.finish(tx, mail_id, status, message_id, clock.now()))
