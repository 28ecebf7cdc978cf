"""A local Teller: enrollments, accounts and balances, in the shapes of its API, behind mutual TLS.

`GET /accounts`, `GET /accounts/<id>/balances`, `DELETE /accounts/<id>`, with a client certificate of this authority and
`Authorization: Basic <token>:`. Errors are `{"error": {"code", "message"}}`: 400 without a certificate, 401 without a
token, 403 for a wrong one, 404 `enrollment.disconnected.…`, 410 `account.closed`, 429, 502. https://teller.io/docs/api

`POST /connect` with `{"nonce"}` is Teller Connect after somebody has signed in at the bank: it hands over a new token,
signed; with `{"nonce", "enrollment_id"}` one of the same enrollment. It needs no certificate, as a browser has none.
Certificates are made at each start and end by the real clock. `slow_seconds` passes before each answer.

Differs from Teller: no identity, details, transactions and payments. An enrollment without accounts has none listed.
Signatures are over the message as it is.
"""

import base64
import hmac
import json
import secrets
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar

from emulators.bank_certificates import Authority, Pair
from emulators.vendor import Answered, VendorError, VendorHandler, VendorStandIn
from emulators.webhooks import Webhooks
from shared import clock

ENVIRONMENT = "sandbox"
OLD_WEBHOOK_SECRET = "local-teller-webhook-secret-old"  # noqa: S105 - it opens nothing outside this machine
WEBHOOK_SECRET = "local-teller-webhook-secret"  # noqa: S105 - likewise
BANK = "Security Credit Union"


@dataclass
class BankAccount:
    """An account at the bank. Its balances are texts, as Teller writes them; None is what the bank does not tell."""

    id: str
    last_four: str
    ledger: object = "28575.02"
    available: object = "28500.00"
    kind: str = "checking"
    currency: str = "USD"
    closed: bool = False


@dataclass
class BankEnrollment:
    """The accounts that somebody has connected. `disconnected` is the end of each call's error code, if it is set."""

    id: str
    institution: str
    accounts: dict[str, BankAccount]
    tokens: set[str] = field(default_factory=set)
    disconnected: str | None = None
    ended: list[str] = field(default_factory=list)


class BankStandIn(VendorStandIn):
    """The service. `now` is its clock, which only webhooks show."""

    handler: ClassVar[type[VendorHandler]]

    def __init__(self, now: Callable[[], datetime] = clock.now) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        super().__init__(Webhooks("bank", "POST", two_signatures))
        self.now = now
        self.slow_seconds = 0.0
        self.authority = Authority()
        self.client = self.authority.client()
        self._signing_key = Ed25519PrivateKey.generate()
        self._enrollments: dict[str, BankEnrollment] = {}

    @property
    def settings(self) -> dict[str, str]:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        signing = self._signing_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {
            "TELLER_URL": self.url,
            "TELLER_AUTHORITY": self.authority.certificate,
            "TELLER_CERTIFICATE": self.client.certificate,
            "TELLER_PRIVATE_KEY": self.client.private_key,
            "TELLER_SIGNING_KEY": base64.b64encode(signing).decode(),
            "TELLER_ENVIRONMENT": ENVIRONMENT,
            "TELLER_WEBHOOK_SECRET": f"{WEBHOOK_SECRET},{OLD_WEBHOOK_SECRET}",
        }

    def tls(self) -> ssl.SSLContext:
        """A client may show a certificate, and it must be of this authority and of today."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=self.authority.certificate)
        context.verify_mode = ssl.CERT_OPTIONAL
        _load(context, self.authority.server())
        return context

    def forget(self) -> None:
        self._enrollments.clear()
        self.slow_seconds = 0.0

    def enroll(self, *accounts: BankAccount, institution: str = BANK) -> BankEnrollment:
        """Somebody's accounts at a bank, which they have not connected yet; three if none are given."""
        chosen = accounts or [BankAccount(f"acc_{secrets.token_hex(8)}", four) for four in ("7890", "1234", "5555")]
        made = BankEnrollment(f"enr_{secrets.token_hex(8)}", institution, {each.id: each for each in chosen})
        with self.lock:
            self._enrollments[made.id] = made
        return made

    def connect(self, nonce: str, enrollment: BankEnrollment) -> dict[str, Any]:
        """Sign in at the bank: what Teller Connect hands over, of which older tokens stay good."""
        token, user_id = f"token_{secrets.token_hex(12)}", "usr_local"
        with self.lock:
            enrollment.tokens.add(token)
            enrollment.disconnected = None
        message = f"{nonce}.{token}.{user_id}.{enrollment.id}.{ENVIRONMENT}".encode()
        return {
            "nonce": nonce,
            "access_token": token,
            "user_id": user_id,
            "enrollment_id": enrollment.id,
            "signatures": [base64.b64encode(self._signing_key.sign(message)).decode()],
        }

    def disconnect(self, enrollment: BankEnrollment, reason: str = "user_action.mfa_required") -> None:
        """The bank wants its owner again: each call is refused, and a webhook tells it."""
        with self.lock:
            enrollment.disconnected = reason
        self.webhooks.tell(self.disconnection(enrollment, reason))

    def disconnection(self, enrollment: BankEnrollment, reason: str = "disconnected") -> dict[str, Any]:
        """The message that an enrollment is disconnected."""
        return {
            "id": f"wh_{secrets.token_hex(8)}",
            "type": "enrollment.disconnected",
            "timestamp": self.now().astimezone(UTC).isoformat(),
            "payload": {"enrollment_id": enrollment.id, "reason": reason},
        }

    def enrollment(self, enrollment_id: str) -> BankEnrollment:
        """The enrollment of this id. Raises VendorError."""
        with self.lock:
            if enrollment_id not in self._enrollments:
                raise VendorError(HTTPStatus.NOT_FOUND, "not_found")
            return self._enrollments[enrollment_id]

    def of_token(self, token: str) -> BankEnrollment:
        """The enrollment that a token opens. Raises VendorError."""
        if not token:
            raise VendorError(HTTPStatus.UNAUTHORIZED, "unauthorized")
        with self.lock:
            found = next((each for each in self._enrollments.values() if token in each.tokens), None)
        if found is None:
            raise VendorError(HTTPStatus.FORBIDDEN, "forbidden")
        if found.disconnected:
            raise VendorError(HTTPStatus.NOT_FOUND, f"enrollment.disconnected.{found.disconnected}")
        return found

    def end(self, enrollment: BankEnrollment, account_id: str) -> None:
        """Take the right to look into an account; with the last one the tokens are worth nothing."""
        with self.lock:
            enrollment.accounts.pop(account_id)
            enrollment.ended.append(account_id)
            if not enrollment.accounts:
                enrollment.tokens.clear()


class _BankHandler(VendorHandler):
    stand_in: BankStandIn

    def is_for_operators(self) -> bool:
        return not self.target_path.startswith("/accounts")

    def authorised(self) -> bool:
        return True  # `done` says which of the errors it is

    def do_DELETE(self) -> None:  # noqa: N802 - the name is the base class's
        self._serve()

    def done(self, asked: Mapping[str, Any]) -> Answered:
        del asked
        if self.stand_in.slow_seconds:
            time.sleep(self.stand_in.slow_seconds)
        if not self.connection.getpeercert():
            raise VendorError(HTTPStatus.BAD_REQUEST, "missing_certificate")
        enrollment = self.stand_in.of_token(self._token())
        match (self.command, *self.target_path.strip("/").split("/")):
            case ("GET", "accounts"):
                return HTTPStatus.OK, [_shown(enrollment, each) for each in enrollment.accounts.values()]
            case ("GET", "accounts", account_id, "balances"):
                account = _open(enrollment, account_id)
                return HTTPStatus.OK, _balances(account)
            case ("DELETE", "accounts", account_id):
                _open(enrollment, account_id)
                self.stand_in.end(enrollment, account_id)
                return HTTPStatus.OK, {}
        raise VendorError(HTTPStatus.NOT_FOUND, "not_found")

    def operate(self, raw: bytes) -> None:
        if (self.command, self.target_path) != ("POST", "/connect"):
            super().operate(raw)
            return
        asked = json.loads(raw or b"{}")
        try:
            known = asked.get("enrollment_id")
            enrollment = self.stand_in.enrollment(known) if known else self.stand_in.enroll()
        except VendorError as error:
            self.answer_json(error.status, self.error_body(error.status, error.code))
            return
        self.answer_json(HTTPStatus.OK, self.stand_in.connect(str(asked.get("nonce")), enrollment))

    def _token(self) -> str:
        kind, _, given = self.headers.get("authorization", "").partition(" ")
        if kind.lower() != "basic":
            return ""
        try:
            return base64.b64decode(given, validate=True).decode().removesuffix(":")
        except ValueError:
            return ""


BankStandIn.handler = _BankHandler


def two_signatures(body: bytes) -> Mapping[str, str]:
    """Sign as Teller does while a secret is rotated: with the new one and the old one."""
    moment = str(int(time.time()))
    made = [
        hmac.digest(secret.encode(), f"{moment}.".encode() + body, "sha256").hex()
        for secret in (WEBHOOK_SECRET, OLD_WEBHOOK_SECRET)
    ]
    return {"Teller-Signature": ",".join((f"t={moment}", *(f"v1={each}" for each in made)))}


def _load(context: ssl.SSLContext, pair: Pair) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(pair.certificate + pair.private_key)
        file.flush()
        context.load_cert_chain(Path(file.name))


def _open(enrollment: BankEnrollment, account_id: str) -> BankAccount:
    account = enrollment.accounts.get(account_id)
    if account is None:
        raise VendorError(HTTPStatus.NOT_FOUND, "not_found")
    if account.closed:
        raise VendorError(HTTPStatus.GONE, "account.closed")
    return account


def _shown(enrollment: BankEnrollment, account: BankAccount) -> dict[str, Any]:
    return {
        "id": account.id,
        "enrollment_id": enrollment.id,
        "institution": {"id": "local", "name": enrollment.institution},
        "last_four": account.last_four,
        "currency": account.currency,
        "type": "depository",
        "subtype": account.kind,
        "status": "closed" if account.closed else "open",
        "links": {"self": f"https://api.teller.io/accounts/{account.id}"},
    }


def _balances(account: BankAccount) -> dict[str, Any]:
    return {
        "account_id": account.id,
        "ledger": account.ledger,
        "available": account.available,
        "links": {"self": f"https://api.teller.io/accounts/{account.id}/balances"},
    }
