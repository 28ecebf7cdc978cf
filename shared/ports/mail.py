"""Brevo: sends one mail, at most once within the time that Brevo remembers its key.

BREVO_URL (https://api.brevo.com unless given), BREVO_API_KEY, MAIL_FROM (support@blakjaks.com unless given).
Reference: https://developers.brevo.com/reference/sendtransacemail
"""

import os
import uuid
from dataclasses import dataclass, field
from http import HTTPStatus

URL_DEFAULT = "https://api.brevo.com"
SENDER_DEFAULT = "support@blakjaks.com"
SENDER_NAME = "BlakJaks"
CONNECT_SECONDS_MAX = 5.0
ANSWER_SECONDS_MAX = 15.0
KEY_SPACE = uuid.UUID("5f0d7f0e-8d1b-4b52-9d3e-0a6f0d0c9a51")  # any fixed one: it makes UUIDs of our keys
ALREADY_SENT = "already-sent"


class MailFailure(Exception):
    """What this port raises; never with a body or the key in it."""


class MailRefused(MailFailure):
    """The mail will be refused each time: a bad address, a bad key, no credit."""


class MailDelayed(MailFailure):
    """A passing failure. The mail may have been taken all the same: send it again with the same key."""


class MailNotTaken(MailDelayed):
    """A passing failure before the mail was taken: this time it certainly was not."""


@dataclass(frozen=True)
class Mail:
    """`idempotency_key` names the occasion (say, an outbox id): one occasion, one mail."""

    to_email: str
    to_name: str
    subject: str
    html: str = field(repr=False)
    text: str = field(repr=False)
    idempotency_key: str


def send(mail: Mail) -> str:
    """Brevo's message id, or ALREADY_SENT when Brevo has had this key before.

    Brevo remembers a key for 30 minutes (its change log says 15): a repetition that comes later is sent twice, so
    retries of an unclear outcome belong within a quarter of an hour.
    """
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
        "to": [{"email": mail.to_email, "name": mail.to_name}],
        "subject": mail.subject,
        "htmlContent": mail.html,
        "textContent": mail.text,
        "headers": {"idempotencyKey": str(uuid.uuid5(KEY_SPACE, mail.idempotency_key))},
    }


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
    raise MailRefused(f"{status} {code}")


def _object(content: bytes) -> dict[str, object]:
    """An answer's fields; none when it is no JSON object, such as a proxy's page."""
    import json

    try:
        value = json.loads(content)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
