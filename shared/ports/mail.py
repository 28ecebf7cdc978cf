"""Brevo: sends a mail, at most once within the time for which Brevo remembers its key.

BREVO_URL (https://api.brevo.com unless given), BREVO_API_KEY, MAIL_FROM (support@blakjaks.com unless given). Reference:
https://developers.brevo.com/reference/sendtransacemail
"""

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from shared.ports import outcomes
from shared.values import free_text

URL_DEFAULT = "https://api.brevo.com"
SENDER_DEFAULT = "support@blakjaks.com"
SENDER_NAME = "BlakJaks"
CONNECT_SECONDS_MAX = 5.0
ANSWER_SECONDS_MAX = 15.0
NAME_LENGTH_MAX = 70  # Brevo refuses a mail whose recipient's or sender's name is longer
# Any fixed value: the namespace in which our keys become UUIDs.
KEY_SPACE = uuid.UUID("5f0d7f0e-8d1b-4b52-9d3e-0a6f0d0c9a51")
ALREADY_SENT = "already-sent"


class MailFailure(Exception):
    """The base class of this port's exceptions; a message never contains a body or the API key."""


class MailRefused(MailFailure):
    """Raised when the mail will be refused each time: a bad address, say, or no credit."""


class MailKeyRefused(MailRefused):
    """Raised when Brevo does not accept our API key: every mail is refused until a person corrects it."""


class MailDelayed(MailFailure):
    """Raised for a temporary failure. The mail may have been accepted: send it again with the same idempotency key."""


class MailNotTaken(MailDelayed):
    """Raised for a temporary failure before the mail was accepted: this attempt certainly sent nothing."""


@dataclass(frozen=True)
class Mail:
    """A mail. `idempotency_key` names the occasion (an outbox id, say): one occasion, one mail.

    Name and subject become headers: invisible characters are left out of them, and of a name that is too long for Brevo
    only the first words are sent. `headers` are further ones, which our own code has made.
    """

    to_email: str
    to_name: str
    subject: str
    html: str = field(repr=False)
    text: str = field(repr=False)
    idempotency_key: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def send(mail: Mail) -> str:
    """Send a mail; returns Brevo's message id, or ALREADY_SENT when Brevo has had this key before.

    Brevo remembers a key for 30 minutes (its change log says 15): a later repetition is sent twice, so an unclear
    outcome must be retried within a quarter of an hour. Raises MailRefused, MailDelayed, MailNotTaken.
    """
    with outcomes.asking("brevo", MailFailure, (MailRefused,)):
        return _send(mail)


def _send(mail: Mail) -> str:
    import requests
    from urllib3.exceptions import NewConnectionError

    try:
        answer = requests.post(
            f"{os.environ.get('BREVO_URL', URL_DEFAULT)}/v3/smtp/email",
            json=_body(mail),
            headers={"api-key": os.environ["BREVO_API_KEY"], "accept": "application/json"},
            timeout=(CONNECT_SECONDS_MAX, ANSWER_SECONDS_MAX),
            allow_redirects=False,
        )
    except requests.ConnectTimeout as error:
        raise MailNotTaken(type(error).__name__) from error
    except requests.RequestException as error:
        cause = getattr(error.args[0] if error.args else None, "reason", None)
        delayed = MailNotTaken if isinstance(cause, NewConnectionError) else MailDelayed
        raise delayed(type(error).__name__) from error
    return _outcome(answer.status_code, answer.content)


def _body(mail: Mail) -> dict[str, object]:
    return {
        "sender": {"name": SENDER_NAME, "email": os.environ.get("MAIL_FROM", SENDER_DEFAULT)},
        "to": [_recipient(mail)],
        "subject": free_text.shown(mail.subject),
        "htmlContent": mail.html,
        "textContent": mail.text,
        "headers": {**mail.headers, "idempotencyKey": str(uuid.uuid5(KEY_SPACE, mail.idempotency_key))},
    }


def _recipient(mail: Mail) -> dict[str, str]:
    """The recipient's address and name; without a name when not even its first word fits."""
    name = free_text.shortened(free_text.shown(mail.to_name), NAME_LENGTH_MAX)
    return {"email": mail.to_email} | ({"name": name} if name else {})


def _outcome(status: int, content: bytes) -> str:
    answer = _object(content)
    if status in (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED):
        return str(answer.get("messageId", ""))
    code = str(answer.get("code", ""))
    if code == "duplicate_parameter":
        return ALREADY_SENT
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise MailNotTaken(f"{status} {code}")
    if not HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        raise MailDelayed(f"{status} {code}")
    refused = MailKeyRefused if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) else MailRefused
    raise refused(f"{status} {code}")


def _object(content: bytes) -> dict[str, object]:
    """The fields of an answer's JSON object; empty when it is none, but a proxy's page, say."""
    import json

    try:
        value = json.loads(content)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
