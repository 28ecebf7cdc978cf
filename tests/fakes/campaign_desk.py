"""Admins at work on mails and campaigns, through the API, and what their mails come to."""

from collections.abc import Mapping
from typing import Any

from shared import db, settings
from shared.db import Tx
from tests.client import FunctionClient

BASE = "/v1/admin/mails"
ADDRESS = "BlakJaks LLC\n1 Main Street <Suite 5>\nAustin, TX 78701"
CONTENT: Mapping[str, Any] = {
    "subject": "News for {tier}",
    "preheader": "What is new this winter",
    "blocks": [
        {"type": "heading", "text": "Hello {name}"},
        {"type": "text", "spans": [{"text": "You have scanned {scans} tins.", "bold": True}]},
        {"type": "button", "text": "Have a look", "link": "https://blakjaks.com/news?a=1&b=2"},
    ],
}


def template(admin: FunctionClient, language: str = "en") -> str:
    """A new template; its id."""
    made = admin.post(f"{BASE}/templates", {"name": "Winter news", "language": language})
    assert made.status == 201, made.body
    return str(made.body["id"])


def version(admin: FunctionClient, content: Mapping[str, Any] = CONTENT, language: str = "en") -> str:
    """A version of a new template; its id."""
    made = admin.post(f"{BASE}/templates/{template(admin, language)}/versions", content)
    assert made.status == 201, made.body
    return str(made.body["id"])


CODE_CONTENT: Mapping[str, Any] = {
    "subject": "Welcome to BlakJaks",
    "preheader": "Your code is inside",
    "blocks": [
        {"type": "heading", "text": "Good to see you, {name}"},
        {"type": "box", "spans": [{"text": "{code}", "bold": True}]},
    ],
}


def key_template(admin: FunctionClient, key: str = "verify_email", language: str = "en") -> str:
    """A new template for the mail of this key; its id."""
    body = {"name": f"Our {key}", "language": language, "kind": "transactional", "key": key}
    made = admin.post(f"{BASE}/templates", body)
    assert made.status == 201, made.body
    return str(made.body["id"])


def replacement(
    admin: FunctionClient, key: str = "verify_email", language: str = "en", content: Mapping[str, Any] = CODE_CONTENT
) -> str:
    """A version of a new template for the mail of this key, not published yet; its id."""
    made = admin.post(f"{BASE}/templates/{key_template(admin, key, language)}/versions", content)
    assert made.status == 201, made.body
    return str(made.body["id"])


def publish(admin: FunctionClient, version_id: str) -> Any:
    """Have the version replace its mail."""
    answer = admin.post(f"{BASE}/versions/{version_id}/publish")
    assert answer.status == 200, answer.body
    return answer.body


def set_postal_address(address: str = ADDRESS) -> None:
    """Have owners set the address that mails of campaigns show."""

    def update(tx: Tx) -> None:
        tx.run(
            "UPDATE settings SET value = to_jsonb(CAST(:address AS text)) WHERE name = 'postal_address'",
            address=address,
        )

    db.atomically(update)
    settings.forget()


def campaign(admin: FunctionClient, segment: Mapping[str, Any] | None = None) -> str:
    """A draft of a campaign; its id."""
    set_postal_address()
    body = {"name": "Winter news", "version_id": version(admin), "segment": segment or {}}
    made = admin.post(f"{BASE}/campaigns", body)
    assert made.status == 201, made.body
    return str(made.body["id"])


def act(admin: FunctionClient, campaign_id: str, verb: str, body: object = None) -> Any:
    """Do something with a campaign, successfully; what it is then."""
    answer = admin.post(f"{BASE}/campaigns/{campaign_id}/{verb}", body if body is not None else {})
    assert answer.status == 200, answer.body
    return answer.body


def started(admin: FunctionClient, segment: Mapping[str, Any] | None = None) -> str:
    """A campaign that has started; its id."""
    made = campaign(admin, segment)
    act(admin, made, "start")
    return made
