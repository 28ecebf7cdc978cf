"""How the shop's vendors (card, age check, tax, warehouse) are asked over HTTP, and what their failures are called.

One rule for all: only the vendor's own word decides. An answer that is not JSON, or not of the vendor's shape, comes
from somebody on the way, and whatever its HTTP status says, nothing is known.
"""

import base64
import binascii
import hmac
import re
import ssl
import time
from collections.abc import Callable, Mapping, Sized
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

from shared.ports import sessions
from shared.ports.loopback import is_loopback
from shared.ports.outage import Outage
from shared.values import encoding, goods, retry_after
from shared.values.money import ZERO, NotAnAmount, Usdt

if TYPE_CHECKING:
    import requests

SessionFor = Callable[[str], AbstractContextManager["requests.Session"]]

CONNECT_SECONDS_MAX = 3.0
ANSWER_SECONDS_MAX = 10.0  # between two pieces of an answer
WHOLE_ANSWER_SECONDS_MAX = 15.0
ANSWER_BYTES_MAX = 4 * 1024 * 1024
ANSWER_PIECE_BYTES = 64 * 1024
NOTICE_AGE_SECONDS_MAX = 300
HEADER_LENGTH_MAX = 1000
KEYS_WRONG = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
TRY_AGAIN = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
SLUG = re.compile(r"[a-z0-9][a-z0-9_.-]{0,59}")
IDENTIFIER = re.compile(r"[\x21-\x7e]{1,200}")
UNCLEAR = "unclear"


class VendorFailure(Exception):
    """The base class of these ports' exceptions; a message never contains a key, a card's token or a person's data."""


class VendorSilent(VendorFailure, Outage):
    """Raised when nothing is known: no answer, 5xx, 429, a time-out, an answer that is not understood.

    It may have been done or not: look it up, or ask again under the same key.
    """

    def __init__(self, why: str, retry_after_seconds: int = retry_after.ASKED_SECONDS_DEFAULT) -> None:
        super().__init__(why)
        self.retry_after_seconds = retry_after_seconds


class VendorBusy(VendorSilent):
    """Raised for 429: the vendor does nothing because too much is asked, or because it has no more to give."""


class TlsFailed(VendorSilent):
    """Raised when no secure connection was made: one of the two certificates is not accepted. Nothing was asked."""


class VendorRefused(VendorFailure):
    """Raised when the vendor said no before doing anything; `reason` is its code, in lower case."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class VendorMisconfigured(VendorFailure):
    """Raised when our key is wrong or lacks rights: every call fails until a person corrects it."""


class SignatureNotValid(Exception):
    """Raised when a notice is not the vendor's, too old, or does not say what it is about."""


@dataclass(frozen=True)
class Address:
    """Where goods go; `unit` is the second line, or empty. `state` and `country` have two letters."""

    street: str
    unit: str
    city: str
    state: str
    zip: str
    country: str = "US"

    def __repr__(self) -> str:
        return f"Address({self.state}, ...)"  # the rest must not get into a log


@dataclass(frozen=True)
class VendorReply:
    """An answer of the vendor's own: a status below 500, and the JSON object that came with it."""

    status: int
    body: Mapping[str, Any] = field(repr=False)

    @property
    def ok(self) -> bool:
        """True for 200 to 299."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


@dataclass(frozen=True)
class RawAnswer:
    """An answer of whatever form: a status below 500, and the content that came with it."""

    status: int
    content: bytes = field(repr=False)


def ask(method: str, url: str, headers: Mapping[str, str], body: object = None) -> VendorReply:
    """Send a request and return the vendor's answer. Raises VendorSilent, VendorMisconfigured.

    A refusal (4xx) is returned, because each vendor says it in its own words.
    """
    answer = send(method, url, headers, body)
    if answer.status in KEYS_WRONG:
        raise VendorMisconfigured(str(answer.status))
    return VendorReply(answer.status, json_object(answer.content, str(answer.status)))


def send(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: object = None,
    session_for: SessionFor = sessions.plain,
    seconds_max: float | None = None,
) -> RawAnswer:
    """Send a request and return the answer as it came. Raises VendorSilent for no answer, 5xx and 429, of its
    subclasses VendorBusy for 429 and TlsFailed when no secure connection was made. With `seconds_max` it waits less
    long than for others.
    """
    import requests
    from urllib3.exceptions import HTTPError

    connect_seconds, answer_seconds, whole_seconds = (
        min(each, seconds_max or each) for each in (CONNECT_SECONDS_MAX, ANSWER_SECONDS_MAX, WHOLE_ANSWER_SECONDS_MAX)
    )
    sent = {"accept": "application/json", **headers}
    if body is not None:
        sent["content-type"] = "application/json"
    try:
        with (
            session_for(url) as session,
            session.request(
                method,
                url,
                headers=sent,
                data=None if body is None else encoding.dump(body),
                timeout=(connect_seconds, answer_seconds),
                allow_redirects=False,
                stream=True,
            ) as answer,
        ):
            content = _content(answer.raw, whole_seconds)  # read to its end, so that the connection can be used again
    except (requests.exceptions.SSLError, ssl.SSLError):
        raise TlsFailed("no secure connection was made") from None
    except (requests.RequestException, HTTPError, OSError) as error:
        raise VendorSilent(type(error).__name__) from None  # its text may quote the address, which may hold a reference
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status_code in TRY_AGAIN:
        silent = VendorBusy if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS else VendorSilent
        raise silent(str(answer.status_code), retry_after.asked(answer.headers.get("Retry-After", "")))
    return RawAnswer(answer.status_code, content)


def json_object(content: bytes, what: str) -> dict[str, Any]:
    """The JSON object in an answer's content. Raises VendorSilent for anything else, with `what` in its message."""
    try:
        value = encoding.parse(content)
    except encoding.NotJson:
        raise VendorSilent(f"{what}, and no JSON") from None
    if not isinstance(value, dict):
        raise VendorSilent(f"{what}, and no JSON object")
    return value


def misunderstood(error: Exception) -> VendorSilent:
    """The exception to raise for an answer that lacks a field or has one of another kind."""
    return VendorSilent(f"the answer is not understood: {type(error).__name__}")


def one_for_each(said: object, asked: Sized) -> list[Any]:
    """A list with a result for each thing that was asked about. Raises ValueError for any other number of them."""
    if not isinstance(said, list) or len(said) != len(asked):
        raise ValueError("not a result for each")
    return said


def slug(said: object) -> str:
    """A vendor's code as it is stored and compared; UNCLEAR when it is no code."""
    text = said.strip().lower().replace(" ", "_") if isinstance(said, str) else ""
    return text if SLUG.fullmatch(text) else UNCLEAR


def identifier(said: object) -> str:
    """A vendor's reference as it is stored: printable and not long. Raises ValueError."""
    if not isinstance(said, str) or not IDENTIFIER.fullmatch(said):
        raise ValueError("not a reference")
    return said


def page_url(said: object) -> str:
    """The address of a vendor's page for people: https, or http on this machine. Raises ValueError."""
    if not isinstance(said, str) or not re.fullmatch(r"[\x21-\x7e]{1,2000}", said):
        raise ValueError("no address")
    parts = urlsplit(said)
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(said))):
        raise ValueError("no address of a page")
    return said


def own_id(said: object) -> UUID | None:
    """The id of ours that a vendor gives back, written as we write it; None for anything else."""
    try:
        found = UUID(said) if isinstance(said, str) else None
    except ValueError:
        return None
    return found if str(found) == said else None


def moment(said: object) -> datetime:
    """A moment in UTC. Raises ValueError for a text without a time zone."""
    at = datetime.fromisoformat(str(said))
    if at.tzinfo is None:
        raise ValueError("no time zone")
    return at.astimezone(UTC)


def cents(amount: Usdt) -> int:
    """The amount in whole cents. Raises ValueError for a fraction of a cent or a negative amount."""
    if amount < ZERO:
        raise NotAnAmount("less than nothing")
    return goods.cents(amount)


def from_cents(said: object) -> Usdt:
    """The amount of so many cents, negative ones too. Raises ValueError unless it is a whole number."""
    if not isinstance(said, int) or isinstance(said, bool):
        raise NotAnAmount("not a number of cents")
    return goods.dollars(said)


def paid_cents(said: object) -> Usdt:
    """The amount of so many cents. Raises ValueError unless it is a whole number from zero."""
    amount = from_cents(said)
    if amount < ZERO:
        raise NotAnAmount("less than nothing")
    return amount


def check_timed_signature(
    headers: Mapping[str, str],
    name: str,
    raw: bytes,
    secrets: str,
    *,
    age_seconds_max: int = NOTICE_AGE_SECONDS_MAX,
    ahead_seconds_max: int = NOTICE_AGE_SECONDS_MAX,
) -> None:
    """Check a header `t=<unix>,v1=<hex>[,v1=...]`: HMAC-SHA256 over `<unix>.<body>`, at most five minutes old.

    `secrets` is one secret or, while it is rotated, two with a comma between. The vendor's clock is the real one; it
    may be ahead of ours by `ahead_seconds_max`. Raises SignatureNotValid, VendorMisconfigured.
    """
    sent_at, signatures = _timed(_header(headers, name))
    if not -ahead_seconds_max <= time.time() - int(sent_at) <= age_seconds_max:
        raise SignatureNotValid("too old, or from the future")
    for secret in _secrets(secrets):
        expected = hmac.digest(secret, sent_at.encode() + b"." + raw, "sha256").hex()
        if any(hmac.compare_digest(expected, given) for given in signatures):
            return
    raise SignatureNotValid("no signature is right")


def check_sha1_signature(headers: Mapping[str, str], name: str, raw: bytes, secrets: str) -> None:
    """Check a header that is the base64 of an HMAC-SHA1 of the body. It has no time: it can be replayed for ever.

    Raises SignatureNotValid, VendorMisconfigured.
    """
    try:
        given = base64.b64decode(_header(headers, name), validate=True)
    except (binascii.Error, ValueError):
        raise SignatureNotValid("no base64") from None
    if not any(hmac.compare_digest(hmac.digest(secret, raw, "sha1"), given) for secret in _secrets(secrets)):
        raise SignatureNotValid("the signature is wrong")


def check_bearer_token(headers: Mapping[str, str], name: str, tokens: str) -> None:
    """Check a header `Bearer <token>`, of a vendor that signs nothing. It says nothing of the body: whoever reads one
    message can make others. `tokens` is one token or, while it is rotated, two with a comma between.

    Raises SignatureNotValid, VendorMisconfigured.
    """
    shown = _header(headers, name).encode()
    known = [b"Bearer " + token for token in _secrets(tokens)]
    matching = [hmac.compare_digest(shown, token) for token in known]  # each is compared, to take constant time
    if not any(matching):
        raise SignatureNotValid("the token is wrong")


def notice_object(raw: bytes) -> dict[str, Any]:
    """The JSON object of a notice whose signature is right; empty when it is none, which tells nothing but wakes us."""
    try:
        value = encoding.parse(raw)
    except encoding.NotJson:
        return {}
    return value if isinstance(value, dict) else {}


def event_id(told: Mapping[str, Any], raw: bytes) -> str:
    """The notice's own id, else a hash of its body: equal notices have equal ids."""
    import hashlib

    try:
        return identifier(told.get("id"))
    except ValueError:
        return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def _content(stream: Any, seconds_max: float) -> bytes:
    """The answer's content, within bounds of size and time. Raises VendorSilent.

    `read1` returns what has arrived: `iter_content` would wait for a full piece, however slowly it drips.
    """
    deadline = time.monotonic() + seconds_max
    content = bytearray()
    while piece := stream.read1(ANSWER_PIECE_BYTES, decode_content=True):
        content += piece
        if len(content) > ANSWER_BYTES_MAX or time.monotonic() > deadline:
            raise VendorSilent("the answer does not end")
    return bytes(content)


def _header(headers: Mapping[str, str], name: str) -> str:
    """The header's value, whatever the case of its name. Raises SignatureNotValid."""
    for given, value in headers.items():
        if given.lower() == name.lower() and value.isascii() and len(value) <= HEADER_LENGTH_MAX:
            return value.strip()
    raise SignatureNotValid("no signature")


def _timed(header: str) -> tuple[str, list[str]]:
    """The moment in a header and its signatures. Raises SignatureNotValid."""
    parts = [part.strip().partition("=") for part in header.split(",")]
    moments = [value for name, _, value in parts if name == "t"]
    if len(moments) != 1 or not re.fullmatch(r"[0-9]{1,12}", moments[0]):
        raise SignatureNotValid("no time")
    return moments[0], [value for name, _, value in parts if name == "v1"]


def _secrets(given: str) -> list[bytes]:
    found = [part.strip().encode() for part in given.split(",") if part.strip()]
    if not found:
        raise VendorMisconfigured("no secret")  # an empty one would be everybody's
    return found
