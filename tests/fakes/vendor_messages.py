"""Messages as the shop's vendors sign them, made by hand, so that a test can spoil each part."""

import base64
import hmac
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from tests.client import Answer, FunctionClient

JSON = {"Content-Type": "application/json"}
CARD, AGECHECKER, SELERY = "/v1/webhooks/payments/card", "/v1/webhooks/agechecker", "/v1/webhooks/selery"
KINTSUGI, TELLER, BREVO = "/v1/webhooks/kintsugi", "/v1/webhooks/teller", "/v1/webhooks/brevo"
CARD_SIGNATURE, AGECHECKER_SIGNATURE, SELERY_SIGNATURE = "Card-Signature", "X-AgeChecker-Signature", "Selery-Signature"
KINTSUGI_SIGNATURE, TELLER_SIGNATURE = "Kintsugi-Signature", "Teller-Signature"


@dataclass(frozen=True)
class VendorMessage:
    """A message on its way: it is signed when it is made, so that a test which replaces a part leaves it unsigned."""

    method: str
    path: str
    body: bytes
    headers: Mapping[str, str]

    def send(self, client: FunctionClient) -> Answer:
        return client.send(self.method, self.path, self.body, self.headers)

    def with_headers(self, **headers: str) -> "VendorMessage":
        """The same message with other headers; an underscore stands for a hyphen."""
        changed = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers={**self.headers, **changed})


def of_card(
    key: UUID | None, *, event_id: str | None = None, kind: str = "operation.changed", seconds_ago: int = 0
) -> VendorMessage:
    """The card's provider tells that something has become of our operation."""
    told = {"id": event_id or f"evt_{uuid4().hex}", "type": kind, "data": {"key": str(key) if key else None}}
    return signed_card(json.dumps(told).encode(), seconds_ago=seconds_ago)


def of_dispute(dispute: str, key: UUID, *, event_id: str | None = None) -> VendorMessage:
    """The card's provider tells that something has become of a dispute of our capture."""
    data = {"key": str(key), "dispute": dispute}
    return signed_card(
        json.dumps({"id": event_id or f"evt_{uuid4().hex}", "type": "dispute.open", "data": data}).encode()
    )


def of_agechecker(reference: str, status: str = "accepted") -> VendorMessage:
    """AgeChecker tells what a check has come to."""
    return signed_agechecker(json.dumps({"uuid": reference, "status": status}).encode())


def of_selery(
    fulfilment_id: UUID | None, *, event_id: str | None = None, kind: str = "order.shipped", seconds_ago: int = 0
) -> VendorMessage:
    """The warehouse tells that something has become of an order of ours, or of none."""
    data = {"external_id": str(fulfilment_id)} if fulfilment_id else {}
    told = {"id": event_id or f"evt_{uuid4().hex}", "type": kind, "data": data}
    return signed_selery(json.dumps(told).encode(), seconds_ago=seconds_ago)


def of_kintsugi(transaction_id: UUID, *, event_id: str | None = None, seconds_ago: int = 0) -> VendorMessage:
    """The tax service tells that it has a sale or refund of ours."""
    data = {"id": "txn_1", "external_id": str(transaction_id)}
    told = {"id": event_id or f"evt_{uuid4().hex}", "type": "transaction.created", "data": data}
    secret = os.environ["KINTSUGI_WEBHOOK_SECRET"]
    return _timed(KINTSUGI, KINTSUGI_SIGNATURE, json.dumps(told).encode(), secret, seconds_ago=seconds_ago)


def of_teller(enrollment_id: str, *, event_id: str | None = None) -> VendorMessage:
    """Teller tells that a bank wants its owner again."""
    payload = {"enrollment_id": enrollment_id, "reason": "disconnected"}
    told = {"id": event_id or f"wh_{uuid4().hex}", "type": "enrollment.disconnected", "payload": payload}
    secret, _, _ = os.environ["TELLER_WEBHOOK_SECRET"].partition(",")
    return _timed(TELLER, TELLER_SIGNATURE, json.dumps(told).encode(), secret, seconds_ago=0)


def of_brevo(email: str, event: str, *, seconds_ago: int = 0) -> VendorMessage:
    """The mail provider tells what has become of a mail to this address; it shows a token and signs nothing."""
    moment = int(time.time()) - seconds_ago
    told = {"event": event, "email": email, "id": 26224, "ts_event": moment, "message-id": "<1@smtp-relay.mailin.fr>"}
    return shown_by_brevo(json.dumps(told).encode())


def shown_by_brevo(body: bytes, *, token: str | None = None) -> VendorMessage:
    """Any body with the mail provider's token, as the gateway hands it on."""
    shown = token or os.environ["BREVO_WEBHOOK_TOKENS"]
    return VendorMessage("POST", BREVO, body, {**JSON, "X-Forwarded-Authorization": f"Bearer {shown}"})


def signed_card(body: bytes, *, seconds_ago: int = 0, secret: str | None = None) -> VendorMessage:
    """Any body with the signature of the card's provider, of so many seconds ago."""
    key = secret or os.environ["CARD_WEBHOOK_SECRET"]
    return _timed(CARD, CARD_SIGNATURE, body, key, seconds_ago=seconds_ago)


def signed_selery(body: bytes, *, seconds_ago: int = 0, secret: str | None = None) -> VendorMessage:
    """Any body with the warehouse's signature, of so many seconds ago."""
    key = secret or os.environ["SELERY_WEBHOOK_SECRET"]
    return _timed(SELERY, SELERY_SIGNATURE, body, key, seconds_ago=seconds_ago)


def _timed(path: str, header: str, body: bytes, secret: str, *, seconds_ago: int) -> VendorMessage:
    moment = str(int(time.time()) - seconds_ago)
    made = hmac.digest(secret.encode(), f"{moment}.".encode() + body, "sha256").hex()
    return VendorMessage("POST", path, body, {**JSON, header: f"t={moment},v1={made}"})


def signed_agechecker(body: bytes, *, secret: str | None = None) -> VendorMessage:
    """Any body with AgeChecker's signature."""
    made = hmac.digest((secret or os.environ["AGECHECKER_SECRET"]).encode(), body, "sha1")
    return VendorMessage("PUT", AGECHECKER, body, {**JSON, AGECHECKER_SIGNATURE: base64.b64encode(made).decode()})
