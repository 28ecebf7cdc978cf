"""Requests as bytes: as the gateway sends them to a function's own port, and as clients send them to the gateway.

At the function's own port a request looks as on Cloud Run, which has checked the OIDC token of the gateway (or the
queue) and passes it on without its signature: https://cloud.google.com/run/docs/troubleshooting#signature-removed
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from emulators import cloud, contract
from emulators.stack import Stack
from shared.auth import SIGNATURE_REMOVED
from shared.web import edge
from terraform.functions import Function

NOBODY = str(UUID(int=0))
CLIENT_ADDRESS = "203.0.113.7"
USER_AGENT = "bench"
# The cheapest real request of each HTTP function whose first GET is not the cheapest, or that has none.
CHEAPEST: Mapping[str, tuple[str, str, object]] = {
    "auth": ("GET", "/.well-known/jwks.json", None),
    "admin_members": ("GET", "/v1/admin/members/{caller}/tier", None),
    "notifications": ("GET", "/v1/notifications/unread-count", None),
    "realtime": ("POST", "/v1/realtime/token", None),
    "wallet": ("POST", "/v1/wallet/challenge", {"address": "0x000000000000000000000000000000000000dEaD"}),
    "webhooks": ("PUT", "/v1/webhooks/agechecker", {"uuid": NOBODY, "status": "accepted"}),
    "wholesale": ("POST", "/v1/wholesale/apply", {
        "company_name": "Bench LLC", "contact_name": "Bench", "email": "bench@business.example.com",
        "business_address": {"address_line1": "1 Main St", "city": "Reno", "state": "NV", "zip_code": "89501"},
        "tax_id": "12-3456789",
    }),
}  # fmt: skip
ONCE = frozenset({"wholesale"})  # a second one is refused: it is repeated under its key, and answered as the first
# A delivery for each job: a real message about something that does not exist, or its schedule if that is brief.
DELIVERIES: Mapping[str, tuple[str, object]] = {
    "avatar_publish": ("avatar-publish", {"avatar_id": NOBODY}),
    "campaign_send": ("campaign-send", {"campaign_id": NOBODY, "done_number": 0}),
    "broadcast_send": ("broadcast-send", {"broadcast_id": NOBODY, "done_number": 0}),
    "member_erase": ("member-erase", {"member_id": NOBODY, "is_last_look": False}),
    "member_export": ("member-export", {"export_id": NOBODY}),
    "codes_change": ("codes-change", {"change_id": NOBODY, "chunk": 0}),
    "codes_import": ("codes-import", {"import_id": NOBODY, "chunk": 0}),
    "codes_generate": ("codes-generate", {"batch_id": NOBODY, "chunk": 0}),
    "email_send": ("mail-queued", {"mail_id": NOBODY}),
    "feed_project": ("notification-changed", {"notification_id": NOBODY}),
    "inventory_sync": ("inventory-sync", {}),
    "notify": ("notification-made", {"notification_id": NOBODY}),
    "outbox_relay": ("outbox-filled", {}),
    "payout_send": ("payout-send-member", {"payout_id": NOBODY, "treasury": "member"}),
    "withdrawal_confirm": ("withdrawal-confirm", {"withdrawal_id": NOBODY}),
}


class NoCall(LookupError):
    """Raised when neither table says how to call this function."""


@dataclass(frozen=True)
class Call:
    """An HTTP request; `text` is all of it."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""

    @property
    def text(self) -> str:
        given = {"Host": "bench", "User-Agent": USER_AGENT, **self.headers}
        if self.body:
            given |= {"Content-Type": "application/json", "Content-Length": str(len(self.body))}
        lines = [f"{self.method} {self.target} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
        return "\r\n".join(lines) + "\r\n\r\n" + self.body


def scan(token: str, code: str, gateway_headers: Mapping[str, str] | None = None) -> Call:
    """A scan as the app sends it, with an Idempotency-Key; for the function's own port if
    `gateway_headers` are given.
    """
    name = "X-Forwarded-Authorization" if gateway_headers else "Authorization"
    headers = {name: f"Bearer {token}", "Idempotency-Key": str(uuid4()), **(gateway_headers or {})}
    return Call("POST", "/v1/scans/submit", headers, json.dumps({"code": code, "method": "qr"}))


def gateway_headers(stack: Stack, function: str) -> dict[str, str]:
    """The headers that the gateway adds before a function sees a request."""
    return {
        "Authorization": f"Bearer {_checked(stack, cloud.GATEWAY_ACCOUNT, function)}",
        **edge_headers(stack),
    }


def edge_headers(stack: Stack) -> dict[str, str]:
    """The headers that the load balancer adds."""
    return {edge.ADDRESS_HEADER: CLIENT_ADDRESS, edge.KEY_HEADER: stack.environment["EDGE_KEYS"]}


def cheapest(stack: Stack, function: Function, token: str) -> Call:
    """A real, authorised request that asks as little as possible; a delivery for a job. Raises NoCall."""
    if function.site:
        return Call("GET", "/live.json", edge_headers(stack))
    if function.gateway:
        method, path, body = request_of(function)
        headers = gateway_headers(stack, function.name) | {"X-Forwarded-Authorization": f"Bearer {token}"}
        path = path.replace("{caller}", _subject(token))
        if function.name in ONCE:
            headers["Idempotency-Key"] = "bench"
        text = json.dumps(body) if body is not None else ""
        if function.name == "webhooks":
            signed = stack.vendors.ages.webhooks.signed(text.encode())
            headers |= {name: value for name, value in signed.items() if name != "content-type"}  # `Call` has its own
        return Call(method, path, headers, text)
    bearer = {"Authorization": f"Bearer {_checked(stack, cloud.INVOKER_ACCOUNT, function.name)}"}
    if function.name in DELIVERIES:
        kind, message = DELIVERIES[function.name]
        return _pushed(bearer, kind, message) if kind in function.topics else _task(bearer, kind, message)
    schedules = [*(schedule.name for schedule in function.schedules), *function.on_deploy]
    if schedules:
        return Call("POST", "/", bearer, json.dumps({"schedule": schedules[0]}))
    raise NoCall(f"calls.py has no delivery for {function.name}")


def request_of(function: Function) -> tuple[str, str, object]:
    """The method, path and body of the cheapest request of an HTTP function. Raises NoCall."""
    if function.name in CHEAPEST:
        return CHEAPEST[function.name]
    for operation in contract.operations():
        if operation.function == function.name and operation.method == "GET" and "{" not in operation.template:
            return "GET", operation.template, None
    raise NoCall(f"calls.py has no request for {function.name}")


def _subject(token: str) -> str:
    """The id of the member in an access token."""
    content = token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(content + "=" * (-len(content) % 4)))["sub"])


def _pushed(bearer: Mapping[str, str], topic: str, message: object) -> Call:
    data = base64.b64encode(json.dumps(message).encode()).decode()
    pushed = {"data": data, "attributes": {"topic": topic}, "messageId": "1"}
    return Call("POST", "/", bearer, json.dumps({"message": pushed, "subscription": "bench"}))


def _task(bearer: Mapping[str, str], queue: str, message: object) -> Call:
    headers = {**bearer, "X-CloudTasks-QueueName": queue, "X-CloudTasks-TaskName": "bench"}
    return Call("POST", "/", headers, json.dumps(message))


def _checked(stack: Stack, account: str, function: str) -> str:
    """A token in the form in which Cloud Run passes it on after checking it."""
    token = stack.identity.mint(account, stack.function_url(function))
    return f"{token.rpartition('.')[0]}.{SIGNATURE_REMOVED}"
