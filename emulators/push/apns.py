"""APNs' provider API: HTTP/2, the provider's JWT, one push to one iOS device per request.

https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns, errors as in
https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns

Differs from APNs: HTTP/2 begins at once, without TLS (RFC 9113, section 3.3), since every client would have to be given
a certificate for loopback; one key, team and topic; no certificates instead of JWTs; any even number of 64 or more
hexadecimal digits is a registered token until the stand-in is told otherwise; too many new JWTs are counted per
connection (at least 20 minutes must lie between two); no rate limit but the faults that a test asks for.
"""

import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from socket import SHUT_RDWR, socket
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, Event, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError

from emulators.http_server import READ_BYTES, Handler
from emulators.push.box import BODY_BYTES_MAX, MESSAGE_BYTES_MAX, AskedFault, Fault, PushBox, TakenPush

TOKEN_SECONDS_MAX = 3600
TOKEN_SECONDS_MIN = 20 * 60
CLOCK_SKEW_SECONDS = 60
COLLAPSE_ID_BYTES_MAX = 64
SILENT_SECONDS_MAX = 3600.0
DEVICE_PATH = re.compile(r"/3/device/(.*)")
DEVICE_TOKEN = re.compile(r"(?:[0-9a-fA-F]{2}){32,100}")
PUSH_TYPES = frozenset({"alert", "background", "location", "voip", "complication", "fileprovider", "mdm",
                        "liveactivity", "pushtotalk", "widgets", "controls"})  # fmt: skip
PRIORITIES = frozenset({"", "1", "5", "10"})
FAULT_REASONS = {
    Fault.TOO_MANY_REQUESTS: "TooManyRequests",
    Fault.INTERNAL_ERROR: "InternalServerError",
    Fault.UNAVAILABLE: "ServiceUnavailable",
}


class ApnsFault(Exception):
    """Raised to answer with an error; the message is Apple's reason. Members besides the reason go into the JSON."""

    def __init__(self, status: HTTPStatus, reason: str, **members: int) -> None:
        super().__init__(reason)
        self.status = status
        self.members = members
        self.headers: Mapping[str, str] = {}


@dataclass
class Provider:
    """The only provider that may send, and its known tokens. `clock` tells seconds since 1970."""

    key: EllipticCurvePublicKey
    key_id: str
    team_id: str
    topic: str
    clock: Callable[[], float] = time.time
    seen: set[str] = field(default_factory=set, repr=False)
    expired: set[str] = field(default_factory=set, repr=False)
    connections: set[socket] = field(default_factory=set, repr=False)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def issued_at(self, authorization: str) -> int:
        """When the bearer token was issued. Raises ApnsFault unless the token is valid."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise ApnsFault(HTTPStatus.FORBIDDEN, "MissingProviderToken")
        try:
            header = jwt.get_unverified_header(token)
            claims = jwt.decode(token, self.key, ["ES256"], {"verify_iat": False, "require": ["iss", "iat"]})
            issued_at = int(claims["iat"])
        except (jwt.PyJWTError, ValueError, TypeError):
            raise ApnsFault(HTTPStatus.FORBIDDEN, "InvalidProviderToken") from None
        age = self.clock() - issued_at
        if (header.get("kid"), claims["iss"]) != (self.key_id, self.team_id) or age < -CLOCK_SKEW_SECONDS:
            raise ApnsFault(HTTPStatus.FORBIDDEN, "InvalidProviderToken")
        if age > TOKEN_SECONDS_MAX or token in self.expired:
            raise ApnsFault(HTTPStatus.FORBIDDEN, "ExpiredProviderToken")
        self.seen.add(token)
        return issued_at

    def expire_seen(self) -> None:
        """Refuse the tokens seen until now as too old."""
        self.expired |= self.seen

    def hang_up(self) -> None:
        """End every connection, as Apple does with idle ones."""
        with self.lock:
            for connection in self.connections:
                connection.shutdown(SHUT_RDWR)


@dataclass
class Request:
    """One stream. Its body is kept only as far as needed to see that it is too large."""

    headers: Mapping[str, str]
    body: bytearray = field(default_factory=bytearray)


class ApnsHandler(Handler):
    """One connection, HTTP/2 instead of the base class's HTTP/1.1; its streams are answered one after the other."""

    timeout = SILENT_SECONDS_MAX
    box: PushBox
    provider: Provider

    def handle(self) -> None:
        self._http2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._requests: dict[int, Request] = {}
        self._token = ""
        self._token_issued_at = 0
        with self.provider.lock:
            self.provider.connections.add(self.connection)
        try:
            self._talk()
        finally:
            with self.provider.lock:
                self.provider.connections.discard(self.connection)

    def _talk(self) -> None:
        self._http2.initiate_connection()
        self._flush()
        going = True
        while going and (received := self.connection.recv(READ_BYTES)):
            try:
                going = all(self._on(event) for event in self._http2.receive_data(received))
            except ProtocolError:
                going = False
            self._flush()

    def _flush(self) -> None:
        self.connection.sendall(self._http2.data_to_send())

    def _on(self, event: Event) -> bool:
        """Handle an event; False when the connection is to end."""
        match event:
            case RequestReceived(stream_id=int(stream), headers=list(headers)):
                self._requests[stream] = Request({str(name): str(value) for name, value in headers})
            case DataReceived(stream_id=int(stream), data=bytes(data), flow_controlled_length=int(length)):
                self._http2.acknowledge_received_data(length, stream)
                if stream in self._requests:
                    room = BODY_BYTES_MAX - len(self._requests[stream].body)
                    self._requests[stream].body += data[:room]
            case StreamEnded(stream_id=int(stream)) if stream in self._requests:
                return self._respond(stream, self._requests.pop(stream))
            case StreamReset(stream_id=int(stream)):
                self._requests.pop(stream, None)
            case ConnectionTerminated():
                return False
        return True

    def _respond(self, stream: int, request: Request) -> bool:
        push_id = request.headers.get("apns-id") or str(uuid.uuid4())
        try:
            push = self._checked(request, push_id)
            asked = self.box.next_fault(push.token)
            if asked and asked.fault is Fault.TIMEOUT:
                return True
            self._take(push, asked)
            if asked:
                return False
            self._answer(stream, HTTPStatus.OK, {"apns-id": push_id}, b"")
        except ApnsFault as fault:
            content = json.dumps({"reason": str(fault), **fault.members}).encode()
            self._answer(stream, fault.status, {"apns-id": push_id, **fault.headers}, content)
        return True

    def _answer(self, stream: int, status: HTTPStatus, headers: Mapping[str, str], content: bytes) -> None:
        self._http2.send_headers(stream, [(":status", str(int(status))), *headers.items()], end_stream=not content)
        if content:
            self._http2.send_data(stream, content, end_stream=True)

    def _checked(self, request: Request, push_id: str) -> TakenPush:
        headers = request.headers
        path = DEVICE_PATH.fullmatch(headers[":path"])
        if headers[":method"] != "POST":
            raise ApnsFault(HTTPStatus.METHOD_NOT_ALLOWED, "MethodNotAllowed")
        if not path:
            raise ApnsFault(HTTPStatus.NOT_FOUND, "BadPath")
        self._authorise(headers.get("authorization", ""))
        _check_headers(headers, self.provider.topic)
        payload = _payload(request.body)
        if not path[1]:
            raise ApnsFault(HTTPStatus.BAD_REQUEST, "MissingDeviceToken")
        if not DEVICE_TOKEN.fullmatch(path[1]):
            raise ApnsFault(HTTPStatus.BAD_REQUEST, "BadDeviceToken")
        return _taken(path[1], push_id, headers, payload)

    def _authorise(self, authorization: str) -> None:
        """Check the token. Raises ApnsFault, TooManyProviderTokenUpdates for one that follows a valid one too soon."""
        issued_at = self.provider.issued_at(authorization)
        is_another = authorization != self._token
        was_good = self._token and self._token.partition(" ")[2] not in self.provider.expired
        if is_another and was_good and issued_at - self._token_issued_at < TOKEN_SECONDS_MIN:
            raise ApnsFault(HTTPStatus.TOO_MANY_REQUESTS, "TooManyProviderTokenUpdates")
        self._token, self._token_issued_at = authorization, issued_at

    def _take(self, push: TakenPush, asked: AskedFault | None) -> None:
        if asked and asked.fault is not Fault.DROPPED:
            fault = ApnsFault(HTTPStatus(asked.fault.value), FAULT_REASONS[asked.fault])
            fault.headers = asked.headers
            raise fault
        if self.box.is_foreign(push.token):
            raise ApnsFault(HTTPStatus.BAD_REQUEST, "DeviceTokenNotForTopic")
        if gone_since := self.box.gone_since(push.token):
            milliseconds = int(gone_since.timestamp() * 1000)
            raise ApnsFault(HTTPStatus.GONE, "Unregistered", timestamp=milliseconds)
        self.box.take(push)


def _check_headers(headers: Mapping[str, str], topic: str) -> None:
    given = headers.get("apns-topic", "")
    collapse_id = headers.get("apns-collapse-id", "")
    faults = {
        "MissingTopic": not given,
        "TopicDisallowed": given != topic,
        "InvalidPushType": headers.get("apns-push-type") not in PUSH_TYPES,
        "BadMessageId": "apns-id" in headers and not _is_uuid(headers["apns-id"]),
        "BadPriority": headers.get("apns-priority", "") not in PRIORITIES,
        "BadExpirationDate": not headers.get("apns-expiration", "0").isdecimal(),
        "BadCollapseId": len(collapse_id.encode()) > COLLAPSE_ID_BYTES_MAX,
    }
    for reason, applies in faults.items():
        if applies:
            raise ApnsFault(HTTPStatus.BAD_REQUEST, reason)


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _payload(body: bytearray) -> Mapping[str, Any]:
    """The payload. Apple names no reason for one that is not JSON, or has no `aps`: it counts as empty here."""
    if len(body) > MESSAGE_BYTES_MAX:
        raise ApnsFault(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "PayloadTooLarge")
    try:
        payload = json.loads(body)
    except ValueError:
        payload = None
    if not isinstance(payload, dict) or not isinstance(payload.get("aps"), dict):
        raise ApnsFault(HTTPStatus.BAD_REQUEST, "PayloadEmpty")
    return payload


def _taken(token: str, push_id: str, headers: Mapping[str, str], payload: Mapping[str, Any]) -> TakenPush:
    alert = payload["aps"].get("alert", {})
    shown = alert if isinstance(alert, dict) else {"body": alert}
    return TakenPush(
        platform="ios",
        token=token,
        title=shown.get("title", ""),
        body=shown.get("body", ""),
        data={name: value for name, value in payload.items() if name != "aps"},
        push_id=push_id,
        options={name: value for name, value in headers.items() if name.startswith("apns-")},
    )
