"""A local Brevo: accepts mails as Brevo's API does, sends none, and shows them on a page.

Speaks `POST /v3/smtp/email` (https://developers.brevo.com/reference/sendtransacemail): 201 `{"messageId"}`, errors as
`{"code", "message"}`. Besides: `/` is the page, `/mails?to=` the same as JSON, newest first.

Brevo says of `headers.idempotencyKey` (https://developers.brevo.com/docs/heterogenous-versions-batch-emails): it must
be a UUID; the same key again within 30 minutes is not processed and answered with the error `duplicate_parameter`. That
page does not name the HTTP status; 400 is the status of Brevo's other parameter errors. Brevo's change log of 2021 said
15 minutes: rely on the shorter time. After it, the same key sends a second mail.

Limits: a name of at most 70 characters (the reference's page, "Maximum allowed characters are 70"; a longer one is
refused as invalid_parameter), at most 99 recipients of one version of a mail, headers without line ends, and a body of
the size that Brevo takes without attachments.

What becomes of a mail is told by webhooks (https://developers.brevo.com/docs/transactional-webhooks) when a test calls
`report`: with the token of the webhook as `Authorization: Bearer`, unsigned, several times, late, in another order or
never (emulators/webhooks.py). As Brevo's, an event has no id of its own: `id` is the webhook's.

Differs from Brevo: one API key, no senders to verify, no templates (`templateId` and `params` are stored, not
rendered), no attachments, batches or schedules, no limits of rate or credit, and no mail bounces by itself.
"""

import collections
import email.utils
import enum
import html
import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from emulators.http_server import Handler, HttpServer
from emulators.webhooks import Webhooks

MAILS_MAX = 1000  # the oldest is forgotten
BODY_BYTES_MAX = 4 * 1024 * 1024
NAME_LENGTH_MAX = 70
RECIPIENTS_MAX = 99
HEADER_BREAK = re.compile(r"[\r\n\x00]")
IDEMPOTENCY_SECONDS = 30 * 60
WEBHOOK_TOKEN = "local-brevo-token"  # noqa: S105 - it opens nothing outside this machine
WEBHOOK_ID = 26224  # every event of the webhook has it
TIMEOUT_SECONDS = 120.0  # longer than any client of ours waits
ADDRESS = re.compile(r"[^@\s<>,]+@[^@\s<>,]+\.[^@\s<>,]+")
PAGE = Path(__file__).with_name("mail_page.html")
ROW = "<!-- row -->"
# The body may show pictures and open links in a tab of its own; it may not run scripts or reach this page.
BODY_POLICY = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data: https: http:; "
BODY_POLICY += "style-src 'unsafe-inline'; font-src data: https:"


class Fault(enum.Enum):
    """The faults that can replace the acceptance of a mail."""

    INTERNAL_ERROR = "500"
    TOO_MANY_REQUESTS = "429"
    TIMEOUT = "no answer, and the mail is not taken"
    DROPPED = "the mail is taken, and the connection ends without an answer"


@dataclass(frozen=True)
class TakenMail:
    """One mail as it was requested, and when."""

    message_id: str
    taken_at: str
    sender: Mapping[str, str]
    to: tuple[Mapping[str, str], ...]
    subject: str
    html: str
    text: str
    template_id: int | None
    params: Mapping[str, Any]
    headers: Mapping[str, str]


class BrevoError(Exception):
    """Raised to answer with an error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass
class MailStandIn:
    """The server. `journal`, if given, also gets each mail as a line of JSON. `clock` measures seconds."""

    api_key: str = "local"
    journal: Path | None = None
    clock: Callable[[], float] = time.monotonic
    _mails: collections.deque[TakenMail] = field(
        default_factory=lambda: collections.deque(maxlen=MAILS_MAX), repr=False
    )
    _faults: collections.deque[Fault] = field(default_factory=collections.deque, repr=False)
    _seen_at: dict[str, float] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _stopping: threading.Event = field(default_factory=threading.Event, repr=False)
    _server: HttpServer | None = field(default=None, repr=False)
    webhooks: Webhooks = field(default_factory=lambda: Webhooks("mail", "POST", _with_token), repr=False)

    @property
    def settings(self) -> dict[str, str]:
        """The settings with which the ports find it and know its webhooks."""
        return {"BREVO_URL": self.url, "BREVO_API_KEY": self.api_key, "BREVO_WEBHOOK_TOKENS": WEBHOOK_TOKEN}

    @property
    def url(self) -> str:
        """The value for BREVO_URL, which is also the address of the page."""
        if self._server is None:
            raise RuntimeError("the mail stand-in is not running")
        return self._server.url

    def start(self) -> None:
        self._stopping.clear()
        self._server = HttpServer(type("BoundMailHandler", (_MailHandler,), {"stand_in": self}))
        self._server.start()
        self.webhooks.start()

    def stop(self) -> None:
        self._stopping.set()
        self.webhooks.stop()
        if self._server is not None:
            self._server.stop()
            self._server = None

    def mails(self, to: str = "") -> list[TakenMail]:
        """The mails, newest first; all of them, or those to one address."""
        with self._lock:
            taken = list(self._mails)
        return [mail for mail in reversed(taken) if not to or _is_to(mail, to)]

    def mail(self, message_id: str) -> TakenMail | None:
        return next((mail for mail in self.mails() if mail.message_id == message_id), None)

    def clear(self) -> None:
        """Forget the mails, the keys and the faults."""
        with self._lock:
            self._mails.clear()
            self._seen_at.clear()
            self._faults.clear()
        self.webhooks.clear()

    def report(self, mail: TakenMail, event: str) -> None:
        """Tell what has become of a mail: `delivered`, `hard_bounce`, `spam`, `unsubscribed` or another event."""
        now = time.time()
        self.webhooks.tell(
            {
                "event": event,
                "email": mail.to[0]["email"],
                "id": WEBHOOK_ID,
                "date": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S"),
                "ts": int(now),
                "message-id": mail.message_id,
                "ts_event": int(now),
                "subject": mail.subject,
                "ts_epoch": int(now * 1000),
                "tags": [],
            }
        )

    def fail_next(self, count: int, fault: Fault) -> None:
        """Ask for a fault of the next `count` mails, after those that earlier calls are for."""
        with self._lock:
            self._faults.extend([fault] * count)

    def next_fault(self) -> Fault | None:
        with self._lock:
            return self._faults.popleft() if self._faults else None

    def wait_for_nothing(self) -> None:
        """Wait until any client has given up, or until the stop."""
        self._stopping.wait(TIMEOUT_SECONDS)

    def take(self, wanted: Mapping[str, Any]) -> str:
        """Store the mail; returns its message id. Raises BrevoError."""
        mail = _read(wanted)
        key = _idempotency_key(mail.headers)
        with self._lock:
            self._refuse_repetition(key)
            self._mails.append(mail)
            if self.journal is not None:
                with self.journal.open("a") as file:
                    file.write(json.dumps(asdict(mail)) + "\n")
        return mail.message_id

    def _refuse_repetition(self, key: str) -> None:
        now = self.clock()
        self._seen_at = {seen: at for seen, at in self._seen_at.items() if now - at < IDEMPOTENCY_SECONDS}
        if key in self._seen_at:
            raise BrevoError(HTTPStatus.BAD_REQUEST, "duplicate_parameter", "idempotencyKey was used before")
        if key:
            self._seen_at[key] = now


class _MailHandler(Handler):
    stand_in: MailStandIn

    def do_POST(self) -> None:  # noqa: N802 - the name is the base class's
        try:
            self._authorise()
            self._take(self._wanted(), self.stand_in.next_fault())
        except BrevoError as error:
            self.answer_json(error.status, {"code": error.code, "message": str(error)})

    def do_GET(self) -> None:  # noqa: N802 - the name is the base class's
        part, _, message_id = unquote(self.target_path).strip("/").partition("/")
        if part == "mails":
            self.answer_json(HTTPStatus.OK, [asdict(mail) for mail in self.stand_in.mails(self.query.get("to", ""))])
        elif part == "body" and (mail := self.stand_in.mail(message_id)):
            body = mail.html or f"<pre>{html.escape(mail.text)}</pre>"
            self._show(f'<base target="_blank">{body}', BODY_POLICY)
        elif part == "":
            rows = "".join(_row(mail) for mail in self.stand_in.mails(self.query.get("to", "")))
            page = PAGE.read_text().replace(ROW, rows or '<p class="none">No mail yet.</p>')
            self._show(page, "default-src 'self'; style-src 'unsafe-inline'")
        else:
            self.answer(HTTPStatus.NOT_FOUND)

    def _authorise(self) -> None:
        if self.target_path != "/v3/smtp/email":
            raise BrevoError(HTTPStatus.NOT_FOUND, "document_not_found", "There is no such resource")
        if self.headers.get("api-key") != self.stand_in.api_key:
            raise BrevoError(HTTPStatus.UNAUTHORIZED, "unauthorized", "Key not found")

    def _wanted(self) -> Mapping[str, Any]:
        if self.body_left > BODY_BYTES_MAX:
            raise BrevoError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "invalid_parameter", "The body is too large")
        try:
            wanted = json.loads(self.body())
        except ValueError:
            wanted = None
        if not isinstance(wanted, dict):
            raise BrevoError(HTTPStatus.BAD_REQUEST, "bad_request", "The body is no JSON object")
        return wanted

    def _take(self, wanted: Mapping[str, Any], fault: Fault | None) -> None:
        if fault is Fault.INTERNAL_ERROR:
            raise BrevoError(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "A fault was asked for")
        if fault is Fault.TOO_MANY_REQUESTS:
            raise BrevoError(HTTPStatus.TOO_MANY_REQUESTS, "too_many_requests", "A fault was asked for")
        if fault is Fault.TIMEOUT:
            self.close_connection = True
            self.stand_in.wait_for_nothing()
            return
        message_id = self.stand_in.take(wanted)
        if fault is Fault.DROPPED:
            self.close_connection = True
            return
        self.answer_json(HTTPStatus.CREATED, {"messageId": message_id})

    def _show(self, page: str, policy: str) -> None:
        headers = {"content-security-policy": policy, "x-content-type-options": "nosniff"}
        self.answer(HTTPStatus.OK, page.encode(), "text/html; charset=utf-8", headers)


def _with_token(_: bytes) -> Mapping[str, str]:
    """The header that shows the webhook's token. It says nothing of the body."""
    return {"authorization": f"Bearer {WEBHOOK_TOKEN}"}


def _read(wanted: Mapping[str, Any]) -> TakenMail:
    for name in ("sender", "to"):
        if not wanted.get(name):
            raise BrevoError(HTTPStatus.BAD_REQUEST, "missing_parameter", f"{name} is missing")
    if len(wanted["to"]) > RECIPIENTS_MAX:
        raise BrevoError(HTTPStatus.BAD_REQUEST, "invalid_parameter", f"to has more than {RECIPIENTS_MAX} recipients")
    _check_header("subject", wanted.get("subject"))
    for name, value in wanted.get("headers", {}).items():
        _check_header(f"header {name}", f"{name}{value}")
    template = wanted.get("templateId")
    if template is None and not wanted.get("subject"):
        raise BrevoError(HTTPStatus.BAD_REQUEST, "missing_parameter", "subject is missing")
    if template is None and not (wanted.get("htmlContent") or wanted.get("textContent")):
        raise BrevoError(HTTPStatus.BAD_REQUEST, "missing_parameter", "Either of htmlContent or textContent is missing")
    return TakenMail(
        message_id=email.utils.make_msgid(domain="smtp-relay.mailin.fr"),
        taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
        sender=_address("sender", wanted["sender"]),
        to=tuple(_address("to", each) for each in wanted["to"]),
        subject=wanted.get("subject", ""),
        html=wanted.get("htmlContent", ""),
        text=wanted.get("textContent", ""),
        template_id=template,
        params=wanted.get("params", {}),
        headers=wanted.get("headers", {}),
    )


def _address(field_name: str, given: Any) -> Mapping[str, str]:
    written = str(given.get("email", "")) if isinstance(given, dict) else ""
    if not written.isascii() or not ADDRESS.fullmatch(written):  # SMTP without SMTPUTF8 (RFC 5321) knows only ASCII
        raise BrevoError(HTTPStatus.BAD_REQUEST, "invalid_parameter", f"email is not valid in {field_name}")
    if len(str(given.get("name", ""))) > NAME_LENGTH_MAX:
        said = f"You can have max {NAME_LENGTH_MAX} character in {field_name} name"
        raise BrevoError(HTTPStatus.BAD_REQUEST, "invalid_parameter", said)
    _check_header(f"{field_name} name", given.get("name"))
    return {name: str(value) for name, value in given.items() if name in ("email", "name")}


def _check_header(what: str, value: object) -> None:
    if HEADER_BREAK.search(str(value or "")):
        raise BrevoError(HTTPStatus.BAD_REQUEST, "invalid_parameter", f"{what} is not valid")


def _idempotency_key(headers: Mapping[str, str]) -> str:
    key = headers.get("idempotencyKey", "")
    try:
        return str(uuid.UUID(key)) if key else ""
    except ValueError:
        raise BrevoError(HTTPStatus.BAD_REQUEST, "invalid_parameter", "idempotencyKey is no UUID") from None


def _is_to(mail: TakenMail, address: str) -> bool:
    return any(each["email"].lower() == address.lower() for each in mail.to)


def _row(mail: TakenMail) -> str:
    to = ", ".join(each["email"] for each in mail.to)
    subject = mail.subject or f"(template {mail.template_id})"
    shown = {"to": to, "subject": subject, "at": mail.taken_at, "from": mail.sender["email"], "text": mail.text}
    safe = {name: html.escape(value) for name, value in shown.items()}
    return (
        f"<details><summary><time>{safe['at']}</time> <b>{safe['subject']}</b> <span>to {safe['to']}</span></summary>"
        f"<p>from {safe['from']}</p>"
        f'<iframe sandbox="allow-popups allow-popups-to-escape-sandbox" loading="lazy" title="the mail" '
        f'src="/body/{quote(mail.message_id)}"></iframe><pre>{safe["text"]}</pre></details>'
    )
