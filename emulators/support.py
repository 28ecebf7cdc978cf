"""A local Intercom: contacts, events and conversations, and the door of its messenger, in the shapes of its API.

`POST /contacts`, `GET|PUT|DELETE /contacts/<id>`, `GET /contacts/find_by_external_id/<id>`, `POST /events` (202 with an
empty body), `POST /conversations`, `POST /conversations/search`, `DELETE /conversations/<id>`; errors are
{"type": "error.list", "errors": [{"code", "message"}]}. https://developers.intercom.com/docs/references/rest-api

A second contact of one external id or address is refused with 409, whose message names the first one. Two events of one
name, contact and second are one. A conversation is found by a search only after SEARCH_LAG. It lies when a test asks
for it (`lie_next`). `POST /messenger/boot` takes a member's token as the messenger does, and knows the contact from
then on; `GET /desk` shows everything that is known.

Differs from Intercom: no leads, teammates, replies and tags; a search knows the two fields that we ask for.
"""

import collections
import enum
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, ClassVar

import jwt

from emulators.vendor import Answered, VendorError, VendorHandler, VendorStandIn
from emulators.webhooks import Webhooks
from shared import clock

ACCESS_TOKEN = "local-intercom-access-token"  # noqa: S105 - it opens nothing outside this machine
MESSENGER_SECRET = "local-intercom-messenger-secret-of-32-bytes"  # noqa: S105 - likewise
SEARCH_LAG = timedelta(minutes=3)
OPERATORS = ("/messenger/boot", "/desk")


class Lie(enum.Enum):
    """The ways in which an answer to something that was done can be wrong."""

    OTHER_CONTACT = "it is about another contact"
    NO_ID = "it has no id"
    NOT_DELETED = "it says that nothing was deleted"


@dataclass
class KnownContact:
    """A contact as Intercom keeps it."""

    id: str
    external_id: str | None
    email: str
    name: str
    custom_attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class KnownEvent:
    """An event; two equal ones are one."""

    event_name: str
    created_at: int
    user_id: str
    metadata: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Conversation:
    """A conversation that a contact has opened."""

    id: str
    contact_id: str
    body: str
    created_at: datetime


class SupportStandIn(VendorStandIn):
    """The service, whose clock is `now`."""

    handler: ClassVar[type[VendorHandler]]

    def __init__(self, now: Callable[[], datetime] = clock.now) -> None:
        super().__init__(Webhooks("support", "POST", lambda _: {}))  # nothing of ours hears them
        self.now = now
        self.calls = 0
        self.contacts: dict[str, KnownContact] = {}
        self.events: list[KnownEvent] = []
        self.conversations: dict[str, Conversation] = {}
        self._lies: collections.deque[Lie] = collections.deque()

    @property
    def settings(self) -> dict[str, str]:
        return {
            "INTERCOM_URL": self.url,
            "INTERCOM_ACCESS_TOKEN": ACCESS_TOKEN,
            "INTERCOM_MESSENGER_SECRET": MESSENGER_SECRET,
        }

    def forget(self) -> None:
        self.calls = 0
        self.contacts.clear()
        self.events.clear()
        self.conversations.clear()
        self._lies.clear()

    def lie_next(self, lie: Lie) -> None:
        """Have the next answer to which this applies be wrong in this way."""
        with self.lock:
            self._lies.append(lie)

    def contact_of(self, external_id: object) -> KnownContact | None:
        """The contact of one of our ids."""
        return next((each for each in self.contacts.values() if each.external_id == str(external_id)), None)

    def boot(self, token: object) -> KnownContact:
        """Open the messenger with a member's token, which makes the contact known. Raises VendorError."""
        try:
            claims = jwt.decode(
                str(token),
                MESSENGER_SECRET,
                algorithms=["HS256"],
                options={"require": ["exp", "user_id", "email"], "verify_exp": False},
            )
        except jwt.PyJWTError:
            raise VendorError(HTTPStatus.BAD_REQUEST, "parameter_invalid") from None
        if claims["exp"] <= self.now().timestamp():
            raise VendorError(HTTPStatus.BAD_REQUEST, "token_expired")
        with self.lock:
            known = self.contact_of(claims["user_id"])
            return known or self._made(claims["user_id"], claims["email"])

    def put(self, asked: Mapping[str, Any], contact_id: str | None = None) -> dict[str, Any]:
        """Create a contact, or change one. Raises VendorError."""
        with self.lock:
            known = self.found(contact_id) if contact_id else None
            for other in self.contacts.values():
                if other is not known and asked.get("external_id") == other.external_id:
                    raise VendorError(HTTPStatus.CONFLICT, f"conflict {other.id}")
                if other is not known and asked.get("email") == other.email:
                    raise VendorError(HTTPStatus.CONFLICT, f"conflict {other.id}")
            made = known or self._made(None, "")
            made.external_id = asked.get("external_id")
            made.email, made.name = str(asked.get("email")), str(asked.get("name"))
            made.custom_attributes |= asked.get("custom_attributes", {})
            return self._told(_shown(made), Lie.OTHER_CONTACT)

    def found(self, contact_id: str) -> KnownContact:
        """The contact. Raises VendorError."""
        if contact_id not in self.contacts:
            raise VendorError(HTTPStatus.NOT_FOUND, "not_found")
        return self.contacts[contact_id]

    def find(self, external_id: str) -> dict[str, Any]:
        """The contact of one of our ids. Raises VendorError."""
        with self.lock:
            known = self.contact_of(external_id)
            if known is None:
                raise VendorError(HTTPStatus.NOT_FOUND, "not_found")
            return _shown(known)

    def hear(self, asked: Mapping[str, Any]) -> None:
        """Take an event. Raises VendorError for one of nobody."""
        with self.lock:
            if self.contact_of(asked.get("user_id")) is None:
                raise VendorError(HTTPStatus.NOT_FOUND, "not_found")
            metadata = tuple(sorted(asked.get("metadata", {}).items()))
            made = KnownEvent(str(asked["event_name"]), int(asked["created_at"]), str(asked["user_id"]), metadata)
            if made not in self.events:
                self.events.append(made)

    def open(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Open a conversation. Raises VendorError."""
        with self.lock:
            contact = self.found(str(asked["from"]["id"]))
            made = Conversation(str(secrets.randbelow(10**9)), contact.id, str(asked["body"]), self.now())
            self.conversations[made.id] = made
            answer = {"type": "user_message", "id": str(secrets.randbelow(10**9)), "conversation_id": made.id}
            return self._told(answer, Lie.NO_ID)

    def search(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The conversations of a contact that a search finds by now."""
        wanted = {each["field"]: each["value"] for each in asked["query"]["value"]}
        until, since = self.now() - SEARCH_LAG, wanted.get("created_at", 0)
        with self.lock:
            found = [
                each
                for each in self.conversations.values()
                if each.contact_id == wanted["contact_ids"] and since < each.created_at.timestamp()
                if each.created_at <= until
            ]
        shown = [
            {"type": "conversation", "id": each.id, "source": {"type": "conversation", "body": f"<p>{each.body}</p>"}}
            for each in found
        ]
        return {"type": "conversation.list", "conversations": shown[: asked["pagination"]["per_page"]]}

    def delete(self, kind: str, identity: str) -> dict[str, Any]:
        """Delete a contact or a conversation. Raises VendorError."""
        kept: dict[str, Any] = self.contacts if kind == "contacts" else self.conversations
        with self.lock:
            if kept.pop(identity, None) is None:
                raise VendorError(HTTPStatus.NOT_FOUND, "not_found")
            return self._told({"id": identity, "object": kind[:-1], "deleted": True}, Lie.NOT_DELETED)

    def _made(self, external_id: str | None, email: str) -> KnownContact:
        made = KnownContact(secrets.token_hex(12), external_id, email, "")
        self.contacts[made.id] = made
        return made

    def _told(self, answer: dict[str, Any], possible: Lie) -> dict[str, Any]:
        """The answer, or a wrong one if that was asked for."""
        if not self._lies or self._lies[0] is not possible:
            return answer
        wrong: dict[Lie, dict[str, Any]] = {
            Lie.OTHER_CONTACT: {"id": secrets.token_hex(12), "external_id": secrets.token_hex(16)},
            Lie.NO_ID: {"conversation_id": None},
            Lie.NOT_DELETED: {"deleted": False},
        }
        return answer | wrong[self._lies.popleft()]


class _SupportHandler(VendorHandler):
    stand_in: SupportStandIn

    def do_PUT(self) -> None:  # noqa: N802 - the name is the base class's
        self._serve()

    def do_DELETE(self) -> None:  # noqa: N802 - the name is the base class's
        self._serve()

    def is_for_operators(self) -> bool:
        return self.target_path in OPERATORS

    def authorised(self) -> bool:
        self.stand_in.calls += 1
        return self.headers.get("authorization") == f"Bearer {ACCESS_TOKEN}"

    def error_body(self, status: int, code: str) -> Mapping[str, Any]:
        del status
        name, _, contact_id = code.partition(" ")
        message = f"A contact matching those details already exists with id={contact_id}" if contact_id else name
        return {"type": "error.list", "request_id": "local", "errors": [{"code": name, "message": message}]}

    def done(self, asked: Mapping[str, Any]) -> Answered:
        match (self.command, *self.target_path.strip("/").split("/")):
            case ("POST", "events"):
                self.stand_in.hear(asked)
                return HTTPStatus.ACCEPTED, {}
            case ("POST", "conversations"):
                return HTTPStatus.OK, self.stand_in.open(asked)
            case ("POST", "conversations", "search"):
                return HTTPStatus.OK, self.stand_in.search(asked)
            case ("DELETE", ("contacts" | "conversations") as kind, identity):
                return HTTPStatus.OK, self.stand_in.delete(kind, identity)
        return HTTPStatus.OK, self._contact(asked)

    def _contact(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        match (self.command, *self.target_path.strip("/").split("/")):
            case ("POST", "contacts"):
                return self.stand_in.put(asked)
            case ("PUT", "contacts", contact_id):
                return self.stand_in.put(asked, contact_id)
            case ("GET", "contacts", "find_by_external_id", external_id):
                return self.stand_in.find(external_id)
            case ("GET", "contacts", contact_id):
                return _shown(self.stand_in.found(contact_id))
        raise VendorError(HTTPStatus.NOT_FOUND, "not_found")

    def answer_json(self, status: int, value: object, headers: Mapping[str, str] | None = None) -> None:
        """Answer with JSON; an event that was taken gets an empty answer."""
        if status == HTTPStatus.ACCEPTED:
            self.answer(status)
        else:
            super().answer_json(status, value, headers)

    def operate(self, raw: bytes) -> None:
        stand_in = self.stand_in
        if (self.command, self.target_path) == ("POST", "/messenger/boot"):
            try:
                self.answer_json(HTTPStatus.OK, _shown(stand_in.boot(raw.decode().strip())))
            except VendorError as error:
                self.answer_json(error.status, self.error_body(error.status, error.code))
            return
        with stand_in.lock:
            conversations = [asdict(each) | {"created_at": str(each.created_at)} for each in
                             stand_in.conversations.values()]  # fmt: skip
            shown = {
                "contacts": [asdict(each) for each in stand_in.contacts.values()],
                "events": [asdict(each) for each in stand_in.events],
                "conversations": conversations,
            }
        self.answer_json(HTTPStatus.OK, shown)


SupportStandIn.handler = _SupportHandler


def _shown(contact: KnownContact) -> dict[str, Any]:
    return {"type": "contact", "role": "user", **asdict(contact)}
