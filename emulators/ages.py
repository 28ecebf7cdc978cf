"""A local AgeChecker: `POST /v1/create`, `GET /v1/status/<uuid>` and the callback (PUT), as its server API has them.

The name decides, as AgeChecker's own test buyers do in its developer mode: JOHN DOE is accepted, JANE DOE has to send a
photo and is accepted then, FRANK DOE is denied then, GRACE DOE is banned (not_created: no uuid). Besides, by last name:
`Denied` is denied at once (underage), `Pending` waits for a person, `Photo` has to send a photo; all others are
accepted. Whoever is too young by the date of birth given, or has none, is not created.

A person goes on at `/verify/<uuid>` (GET a page, POST `outcome=accept` or `outcome=deny`), again and again: a denial
may become an acceptance, as AgeChecker says. Errors are `{"error": {"code", "message"}}`; a wrong key is a 400,
invalid_token.

Differs from AgeChecker: one site, `link` in an answer to create (there only sessions have one), no popup, sessions,
texts or mails, and the callback goes to `callback_url` of the request only if the stand-in was given no URL of its own.
`GET /checks` shows all.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import parse_qs

from emulators.vendor import Answered, VendorError, VendorHandler, VendorStandIn
from emulators.webhooks import Webhooks, sha1_signature
from shared import clock

KEY = "local-agechecker-key"
SECRET = "local-agechecker-secret"  # noqa: S105 - it opens nothing outside this machine
REQUIRED = ("first_name", "last_name", "address", "city", "state", "zip", "country", "dob_day", "dob_month", "dob_year")
METADATA_MAX, NAME_MAX, VALUE_MAX = 10, 25, 250
AGES = range(18, 76)
TEST_BUYERS = {
    "JOHN DOE": "accepted",
    "JANE DOE": "photo_id",
    "FRANK DOE": "photo_id",
    "GRACE DOE": "not_created",
}
LAST_NAMES = {"DENIED": "denied", "PENDING": "pending", "PHOTO": "photo_id"}
FORM = b"""<!doctype html><title>Age check</title><h1>Your ID, please</h1><form method="post">
<button name="outcome" value="accept">A good one</button> <button name="outcome" value="deny">A bad one</button>
</form>"""


@dataclass
class Check:
    """A verification; `callback_url` is the request's."""

    uuid: str
    status: str
    reason: str | None
    buyer: Mapping[str, Any]
    created: str
    metadata: Mapping[str, str]
    callback_url: str | None


class AgeStandIn(VendorStandIn):
    """The service. `now` is its clock."""

    handler: ClassVar[type[VendorHandler]]

    def __init__(self, now: Callable[[], datetime] = clock.now) -> None:
        super().__init__(Webhooks("ages", "PUT", sha1_signature("X-AgeChecker-Signature", SECRET)))
        self.now = now
        self._checks: dict[str, Check] = {}

    @property
    def settings(self) -> dict[str, str]:
        """The settings with which the port finds it."""
        return {"AGECHECKER_URL": self.url, "AGECHECKER_KEY": KEY, "AGECHECKER_SECRET": SECRET}

    def clear(self) -> None:
        """Forget all checks and faults."""
        with self.lock:
            self.cancel_timers()
            self.forget_faults()
            self.webhooks.clear()
            self._checks.clear()

    def checks(self) -> list[Check]:
        """All verifications, first to last; those of one `check_id` have it in their metadata."""
        with self.lock:
            return list(self._checks.values())

    def create(self, asked: Mapping[str, Any]) -> Check | None:
        """Begin a verification; None when it is not created. Raises VendorError."""
        buyer, options = asked.get("data"), asked.get("options") or {}
        if not isinstance(buyer, dict) or any(not buyer.get(name) for name in REQUIRED):
            raise VendorError(HTTPStatus.BAD_REQUEST, "invalid_data")
        metadata = options.get("metadata") or {}
        if len(metadata) > METADATA_MAX or any(
            len(name) > NAME_MAX or not isinstance(value, str) or len(value) > VALUE_MAX
            for name, value in metadata.items()
        ):
            raise VendorError(HTTPStatus.BAD_REQUEST, "invalid_metadata")
        age_min = options.get("min_age", 21)
        if age_min not in AGES:
            raise VendorError(HTTPStatus.BAD_REQUEST, "invalid_min_age")
        status = "not_created" if _age(buyer, self.now().date()) < age_min else _status(buyer)
        if status == "not_created":
            return None
        made = Check(
            uuid=secrets.token_urlsafe(24),
            status=status,
            reason="underage" if status == "denied" else None,
            buyer=buyer,
            created=self.now().isoformat(),
            metadata=metadata,
            callback_url=options.get("callback_url"),
        )
        with self.lock:
            self._checks[made.uuid] = made
        return made

    def find(self, uuid: str) -> Check:
        """The verification. Raises VendorError."""
        with self.lock:
            if uuid not in self._checks:
                raise VendorError(HTTPStatus.NOT_FOUND, "uuid_not_found")
            return self._checks[uuid]

    def decide(self, uuid: str, status: str, reason: str | None = None) -> None:
        """Accept or deny, which may be changed later, and call back."""
        with self.lock:
            check = self.find(uuid)
            check.status, check.reason = status, reason
            told = {"uuid": uuid, "status": status} | ({"reason": reason} if reason else {})
            self.webhooks.tell(told, check.callback_url)


class _AgeHandler(VendorHandler):
    stand_in: AgeStandIn

    def authorised(self) -> bool:
        return True  # each call says it in its own way, below

    def done(self, asked: Mapping[str, Any]) -> Answered:
        knows_secret = SECRET in (asked.get("secret"), self.headers.get("x-agechecker-secret"))
        match (self.command, *self.target_path.strip("/").split("/")):
            case ("POST", "v1", "create"):
                if asked.get("key") != KEY:
                    raise VendorError(HTTPStatus.BAD_REQUEST, "invalid_token")
                if not knows_secret:
                    raise VendorError(HTTPStatus.BAD_REQUEST, "invalid_secret")
                return HTTPStatus.OK, self._created(self.stand_in.create(asked))
            case ("GET", "v1", "status", uuid):
                return HTTPStatus.OK, _shown(self.stand_in.find(uuid), full=knows_secret)
        raise VendorError(HTTPStatus.NOT_FOUND, "not_found")

    def operate(self, raw: bytes) -> None:
        match (self.command, *self.target_path.strip("/").split("/")):
            case ("GET", "checks"):
                self.answer_json(HTTPStatus.OK, [asdict(each) for each in self.stand_in.checks()])
            case ("GET", "verify", _):
                self.answer(HTTPStatus.OK, FORM, "text/html")
            case ("POST", "verify", uuid) if any(each.uuid == uuid for each in self.stand_in.checks()):
                denied = parse_qs(raw.decode("ascii", "replace")).get("outcome") == ["deny"]
                is_frank = _name(self.stand_in.find(uuid).buyer) == "FRANK DOE"
                outcome = ("denied", "fake_id") if denied or is_frank else ("accepted", None)
                self.stand_in.decide(uuid, *outcome)
                self.answer(HTTPStatus.OK, b"You may go back to the shop.", "text/plain")
            case _:
                super().operate(raw)

    def _created(self, made: Check | None) -> dict[str, Any]:
        if made is None:
            return {"status": "not_created"}
        waits = made.status not in ("accepted", "denied")
        link = {"link": f"{self.stand_in.url}/verify/{made.uuid}"} if waits else {}
        return {"uuid": made.uuid, "status": made.status} | _reason(made) | link


AgeStandIn.handler = _AgeHandler


def _shown(check: Check, *, full: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"status": check.status} | _reason(check)
    if full:
        told |= {"key": KEY, "verification": {"buyer": dict(check.buyer), "created": check.created}}
        told |= {"metadata": dict(check.metadata)} if check.metadata else {}
    return told


def _reason(check: Check) -> dict[str, str]:
    return {"reason": check.reason} if check.reason else {}


def _name(buyer: Mapping[str, Any]) -> str:
    return f"{buyer['first_name']} {buyer['last_name']}".upper()


def _status(buyer: Mapping[str, Any]) -> str:
    return TEST_BUYERS.get(_name(buyer)) or LAST_NAMES.get(str(buyer["last_name"]).upper(), "accepted")


def _age(buyer: Mapping[str, Any], today: date) -> int:
    """The buyer's age. Raises VendorError for a date that does not exist."""
    try:
        born = date(int(buyer["dob_year"]), int(buyer["dob_month"]), int(buyer["dob_day"]))
    except ValueError:
        raise VendorError(HTTPStatus.BAD_REQUEST, "invalid_dob") from None
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
