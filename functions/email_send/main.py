"""Job: send queued mails. Claimed before sending; sent again after a crash under the same idempotency key.

The provider forgets that key: a mail whose fate is still unknown by then is given up, for it may have been sent.
"""

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
KEY_LIFE = timedelta(minutes=14)  # the port's docstring: fifteen or thirty

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
        untouched = waiting.tried_at is None and isinstance(error, mail.MailNotTaken)
        db.atomically(lambda tx: store.release(tx, waiting.id, clock.now(), was_not_taken=untouched))
        raise ComeAgain("the mail provider is not answering") from error
    _finish(waiting.id, "sent", message_id)


def _claim(tx: Tx, mail_id: UUID, now: datetime) -> store.Mail | None:
    """None when there is nothing left to do. Raises ComeAgain while somebody else is sending it."""
    found = store.mail(tx, mail_id)
    if found is None or found.status != "queued":
        return None
    if found.claimed_until and found.claimed_until > now:
        raise ComeAgain("somebody else is sending this mail")
    if found.tried_at and now - found.tried_at > KEY_LIFE:
        log.error("nobody knows whether a mail was sent", mail_id=mail_id, template=found.template)
        store.finish(tx, mail_id, "unclear", None, now)
        return None
    store.claim(tx, mail_id, now, now + CLAIM_LIFE)
    return found


def _finish(mail_id: UUID, status: str, message_id: str | None) -> None:
    db.atomically(lambda tx: store.finish(tx, mail_id, status, message_id, clock.now()))
