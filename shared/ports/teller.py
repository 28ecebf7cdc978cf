"""Teller: the accounts of an enrollment at a bank, their balances, and its end.

TELLER_URL (https://api.teller.io unless given), TELLER_CERTIFICATE and TELLER_PRIVATE_KEY (PEM), with which we prove
who we are; TELLER_SIGNING_KEY, the public key (base64) of Teller Connect's signatures, and TELLER_ENVIRONMENT, which it
signs as well. TELLER_AUTHORITY (PEM) is the authority of a stand-in on this machine and counts for no other address.
Reference: https://teller.io/docs/api, https://teller.io/docs/guides/connect
"""

import base64
import binascii
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shared.ports import outcomes, sessions, vendors
from shared.ports.loopback import is_loopback
from shared.ports.vendors import (
    RawAnswer,
    SignatureNotValid,
    TlsFailed,
    VendorFailure,
    VendorMisconfigured,
    VendorRefused,
    VendorSilent,
)
from shared.values import encoding, free_text
from shared.values.banks import ListedAccount

if TYPE_CHECKING:
    import ssl

    import requests
    from cryptography.x509 import Certificate

URL_DEFAULT = "https://api.teller.io"
VERSION = "2020-10-12"
AMOUNT = re.compile(r"-?[0-9]{1,16}(\.[0-9]{1,2})?", re.ASCII)
IDENTIFIER = re.compile(r"[A-Za-z0-9_]{1,100}", re.ASCII)  # it becomes a part of addresses
LAST_FOUR = re.compile(r"[0-9]{4}", re.ASCII)
CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
CENTS = Decimal("0.01")
INSTITUTION_LENGTH_MAX = 100
ACCOUNTS_MAX = 100
SIGNATURES_MAX = 5
DISCONNECTED = "enrollment.disconnected"
GONE = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


class EnrollmentDisconnected(VendorFailure):
    """Raised when the bank wants the owner to sign in again; the message is Teller's code."""


class TokenRefused(VendorFailure):
    """Raised when Teller does not take the access token: revoked, of another application, or never ours."""


class AccountClosed(VendorFailure):
    """Raised for an account that its bank has closed for good."""


@dataclass(frozen=True)
class TellerBalance:
    """An account's books and what of it is at hand, in its currency with two places; None is not told."""

    ledger: Decimal | None
    available: Decimal | None


@dataclass(frozen=True)
class Connected:
    """The result of Teller Connect after an owner has signed in at their bank."""

    access_token: str = field(repr=False)
    user_id: str
    enrollment_id: str
    signatures: Sequence[str]


def accounts(token: str) -> list[ListedAccount]:
    """The accounts that the token opens.

    Raises EnrollmentDisconnected, TokenRefused, VendorSilent, VendorRefused, VendorMisconfigured.
    """
    return _accounts(_sent("GET", "/accounts", token))


def balance(token: str, account_id: str) -> TellerBalance:
    """The balance of an account.

    Raises AccountClosed, EnrollmentDisconnected, TokenRefused, VendorSilent, VendorRefused, VendorMisconfigured.
    """
    told = _value(_sent("GET", f"/accounts/{account_id}/balances", token))
    if not isinstance(told, dict) or told.get("account_id") != account_id:
        raise VendorSilent("the answer is about another account")
    try:
        return TellerBalance(_amount(told.get("ledger")), _amount(told.get("available")))
    except ValueError as error:
        raise vendors.misunderstood(error) from None


def end(token: str) -> None:
    """Give up the right to look into any account of the token. Harmless twice.

    Raises VendorSilent, TokenRefused, VendorRefused, VendorMisconfigured.
    """
    listed = _sent("GET", "/accounts", token)
    if _is_gone(listed):
        return
    for account in _accounts(listed):
        answer = _sent("DELETE", f"/accounts/{account.id}", token)
        if not (_is_ok(answer) or _is_gone(answer)):
            raise _failure(answer)


def check_connected(nonce: str, handed: Connected) -> None:
    """Check that Teller Connect has made this, for this nonce of ours. Raises SignatureNotValid, VendorMisconfigured.

    The message is `nonce.access_token.user_id.enrollment_id.environment`. Teller's guide does not say clearly whether
    it is signed as it is or by its SHA-256, and one is as good as the other: both are taken.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(_setting("TELLER_SIGNING_KEY"), validate=True))
    except (ValueError, binascii.Error):
        raise VendorMisconfigured("TELLER_SIGNING_KEY is no key") from None
    parts = (nonce, handed.access_token, handed.user_id, handed.enrollment_id, _setting("TELLER_ENVIRONMENT"))
    message = ".".join(parts).encode()
    for given in handed.signatures[:SIGNATURES_MAX]:
        for signed in (message, hashlib.sha256(message).digest()):
            try:
                key.verify(base64.b64decode(given, validate=True), signed)
            except (InvalidSignature, ValueError, binascii.Error):
                continue
            return
    raise SignatureNotValid("no signature is right")


def certificate_ends_at() -> datetime:
    """The moment at which our certificate ends, by the real clock. Raises VendorMisconfigured without a certificate."""
    return _certificate().not_valid_after_utc


def _accounts(answer: RawAnswer) -> list[ListedAccount]:
    listed = _value(answer)
    if not isinstance(listed, list) or len(listed) > ACCOUNTS_MAX:
        raise VendorSilent("the answer is no list of accounts")
    try:
        return [_account(each) for each in listed]
    except (KeyError, TypeError, ValueError) as error:
        raise vendors.misunderstood(error) from None


def _value(answer: RawAnswer) -> object:
    """The JSON of an answer that is no error. Raises what `_failure` makes of an error."""
    if not _is_ok(answer):
        raise _failure(answer)
    try:
        return encoding.parse(answer.content)
    except encoding.NotJson:
        raise VendorSilent(f"{answer.status}, and no JSON") from None


def _sent(method: str, path: str, token: str) -> RawAnswer:
    with outcomes.asking("teller", VendorFailure):
        return _answered(method, path, token)


def _answered(method: str, path: str, token: str) -> RawAnswer:
    if _certificate().not_valid_after_utc.timestamp() <= time.time():
        raise VendorMisconfigured("our certificate has ended")
    url = os.environ.get("TELLER_URL", URL_DEFAULT) + path
    basic = base64.b64encode(f"{token}:".encode()).decode()
    headers = {"authorization": f"Basic {basic}", "teller-version": VERSION}
    try:
        return vendors.send(method, url, headers, session_for=_session_for)
    except TlsFailed as failed:
        raise VendorMisconfigured(str(failed)) from None


def _is_ok(answer: RawAnswer) -> bool:
    return HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES


def _is_gone(answer: RawAnswer) -> bool:
    """True if Teller says that there is nothing left to end: the token, the enrollment or the account is gone."""
    return answer.status in GONE and bool(_code(answer))


def _failure(answer: RawAnswer) -> VendorFailure:
    """The exception for an answer that is an error; its text has Teller's code and nothing else of the answer."""
    code = _code(answer)
    if not code:
        return VendorSilent(f"{answer.status}, and no error of Teller's")
    if answer.status == HTTPStatus.BAD_REQUEST:
        return VendorMisconfigured(f"400 {code}")  # nothing that we ask can be wrong but the certificate
    if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return TokenRefused(f"{answer.status} {code}")
    if answer.status == HTTPStatus.NOT_FOUND and (code == DISCONNECTED or code.startswith(f"{DISCONNECTED}.")):
        return EnrollmentDisconnected(code)
    if answer.status == HTTPStatus.GONE:
        return AccountClosed(code)
    return VendorRefused(code)


def _code(answer: RawAnswer) -> str:
    """The code of an error of Teller's; empty when the answer is none, but a page of somebody on the way."""
    try:
        told = encoding.parse(answer.content)
    except encoding.NotJson:
        return ""
    error = told.get("error") if isinstance(told, dict) else None
    return vendors.slug(error.get("code")) if isinstance(error, dict) else ""


def _account(said: Mapping[str, Any]) -> ListedAccount:
    """An account of the list. Raises KeyError, TypeError, ValueError."""
    institution = free_text.shortened(free_text.shown(str(said["institution"]["name"])).strip(), INSTITUTION_LENGTH_MAX)
    if not institution:
        raise ValueError("a bank without a name")
    return ListedAccount(
        id=_matching(said["id"], IDENTIFIER),
        enrollment_id=_matching(said["enrollment_id"], IDENTIFIER),
        institution=institution,
        last_four=_matching(said["last_four"], LAST_FOUR),
        currency=_matching(said["currency"], CURRENCY),
        kind=vendors.slug(said.get("type")),
    )


def _matching(said: object, form: re.Pattern[str]) -> str:
    if not isinstance(said, str) or not form.fullmatch(said):
        raise ValueError("not of this form")
    return said


def _amount(said: object) -> Decimal | None:
    """A decimal text of at most two places, which is never rounded; None stays None. Raises ValueError."""
    return None if said is None else Decimal(_matching(said, AMOUNT)).quantize(CENTS)


def _setting(name: str) -> str:
    found = os.environ.get(name, "").strip()
    if not found:
        raise VendorMisconfigured(f"{name} is not set")
    return found


def _certificate() -> "Certificate":
    from cryptography.x509 import load_pem_x509_certificate

    try:
        return load_pem_x509_certificate(_setting("TELLER_CERTIFICATE").encode())
    except ValueError:
        raise VendorMisconfigured("TELLER_CERTIFICATE is no certificate") from None


@contextmanager
def _session_for(url: str) -> Iterator["requests.Session"]:
    """The session in which we show our certificate; another certificate has a session of its own."""
    shown = hashlib.sha256(_setting("TELLER_CERTIFICATE").encode()).hexdigest()
    with sessions.kept(f"{urlsplit(url).netloc} {shown}", partial(_with_certificate, url)) as session:
        yield session


def _with_certificate(url: str) -> "requests.Session":
    from requests.adapters import HTTPAdapter

    class ShowsCertificate(HTTPAdapter):
        """Opens connections in which we show our certificate."""

        def init_poolmanager(self, *args: Any, **named: Any) -> None:
            super().init_poolmanager(*args, **named, ssl_context=context)

    context, session = _context(url), sessions.bare()
    session.mount("https://", ShowsCertificate(pool_maxsize=sessions.CONNECTIONS_MAX))
    return session


def _context(url: str) -> "ssl.SSLContext":
    """TLS with our certificate. Raises VendorMisconfigured."""
    import ssl

    context = ssl.create_default_context()
    if is_loopback(url) and (authority := os.environ.get("TELLER_AUTHORITY")):
        context.load_verify_locations(cadata=authority)
    # OpenSSL reads certificate and key from a file. On Cloud Run it lies in memory; nobody else may read it (0600), and
    # it is deleted as soon as it was read.
    number, name = tempfile.mkstemp(prefix="teller-")
    try:
        with os.fdopen(number, "w") as file:
            file.write(f"{_setting('TELLER_CERTIFICATE')}\n{_setting('TELLER_PRIVATE_KEY')}\n")
        context.load_cert_chain(name)
    except (ssl.SSLError, ValueError):
        raise VendorMisconfigured("certificate and private key do not fit") from None
    finally:
        Path(name).unlink(missing_ok=True)
    return context
