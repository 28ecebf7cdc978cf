"""FCM's HTTP v1, as far as one message to one Android device needs it, and a view of the accepted messages.

https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send, errors as in
https://firebase.google.com/docs/cloud-messaging/error-codes. Besides, `GET /pushes?token=`, newest first.

Limits: 4096 bytes of data and notification, a time to live of four weeks, and names of data that are Google's
(https://firebase.google.com/docs/cloud-messaging/concept-options). FCM answers 429 above 600,000 messages a minute of a
project, and also above a rate per device (https://firebase.google.com/docs/cloud-messaging/throttling-and-quotas).

Differs from FCM: the bearer token is not checked; of a message only what our port sends is checked; any token of 32 or
more letters, digits, `_`, `:` and `-` is registered until the stand-in is told otherwise; there is no rate limit but
the faults that a test asks for.
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from emulators.http_server import Handler
from emulators.push.box import BODY_BYTES_MAX, MESSAGE_BYTES_MAX, AskedFault, Fault, PushBox, TakenPush

SEND_PATH = re.compile(r"/v1/projects/([^/]+)/messages:send")
TOKEN = re.compile(r"[\w:-]{32,4096}", re.ASCII)
RESERVED_KEY = re.compile(r"from|notification|message_type|(?:google|gcm).*")
TTL_SECONDS_MAX = (
    28 * 24 * 3600
)  # https://firebase.google.com/docs/cloud-messaging/customize-messages/setting-message-lifespan
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
STATUS_NAMES = {
    HTTPStatus.BAD_REQUEST: "INVALID_ARGUMENT",
    HTTPStatus.FORBIDDEN: "PERMISSION_DENIED",
    HTTPStatus.NOT_FOUND: "NOT_FOUND",
    HTTPStatus.TOO_MANY_REQUESTS: "RESOURCE_EXHAUSTED",
    HTTPStatus.INTERNAL_SERVER_ERROR: "INTERNAL",
    HTTPStatus.SERVICE_UNAVAILABLE: "UNAVAILABLE",
}
FAULT_CODES = {
    Fault.TOO_MANY_REQUESTS: "QUOTA_EXCEEDED",
    Fault.INTERNAL_ERROR: "INTERNAL",
    Fault.UNAVAILABLE: "UNAVAILABLE",
}


class FcmFault(Exception):
    """Raised to answer with an error; `code` is FCM's own, beside the status name that all Google APIs have."""

    def __init__(self, status: HTTPStatus, message: str, code: str = "", field: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.headers: Mapping[str, str] = {}
        self._details: list[dict[str, Any]] = []
        if code:
            self._details.append({"@type": FCM_ERROR, "errorCode": code})
        if field:
            violation = {"field": field, "description": message}
            self._details.append({"@type": BAD_REQUEST, "fieldViolations": [violation]})

    @property
    def content(self) -> dict[str, Any]:
        error = {"code": int(self.status), "message": str(self), "status": STATUS_NAMES[self.status]}
        return {"error": error | ({"details": self._details} if self._details else {})}


class FcmHandler(Handler):
    """The handler for the one project that exists; it stores what it accepts in the box."""

    box: PushBox
    project_id: str

    def do_POST(self) -> None:  # noqa: N802 - the name is the base class's
        try:
            self._check_project()
            push = _read(self._message())
            self._decide(push, self.box.next_fault(push.token))
        except FcmFault as fault:
            self.answer_json(fault.status, fault.content, fault.headers)

    def do_GET(self) -> None:  # noqa: N802 - the name is the base class's
        if self.target_path != "/pushes":
            self.answer(HTTPStatus.NOT_FOUND)
            return
        found = self.box.pushes(self.query.get("token", ""))
        self.answer_json(HTTPStatus.OK, [asdict(push) for push in found])

    def _check_project(self) -> None:
        found = SEND_PATH.fullmatch(self.target_path)
        if not found:
            raise FcmFault(HTTPStatus.NOT_FOUND, "Requested entity was not found.")
        if found[1] != self.project_id:
            denied = f"Permission 'cloudmessaging.messages.create' denied on resource '//projects/{found[1]}'"
            raise FcmFault(HTTPStatus.FORBIDDEN, f"{denied} (or it may not exist).")

    def _message(self) -> Mapping[str, Any]:
        try:
            wanted = json.loads(self.body()) if self.body_left <= BODY_BYTES_MAX else None
        except ValueError:
            wanted = None
        message = wanted.get("message") if isinstance(wanted, dict) else None
        if not isinstance(message, dict):
            raise FcmFault(HTTPStatus.BAD_REQUEST, "Invalid JSON payload received.", field="message")
        return message

    def _decide(self, push: TakenPush, asked: AskedFault | None) -> None:
        if asked and asked.fault is Fault.TIMEOUT:
            self.close_connection = True
            self.box.wait_for_nothing()
            return
        if asked and asked.fault is not Fault.DROPPED:
            raise _asked(asked)
        if self.box.gone_since(push.token):
            raise FcmFault(HTTPStatus.NOT_FOUND, "Requested entity was not found.", "UNREGISTERED")
        if self.box.is_foreign(push.token):
            raise FcmFault(HTTPStatus.FORBIDDEN, "SenderId mismatch", "SENDER_ID_MISMATCH")
        self.box.take(push)
        if asked:
            self.close_connection = True
            return
        self.answer_json(HTTPStatus.OK, {"name": f"projects/{self.project_id}/messages/{time.time_ns()}"})


def _read(message: Mapping[str, Any]) -> TakenPush:
    data, notification, android = (message.get(name, {}) for name in ("data", "notification", "android"))
    _check_data(data)
    if len(json.dumps([data, notification], ensure_ascii=False).encode()) > MESSAGE_BYTES_MAX:
        raise FcmFault(HTTPStatus.BAD_REQUEST, "Android message is too big", "INVALID_ARGUMENT")
    if not 0 <= float(android.get("ttl", "0s").removesuffix("s")) <= TTL_SECONDS_MAX:
        raise FcmFault(HTTPStatus.BAD_REQUEST, "Invalid time to live", "INVALID_ARGUMENT")
    token = str(message.get("token", ""))
    if not TOKEN.fullmatch(token):
        wrong = "The registration token is not a valid FCM registration token"
        raise FcmFault(HTTPStatus.BAD_REQUEST, wrong, "INVALID_ARGUMENT")
    return TakenPush(
        platform="android",
        token=token,
        title=notification.get("title", ""),
        body=notification.get("body", ""),
        data=data,
        push_id=android.get("notification", {}).get("tag", ""),
        options=android,
    )


def _check_data(data: Mapping[str, Any]) -> None:
    for position, (name, value) in enumerate(data.items()):
        if not isinstance(value, str):
            place = f"message.data[{position}].value"
            raise FcmFault(HTTPStatus.BAD_REQUEST, f"Invalid value at '{place}' (TYPE_STRING), {value}", field=place)
        if RESERVED_KEY.fullmatch(name):
            raise FcmFault(HTTPStatus.BAD_REQUEST, f"Invalid data payload key: {name}", "INVALID_ARGUMENT")


def _asked(asked: AskedFault) -> FcmFault:
    fault = FcmFault(HTTPStatus(asked.fault.value), "A fault was asked for", FAULT_CODES[asked.fault])
    fault.headers = asked.headers
    return fault
