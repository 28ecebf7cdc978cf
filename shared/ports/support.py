"""Intercom: contacts, events and conversations of members who ask for support, and the token of its messenger.

INTERCOM_URL (https://api.intercom.io unless given; the EU's and Australia's workspaces have others),
INTERCOM_ACCESS_TOKEN, INTERCOM_MESSENGER_SECRET. Either of the two may be missing or blank: what it is needed for is
then not configured. Reference: https://developers.intercom.com/docs/references/rest-api (version 2.14).

A contact is one of ours by its `external_id`, the account's id. Nothing has an idempotency key there: a contact that is
created twice is refused with 409, an event of one name, contact and second counts once, and a conversation must be
looked for before it is opened again.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID

from shared.ports import outcomes, vendors
from shared.ports.vendors import VendorFailure, VendorMisconfigured, VendorRefused, VendorReply, VendorSilent

URL_DEFAULT = "https://api.intercom.io"
VERSION = "2.14"
ALGORITHM = "HS256"
DUPLICATES_MAX = 5  # contacts of one member that are deleted in one go
CONVERSATIONS_MAX = 150  # that one search returns
FORGOTTEN_AT_ONCE_MAX = 20  # conversations that are deleted in one go
CONFLICT_ID = re.compile(r"id=([A-Za-z0-9_-]{1,100})")
INTERCOM_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
OF_ANOTHER = "contact_of_another"


@dataclass(frozen=True)
class Contact:
    """A member as Intercom may know them."""

    external_id: UUID
    email: str
    name: str
    attributes: Mapping[str, str | bool]

    def __repr__(self) -> str:
        return f"Contact({self.external_id}, ...)"  # the rest must not get into a log


@dataclass(frozen=True)
class SupportEvent:
    """Something that has happened to a member, at a second."""

    external_id: UUID
    name: str
    at: datetime
    metadata: Mapping[str, str]


def is_messenger_configured() -> bool:
    """True when tokens for the messenger can be signed."""
    return bool(_secret("INTERCOM_MESSENGER_SECRET"))


def is_configured() -> bool:
    """True when Intercom can be asked."""
    return bool(_secret("INTERCOM_ACCESS_TOKEN"))


def identity_token(member_id: UUID, email: str, expires_at: datetime) -> str:
    """The token by which Intercom's messenger knows the member; the same arguments always give the same token.

    Raises VendorMisconfigured without the messenger's secret.
    """
    import jwt

    secret = _secret("INTERCOM_MESSENGER_SECRET")
    if not secret:
        raise VendorMisconfigured("no messenger secret")
    claims = {"user_id": str(member_id), "email": email, "exp": int(expires_at.timestamp())}
    return jwt.encode(claims, secret, ALGORITHM)


def put_contact(contact: Contact, known: str | None) -> str:
    """Create the contact, or change the one that there is; returns Intercom's id of it. Harmless twice.

    `known` is the id that it had last. Raises VendorSilent, VendorMisconfigured, VendorRefused (OF_ANOTHER when
    Intercom has the address as that of another member).
    """
    asked = {
        "role": "user",
        "external_id": str(contact.external_id),
        "email": contact.email,
        "name": contact.name,
        "custom_attributes": dict(contact.attributes),
    }
    if known is not None:
        reply = _ask("PUT", f"/contacts/{known}", asked)
        if not _is_missing(reply):
            return _contact_id(_accepted(reply), contact.external_id)
    reply = _ask("POST", "/contacts", asked)
    if reply.status != HTTPStatus.CONFLICT:
        return _contact_id(_accepted(reply), contact.external_id)
    existing = _existing(reply, contact.external_id)
    return _contact_id(_accepted(_ask("PUT", f"/contacts/{existing}", asked)), contact.external_id)


def tell(event: SupportEvent) -> None:
    """Tell of an event; Intercom counts it once. Raises VendorSilent, VendorMisconfigured, VendorRefused."""
    asked = {
        "event_name": event.name,
        "created_at": int(event.at.timestamp()),
        "user_id": str(event.external_id),
        "metadata": dict(event.metadata),
    }
    reply = _ask("POST", "/events", asked)
    if reply.status != HTTPStatus.ACCEPTED:
        _accepted(reply)
        raise VendorSilent(f"{reply.status} instead of 202")


def open_conversation(contact_id: str, text: str) -> str:
    """Open a conversation in the contact's name; returns its id. Another call opens another one.

    Raises VendorSilent (it may be open all the same), VendorMisconfigured, VendorRefused.
    """
    asked = {"from": {"type": "user", "id": contact_id}, "body": text}
    return _reference(_accepted(_ask("POST", "/conversations", asked)), "conversation_id")


def find_conversation(contact_id: str, mark: str, since: datetime) -> str | None:
    """The id of the contact's conversation whose first message contains `mark`; None if there is none. One that is a
    few minutes old may not be found yet. Raises VendorSilent, VendorMisconfigured, VendorRefused.
    """
    for found in _conversations(contact_id, since - timedelta(days=1)):  # Intercom compares days, of any time zone
        source = found.get("source")
        if isinstance(source, dict) and mark in str(source.get("body")):
            return _reference(found, "id")
    return None


def forget(external_id: UUID, known: str | None) -> bool:
    """Delete the member's contacts with their conversations; False if there is more to delete. Harmless twice.

    Raises VendorSilent, VendorMisconfigured, VendorRefused.
    """
    if known is not None and not _delete_contact(known):
        return False
    for _ in range(DUPLICATES_MAX):
        found = _find(external_id)
        if found is None:
            return True
        if not _delete_contact(found):
            return False
    return False


def _delete_contact(contact_id: str) -> bool:
    """Delete the conversations first, because without the contact nothing leads to them. False if there are more."""
    found = _conversations(contact_id, None)
    for conversation in found[:FORGOTTEN_AT_ONCE_MAX]:
        _gone(_ask("DELETE", f"/conversations/{_reference(conversation, 'id')}"))
    if len(found) > FORGOTTEN_AT_ONCE_MAX:
        return False
    _gone(_ask("DELETE", f"/contacts/{contact_id}"))
    return True


def _conversations(contact_id: str, since: datetime | None) -> Sequence[Mapping[str, Any]]:
    """The contact's conversations, those of one page."""
    filters: list[object] = [{"field": "contact_ids", "operator": "=", "value": contact_id}]
    if since is not None:
        filters.append({"field": "created_at", "operator": ">", "value": int(since.timestamp())})
    asked = {"query": {"operator": "AND", "value": filters}, "pagination": {"per_page": CONVERSATIONS_MAX}}
    found = _accepted(_ask("POST", "/conversations/search", asked)).get("conversations")
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise VendorSilent("the answer is no list of conversations")
    return found


def _find(external_id: UUID) -> str | None:
    """Intercom's id of the member's contact; None if there is none."""
    reply = _ask("GET", f"/contacts/find_by_external_id/{external_id}")
    return None if _is_missing(reply) else _contact_id(_accepted(reply), external_id)


def _existing(conflict: VendorReply, external_id: UUID) -> str:
    """Intercom's id of the contact that is in the way: the member's own, or one that is nobody's yet.

    Raises VendorRefused(OF_ANOTHER) for another member's: whose conversations it has is for people to say.
    """
    own = _find(external_id)
    if own is not None:
        return own
    named = CONFLICT_ID.search(_message(conflict))
    if named is None:
        raise VendorSilent("a conflict with a contact that cannot be found")
    found = _accepted(_ask("GET", f"/contacts/{named[1]}"))
    if found.get("external_id") not in (None, "", str(external_id)):
        raise VendorRefused(OF_ANOTHER)
    return _reference(found, "id")


def _ask(method: str, path: str, body: object = None) -> VendorReply:
    token = _secret("INTERCOM_ACCESS_TOKEN")
    with outcomes.asking("intercom", VendorFailure):
        if not token:
            raise VendorMisconfigured("no access token")
        headers = {"authorization": f"Bearer {token}", "intercom-version": VERSION}
        url = os.environ.get("INTERCOM_URL", URL_DEFAULT) + path
        answer = vendors.send(method, url, headers, body)
        if answer.status in vendors.KEYS_WRONG:
            raise VendorMisconfigured(str(answer.status))
        if answer.status == HTTPStatus.ACCEPTED and not answer.content.strip():
            return VendorReply(answer.status, {})
        return VendorReply(answer.status, vendors.json_object(answer.content, str(answer.status)))


def _accepted(reply: VendorReply) -> Mapping[str, Any]:
    """The answer's body. Raises VendorRefused for a refusal in Intercom's shape, VendorSilent for another."""
    if reply.ok:
        return reply.body
    code = _error(reply).get("code")
    if code is None:
        raise VendorSilent(str(reply.status))
    raise VendorRefused(vendors.slug(code))


def _gone(reply: VendorReply) -> None:
    """Check that something was deleted, now or before. Raises VendorSilent, VendorRefused."""
    if not _is_missing(reply) and _accepted(reply).get("deleted") is not True:
        raise VendorSilent("the answer does not say that it is deleted")


def _is_missing(reply: VendorReply) -> bool:
    """True if Intercom itself says that there is no such thing, or that it was merged into another."""
    return reply.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE) and "code" in _error(reply)


def _error(reply: VendorReply) -> Mapping[str, Any]:
    """The first error of an answer; empty if it has none in Intercom's shape."""
    errors = reply.body.get("errors") if reply.body.get("type") == "error.list" else None
    first = errors[0] if isinstance(errors, list) and errors else None
    return first if isinstance(first, dict) else {}


def _message(reply: VendorReply) -> str:
    return str(_error(reply).get("message"))


def _contact_id(body: Mapping[str, Any], external_id: UUID) -> str:
    """Intercom's id in an answer about this member. Raises VendorSilent."""
    if body.get("external_id") != str(external_id):
        raise VendorSilent("the answer is about another contact")
    return _reference(body, "id")


def _reference(body: Mapping[str, Any], name: str) -> str:
    """A reference of Intercom's, which becomes a part of addresses. Raises VendorSilent."""
    said = body.get(name)
    if not isinstance(said, str) or not INTERCOM_ID.fullmatch(said):
        raise VendorSilent(f"the answer has no {name}")
    return said


def _secret(name: str) -> str:
    return os.environ.get(name, "").strip()
