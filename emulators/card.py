"""A local card processor: the test provider of `shared/ports/card.py`. No real processor has exactly this interface.

API, with `Authorization: Bearer <key>`; errors are `{"error": {"code", "message"}}`:
`POST /v1/operations/<our key>` `{"kind": "authorize" | "capture" | "void" | "refund", ...}`, `GET` the same, `POST
.../abandon`, `GET /v1/settlements?day=&cursor=`. An operation is `{"id", "key", "kind", "status", "amount", "reason",
"next_action"}`, its status succeeded, declined, requires_action, processing or ended; amounts are cents. A repetition
of a key within 24 hours gets the first answer (other terms: 409); later it is done again, as Stripe does.

Tokens (a colon and anything may follow): `ok`, `declined`, `expired` (a decline), `action` (the cardholder confirms on
`/3ds/<key>`: GET shows a page, POST is the confirmation, with `outcome=refuse` the refusal), `silent-done`,
`silent-undone` (the first call of a key gets no answer, and is done or not), `late` (decided after `later_seconds`),
`captures-late` (its capture is). Another token is refused.

Webhooks, signed as `Card-Signature: t=...,v1=...`, at each change: `{"id", "type": "<kind>.<status>", "created",
"data": {"key", "kind"}}`. Each day's captures less fees (2.9 % + 30 cents), refunds and disputes are deposited at six
the next morning (UTC). `GET /operations` shows everything that was really done.

A capture that is disputed is not refunded, nor what a bank has taken back of it (`charge_disputed`).

Disputes: `GET /v1/disputes?since=&cursor=`, `GET /v1/disputes/<id>`; their webhooks are `dispute.<status>` with "key"
(the capture's) and "dispute". A person's commands: `POST /disputes/<capture's key>/open` or `/inquiry` (`?amount=`
cents), `POST /disputes/<id>/opened`, `/won` or `/lost`.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from http import HTTPStatus
from typing import Any, ClassVar, TypeVar
from urllib.parse import parse_qs

from emulators.card_books import Booking, CardBooks, CardDispute, new_id, shown
from emulators.vendor import Answered, Fault, VendorError, VendorHandler, VendorStandIn
from emulators.webhooks import Webhooks, timed_signature
from shared import clock

Read = TypeVar("Read")

API_KEY = "local-card-key"
WEBHOOK_SECRET = "local-card-webhook-secret"  # noqa: S105 - it opens nothing outside this machine
REMEMBERED = timedelta(hours=24)
HELD = timedelta(days=7)
FORM = """<!doctype html><title>Your bank</title><h1>Confirm {amount} USD?</h1><form method="post">
<button name="outcome" value="accept">Confirm</button> <button name="outcome" value="refuse">Refuse</button></form>"""


@dataclass
class CardOperation:
    """An operation as the processor has it; `of` is the authorization or capture that it is about."""

    id: str
    key: str
    kind: str
    status: str
    amount: int
    made_at: datetime
    decided_at: datetime
    source: str = ""
    of: str = ""
    reason: str | None = None
    asked: Mapping[str, Any] | None = None


class CardStandIn(VendorStandIn):
    """The processor. `now` is its clock: days of settlement, 24 hours of keys, seven days of an authorization."""

    handler: ClassVar[type[VendorHandler]]

    def __init__(self, now: Callable[[], datetime] = clock.now) -> None:
        super().__init__(Webhooks("card", "POST", timed_signature("Card-Signature", WEBHOOK_SECRET)))
        self.now = now
        self.books = CardBooks(now)
        self._operations: list[CardOperation] = []
        self._silenced: set[str] = set()
        self._declining: Counter[str] = Counter()

    @property
    def settings(self) -> dict[str, str]:
        return {"CARD_URL": self.url, "CARD_API_KEY": API_KEY, "CARD_WEBHOOK_SECRET": WEBHOOK_SECRET}

    def forget(self) -> None:
        self._operations.clear()
        self.books.clear()
        self._silenced.clear()
        self._declining.clear()

    def operations(self, key: object = None) -> list[CardOperation]:
        """Everything that was really done, or all of it under one key: a second one is a mistake of the caller's."""
        with self.lock:
            self._expire()
            return [each for each in self._operations if key is None or each.key == str(key)]

    def total(self, kind: str) -> int:
        """The cents of all that succeeded of this kind."""
        return sum(each.amount for each in self.operations() if (each.kind, each.status) == (kind, "succeeded"))

    def decline_next(self, kind: str, count: int = 1) -> None:
        """Decline the next operations of this kind, as an issuer might."""
        with self.lock:
            self._declining[kind] += count

    def silence(self, key: str, asked: Mapping[str, Any]) -> Fault | None:
        """The fault that a silent token asks for, once for each key."""
        fault = {"silent-done": Fault.DONE_UNANSWERED, "silent-undone": Fault.UNANSWERED}.get(_token(asked))
        with self.lock:
            if fault is None or key in self._silenced:
                return None
            self._silenced.add(key)
            return fault

    def find(self, key: str) -> CardOperation:
        """The first operation under the key. Raises VendorError."""
        found = self.operations(key)
        if not found:
            raise VendorError(HTTPStatus.NOT_FOUND, "operation_unknown")
        return found[0]

    def take(self, key: str, asked: Mapping[str, Any]) -> CardOperation:
        """Do an operation, or give the first answer of a key that is remembered. Raises VendorError."""
        with self.lock:
            known = self.operations(key)
            if known and (known[-1].asked is None or self.now() - known[-1].made_at < REMEMBERED):
                if known[-1].asked not in (None, asked):
                    raise VendorError(HTTPStatus.CONFLICT, "key_reused")
                return known[-1]
            made = self._made(key, asked)
            self._operations.append(made)
            self._tell(made)
            if made.status == "processing":
                self.later(self.later_seconds, lambda: self.decide(made.id))
            return made

    def decide(self, operation_id: str, status: str = "succeeded") -> bool:
        """Decide what is undecided, as the bank does; False when it was decided or forgotten before."""
        with self.lock:
            made = next((each for each in self._operations if each.id == operation_id), None)
            if made is None or made.status not in ("processing", "requires_action"):
                return False
            made.status, made.decided_at = status, self.now()
            made.reason = "authentication_failed" if status == "declined" else None
            self._tell(made)
            return True

    def abandon(self, key: str) -> CardOperation:
        """End an authorization that waits for its cardholder; one that has not arrived yet will end at once."""
        with self.lock:
            known = self.operations(key)
            if not known:
                at = self.now()
                self._operations.append(CardOperation(new_id("auth"), key, "authorize", "ended", 0, at, at))
            elif known[0].status == "requires_action":
                self.decide(known[0].id, "ended")
            return self.operations(key)[0]

    def settlement(self, day: date, cursor: int) -> dict[str, Any]:
        """A page of what was booked on the day (emulators/card_books.py)."""
        with self.lock:
            return self.books.settlement(
                [
                    Booking(each.id, each.key, each.kind, each.amount, _fee(each), each.decided_at)
                    for each in self._operations
                    if each.status == "succeeded"
                ],
                day,
                cursor,
            )

    def open_dispute(
        self, key: object, amount: int | None = None, *, inquiry: bool = False, withdraw: bool = True
    ) -> CardDispute:
        """Have the buyer's bank dispute the capture of this key, or inquire about it. Raises VendorError."""
        with self.lock:
            made = self.books.open(str(key), amount or self.find(str(key)).amount, inquiry=inquiry, withdraw=withdraw)
            self._tell_dispute(made)
            return made

    def change_dispute(self, dispute_id: str, status: str, *, withdraw: bool = True) -> CardDispute:
        """Decide a dispute as `won` or `lost`, or make an inquiry an `open` one. Raises VendorError."""
        with self.lock:
            changed = self.books.change(dispute_id, status, withdraw=withdraw)
            self._tell_dispute(changed)
            return changed

    def _made(self, key: str, asked: Mapping[str, Any]) -> CardOperation:
        kind = asked.get("kind")
        makers = {"authorize": self._authorize, "capture": self._capture, "void": self._void, "refund": self._refund}
        if kind not in makers:
            raise VendorError(HTTPStatus.UNPROCESSABLE_ENTITY, "kind_unknown")
        amount, status, of = makers[kind](asked)
        if self._declining[kind]:
            self._declining[kind] -= 1
            status = "declined: do_not_honor"
        status, _, reason = status.partition(": ")
        return CardOperation(
            id=new_id("auth" if kind == "authorize" else kind),
            key=key,
            kind=kind,
            status=status,
            amount=amount,
            made_at=self.now(),
            decided_at=self.now(),
            source=_token(asked),
            of=of,
            reason=reason or None,
            asked=asked,
        )

    def _authorize(self, asked: Mapping[str, Any]) -> tuple[int, str, str]:
        status = {
            "ok": "succeeded",
            "silent-done": "succeeded",
            "silent-undone": "succeeded",
            "captures-late": "succeeded",
            "declined": "declined: card_declined",
            "expired": "declined: token_expired",
            "action": "requires_action",
            "late": "processing",
        }.get(_token(asked))
        if status is None:
            raise VendorError(HTTPStatus.UNPROCESSABLE_ENTITY, "token_unknown")
        return _cents(asked), status, ""

    def _capture(self, asked: Mapping[str, Any]) -> tuple[int, str, str]:
        held = self._by_id("authorize", asked.get("authorization"), "authorization_unknown")
        amount = _cents(asked)
        if amount > held.amount:
            raise VendorError(HTTPStatus.UNPROCESSABLE_ENTITY, "amount_too_large")
        status = "processing" if held.source == "captures-late" else "succeeded"
        return amount, self._spent(held) or status, held.id

    def _void(self, asked: Mapping[str, Any]) -> tuple[int, str, str]:
        held = self._by_id("authorize", asked.get("authorization"), "authorization_unknown")
        spent = self._spent(held)
        return held.amount, spent if spent and "captured" in spent else "succeeded", held.id

    def _refund(self, asked: Mapping[str, Any]) -> tuple[int, str, str]:
        taken = self._by_id("capture", asked.get("capture"), "capture_unknown")
        amount = _cents(asked)
        given = sum(
            each.amount
            for each in self._operations
            if (each.kind, each.of) == ("refund", taken.id) and each.status != "declined"
        )
        if given + amount > taken.amount:
            raise VendorError(HTTPStatus.UNPROCESSABLE_ENTITY, "amount_too_large")
        if self.books.is_disputed(taken.key) or given + amount + self.books.withdrawn(taken.key) > taken.amount:
            raise VendorError(HTTPStatus.UNPROCESSABLE_ENTITY, "charge_disputed")
        return amount, "succeeded", taken.id

    def _spent(self, held: CardOperation) -> str | None:
        """The decline for an authorization that holds nothing any more; None while it holds."""
        for each in self._operations:
            if each.of == held.id and each.status in ("succeeded", "processing"):
                return f"declined: already_{'captured' if each.kind == 'capture' else 'voided'}"
        return "declined: authorization_expired" if held.status == "ended" else None

    def _by_id(self, kind: str, operation_id: object, unknown: str) -> CardOperation:
        for each in self.operations():
            if (each.kind, each.id) == (kind, operation_id) and each.status in ("succeeded", "ended"):
                return each
        raise VendorError(HTTPStatus.NOT_FOUND, unknown)

    def _expire(self) -> None:
        """End the authorizations that hold money for longer than a bank lets them."""
        used = {each.of for each in self._operations if each.status in ("succeeded", "processing")}
        for each in self._operations:
            holds = each.kind == "authorize" and each.status == "succeeded" and each.id not in used
            if holds and self.now() - each.decided_at > HELD:
                each.status = "ended"

    def _tell_dispute(self, made: CardDispute) -> None:
        self.webhooks.tell(
            {
                "id": new_id("evt"),
                "type": f"dispute.{made.status}",
                "created": self.now().isoformat(),
                "data": {"key": made.key, "dispute": made.id},
            }
        )

    def _tell(self, made: CardOperation) -> None:
        self.webhooks.tell(
            {
                "id": new_id("evt"),
                "type": f"{made.kind}.{made.status}",
                "created": self.now().isoformat(),
                "data": {"key": made.key, "kind": made.kind},
            }
        )


class _CardHandler(VendorHandler):
    stand_in: CardStandIn

    def authorised(self) -> bool:
        return self.headers.get("authorization") == f"Bearer {API_KEY}"

    def own_fault(self, asked: Mapping[str, Any]) -> Fault | None:
        return self.stand_in.silence(self.target_path, asked) if asked.get("kind") == "authorize" else None

    def done(self, asked: Mapping[str, Any]) -> Answered:
        match (self.command, *self.target_path.strip("/").split("/")):
            case ("GET", "v1", "settlements"):
                day = _query(date.fromisoformat, self.query, "day")
                return HTTPStatus.OK, self.stand_in.settlement(day, self._cursor())
            case ("GET", "v1", "disputes"):
                since = _query(datetime.fromisoformat, self.query, "since")
                with self.stand_in.lock:
                    return HTTPStatus.OK, self.stand_in.books.changed(since, self._cursor())
            case ("GET", "v1", "disputes", dispute_id):
                with self.stand_in.lock:
                    return HTTPStatus.OK, shown(self.stand_in.books.find(dispute_id))
            case ("POST", "v1", "operations", key):
                return HTTPStatus.OK, self._shown(self.stand_in.take(key, asked))
            case ("GET", "v1", "operations", key):
                return HTTPStatus.OK, self._shown(self.stand_in.find(key))
            case ("POST", "v1", "operations", key, "abandon"):
                return HTTPStatus.OK, self._shown(self.stand_in.abandon(key))
        raise VendorError(HTTPStatus.NOT_FOUND, "no_such_route")

    def operate(self, raw: bytes) -> None:
        match (self.command, *self.target_path.strip("/").split("/")):
            case ("GET", "operations"):
                shown = [asdict(each) for each in self.stand_in.operations()]
                times = {"made_at", "decided_at"}
                self.answer_json(
                    HTTPStatus.OK,
                    [{name: str(it) if name in times else it for name, it in each.items()} for each in shown],
                )
            case (method, "3ds", key) if self.stand_in.operations(key):
                self._confirm(method, self.stand_in.operations(key)[0], raw)
            case ("POST", "disputes", subject, what):
                try:
                    self.answer_json(HTTPStatus.OK, self._dispute(subject, what))
                except VendorError as error:
                    self.answer_json(error.status, self.error_body(error.status, error.code))
            case _:
                super().operate(raw)

    def _confirm(self, method: str, made: CardOperation, raw: bytes) -> None:
        if method == "GET":
            self.answer(HTTPStatus.OK, FORM.format(amount=f"{made.amount / 100:.2f}").encode(), "text/html")
            return
        refused = parse_qs(raw.decode("ascii", "replace")).get("outcome") == ["refuse"]
        decided = self.stand_in.decide(made.id, "declined" if refused else "succeeded")
        status = HTTPStatus.OK if decided else HTTPStatus.GONE
        self.answer(status, b"You may go back to the shop." if decided else b"It is too late.", "text/plain")

    def _cursor(self) -> int:
        return _query(int, {"cursor": "0", **self.query}, "cursor")

    def _dispute(self, subject: str, what: str) -> Mapping[str, Any]:
        """Do an operator's command. Raises VendorError."""
        if what in ("open", "inquiry"):
            amount = _query(int, {"amount": "0", **self.query}, "amount")
            return shown(self.stand_in.open_dispute(subject, amount or None, inquiry=what == "inquiry"))
        if what not in ("won", "lost", "opened"):
            raise VendorError(HTTPStatus.NOT_FOUND, "no_such_command")
        return shown(self.stand_in.change_dispute(subject, "open" if what == "opened" else what))

    def _shown(self, made: CardOperation) -> dict[str, Any]:
        action = {"url": f"{self.stand_in.url}/3ds/{made.key}"} if made.status == "requires_action" else None
        return {
            "id": made.id,
            "key": made.key,
            "kind": made.kind,
            "status": made.status,
            "amount": made.amount,
            "reason": made.reason,
            "next_action": action,
        }


CardStandIn.handler = _CardHandler


def _query(read: Callable[[str], Read], query: Mapping[str, str], name: str) -> Read:
    """A parameter of the query. Raises VendorError."""
    try:
        return read(query[name])
    except (KeyError, ValueError):
        raise VendorError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name}_not_valid") from None


def _token(asked: Mapping[str, Any]) -> str:
    return str(asked.get("source", "")).partition(":")[0]


def _cents(asked: Mapping[str, Any]) -> int:
    amount = asked.get("amount")
    if not isinstance(amount, int) or amount <= 0 or asked.get("currency") != "usd":
        raise VendorError(HTTPStatus.UNPROCESSABLE_ENTITY, "amount_not_valid")
    return amount


def _fee(made: CardOperation) -> int:
    return (made.amount * 29 + 500) // 1000 + 30 if made.kind == "capture" else 0
