"""Sends one push to one device: to iOS through APNs over HTTP/2, to Android through FCM's HTTP v1.

APNS_URL (https://api.push.apple.com unless given), APNS_KEY (the .p8 as it was downloaded), APNS_KEY_ID, APNS_TEAM_ID,
APNS_TOPIC (com.blakjaks.app unless given); FCM_URL (https://fcm.googleapis.com unless given), FCM_PROJECT_ID. To a
loopback FCM_URL no credentials are sent; http:// in APNS_URL means HTTP/2 without TLS.
https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns
https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send
"""

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote
from uuid import UUID

from shared.ports import google_sessions, outcomes, sessions

if TYPE_CHECKING:
    import httpx
    import requests
    from google.auth.exceptions import GoogleAuthError

APNS_URL_DEFAULT = "https://api.push.apple.com"
APNS_TOPIC_DEFAULT = "com.blakjaks.app"
FCM_URL_DEFAULT = "https://fcm.googleapis.com"
FCM_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
CONNECT_SECONDS_MAX = 5.0
ANSWER_SECONDS_MAX = 10.0
IDLE_SECONDS_MAX = 300.0  # routers forget a silent connection without telling either end
LIFE_SECONDS = 24 * 3600  # how long a vendor keeps a push for a device that is switched off
PROVIDER_TOKEN_SECONDS = 40 * 60  # Apple refuses tokens older than 60 minutes, and new ones more often than every 20

# https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns
APNS_DEAD = frozenset({"BadDeviceToken", "DeviceTokenNotForTopic"})
APNS_PASSING = frozenset({"ExpiredProviderToken", "IdleTimeout"})
APNS_OURS = frozenset({"BadTopic", "MissingTopic", "TopicDisallowed"})
# https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode
FCM_DEAD = frozenset({"UNREGISTERED", "SENDER_ID_MISMATCH"})
FCM_OURS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})

Platform = Literal["ios", "android"]


class PushFailure(Exception):
    """The base class of this port's exceptions; a message never contains a token, a key or the text of a push."""


class Unregistered(PushFailure):
    """Raised when the token is dead and should be deleted.

    A wrong APNS_TOPIC or FCM_PROJECT_ID, or a development token sent to the production host, gives the same answer.
    """


class PushRefused(PushFailure):
    """Raised when this push will be refused each time."""


class PushMisconfigured(PushFailure):
    """Raised when our own key, topic, project or role is wrong: every push fails until a person corrects it."""


class PushDelayed(PushFailure):
    """Raised for a temporary failure. The push may have been accepted: send it again with the same `push_id`."""

    def __init__(self, reason: str, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after  # how long the vendor asks to wait


@dataclass(frozen=True)
class Push:
    """One push. A second push of the same `push_id` replaces the first on the device.

    Title, body and data together stay under 4096 bytes of JSON. In `data` the names aps, from, notification and
    message_type, and those that begin with google or gcm, belong to the vendors.
    """

    token: str = field(repr=False)
    title: str = field(repr=False)
    body: str = field(repr=False)
    data: Mapping[str, str] = field(repr=False)
    push_id: UUID


def send(platform: Platform, push: Push) -> None:
    """Send a push; returns when the vendor has accepted it, which does not mean that the device has it.

    Raises Unregistered, PushRefused, PushMisconfigured, PushDelayed.
    """
    with outcomes.asking("apns" if platform == "ios" else "fcm", PushFailure, (Unregistered, PushRefused)):
        if platform == "ios":
            _apns().send(push)
        else:
            _send_by_fcm(push)


def close() -> None:
    """Close this process's connections; the next push opens new ones, as the environment then says."""
    process_id = os.getpid()
    with _lock:
        apns = [_apns_of.pop(key) for key in list(_apns_of) if key[0] == process_id]
    for account in apns:
        account.close()
    sessions.close()


@dataclass(frozen=True)
class _Account:
    url: str
    topic: str
    team_id: str
    key_id: str
    key: str = field(repr=False)


class _Apns:
    """The connections of one account, kept open.

    Each connection is lent to one thread at a time, because httpcore's HTTP/2 does not lock its state against a second
    one. The one used last is used next, so that the others can age out.
    """

    def __init__(self, account: _Account) -> None:
        self._account = account
        self._token = _ProviderToken(account)
        self._idle: list[httpx.Client] = []

    def send(self, push: Push) -> None:
        import httpx

        try:
            answer = self._answer(push)
        except httpx.TransportError as error:
            raise PushDelayed(type(error).__name__) from error
        if answer.status_code != HTTPStatus.OK:
            raise _apns_failure(answer)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _answer(self, push: Push) -> "httpx.Response":
        token = self._token.current()
        answer = self._post(push, token)
        if _apns_reason(answer) == "ExpiredProviderToken":
            answer = self._post(push, self._token.renewed(token))
        return answer

    def _post(self, push: Push, token: str) -> "httpx.Response":
        import httpx

        try:
            idle = self._idle.pop()
        except IndexError:
            return self._post_through(self._new_client(), push, token)
        try:
            return self._post_through(idle, push, token)
        except httpx.TimeoutException:
            raise
        except httpx.TransportError:
            # The other side has probably closed it while it was idle, which shows only when it is used.
            return self._post_through(self._new_client(), push, token)

    def _post_through(self, client: "httpx.Client", push: Push, token: str) -> "httpx.Response":
        url = f"{self._account.url}/3/device/{quote(push.token, safe='')}"
        headers = _apns_headers(push, self._account.topic, token)
        try:
            answer = client.post(url, content=_apns_payload(push), headers=headers)
        except BaseException:
            client.close()
            raise
        self._idle.append(client)
        return answer

    def _new_client(self) -> "httpx.Client":
        import logging

        import httpx

        for name in ("httpx", "hpack"):  # they would log the token in the path, and headers with our own token
            logging.getLogger(name).setLevel(logging.WARNING)
        return httpx.Client(
            http1=False,
            http2=True,
            trust_env=False,
            timeout=httpx.Timeout(ANSWER_SECONDS_MAX, connect=CONNECT_SECONDS_MAX),
            limits=httpx.Limits(max_connections=1, keepalive_expiry=IDLE_SECONDS_MAX),
        )


class _ProviderToken:
    """The JWT that identifies us to Apple: one for all threads, since Apple limits how many are made.

    https://developer.apple.com/documentation/usernotifications/establishing-a-token-based-connection-to-apns
    """

    def __init__(self, account: _Account) -> None:
        self._account = account
        self._lock = threading.Lock()
        self._token = ""
        self._issued_at = 0

    def current(self) -> str:
        with self._lock:
            if not self._token or time.time() - self._issued_at >= PROVIDER_TOKEN_SECONDS:
                self._issue()
            return self._token

    def renewed(self, refused: str) -> str:
        """A token other than the refused one; another thread may have replaced that already."""
        with self._lock:
            if self._token == refused:
                self._issue()
            return self._token

    def _issue(self) -> None:
        import jwt

        issued_at = int(time.time())
        claims = {"iss": self._account.team_id, "iat": issued_at}
        headers = {"kid": self._account.key_id, "typ": None}  # Apple knows alg and kid only
        try:
            self._token = jwt.encode(claims, self._account.key, algorithm="ES256", headers=headers)
        except (ValueError, TypeError, jwt.PyJWTError):
            raise PushMisconfigured("APNS_KEY is not a P-256 private key in PEM") from None
        self._issued_at = issued_at


def _apns_headers(push: Push, topic: str, token: str) -> dict[str, str]:
    return {
        "authorization": f"bearer {token}",
        "content-type": "application/json",
        "apns-id": str(push.push_id),
        "apns-collapse-id": str(push.push_id),
        "apns-topic": topic,
        "apns-push-type": "alert",
        "apns-priority": "10",
        "apns-expiration": str(int(time.time()) + LIFE_SECONDS),
    }


def _apns_payload(push: Push) -> bytes:
    import json

    aps = {"alert": {"title": push.title, "body": push.body}, "sound": "default"}
    return json.dumps({**push.data, "aps": aps}, ensure_ascii=False, separators=(",", ":")).encode()


def _apns_reason(answer: "httpx.Response") -> str:
    return "" if answer.status_code == HTTPStatus.OK else str(_object(answer.content).get("reason", ""))


def _apns_failure(answer: "httpx.Response") -> PushFailure:
    status, reason = answer.status_code, _apns_reason(answer)
    told = f"{status} {reason}"
    if status == HTTPStatus.GONE or reason in APNS_DEAD:
        return Unregistered(told)
    if _is_passing(status) or reason in APNS_PASSING:
        return PushDelayed(told, _retry_after(answer.headers))
    if status == HTTPStatus.FORBIDDEN or reason in APNS_OURS:
        return PushMisconfigured(told)
    return PushRefused(told)


def _send_by_fcm(push: Push) -> None:
    import requests
    from google.auth.exceptions import GoogleAuthError

    base = os.environ.get("FCM_URL", FCM_URL_DEFAULT)
    url = f"{base}/v1/projects/{quote(_required('FCM_PROJECT_ID'))}/messages:send"
    try:
        with google_sessions.authorized(base, FCM_SCOPE) as session:
            answer = session.post(
                url, json=_fcm_body(push), timeout=(CONNECT_SECONDS_MAX, ANSWER_SECONDS_MAX), allow_redirects=False
            )
    except requests.RequestException as error:
        raise PushDelayed(type(error).__name__) from error
    except GoogleAuthError as error:
        raise _login_failure(error) from error
    if answer.status_code != HTTPStatus.OK:
        raise _fcm_failure(answer)


def _fcm_body(push: Push) -> dict[str, object]:
    """The body of FCM's request. It has a tag instead of a collapse_key, of which FCM keeps only four per device."""
    android = {"priority": "HIGH", "ttl": f"{LIFE_SECONDS}s", "notification": {"tag": str(push.push_id)}}
    notification = {"title": push.title, "body": push.body}
    return {"message": {"token": push.token, "notification": notification, "data": dict(push.data), "android": android}}


def _login_failure(error: "GoogleAuthError") -> PushFailure:
    """The failure to get credentials; its cause tells if the metadata server or token endpoint was out of reach."""
    from google.auth.exceptions import TransportError

    out_of_reach = isinstance(error, TransportError) or isinstance(error.__cause__, TransportError)
    told = type(error).__name__
    return PushDelayed(told) if out_of_reach or error.retryable else PushMisconfigured(told)


def _fcm_failure(answer: "requests.Response") -> PushFailure:
    status, error = answer.status_code, _object(answer.content).get("error")
    fields: Mapping[str, Any] = error if isinstance(error, dict) else {}
    codes = [each.get("errorCode") for each in fields.get("details", ()) if each.get("@type") == FCM_ERROR]
    code = str(codes[0]) if codes else ""
    told = f"{status} {code or fields.get('status', '')}"
    if code in FCM_DEAD or (code == "INVALID_ARGUMENT" and _blames_token(fields)):
        return Unregistered(told)
    if _is_passing(status):
        return PushDelayed(told, _retry_after(answer.headers))
    if status in FCM_OURS:
        return PushMisconfigured(told)
    return PushRefused(told)


def _blames_token(error: Mapping[str, Any]) -> bool:
    """True when FCM says that the device token is invalid, which only the message's words tell.

    See https://firebase.google.com/docs/cloud-messaging/error-codes, example 2. Should the words change, the push is
    refused and the token stays, which costs little.
    """
    return "not a valid FCM registration token" in str(error.get("message", ""))


def _is_passing(status: int) -> bool:
    client_error = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return status == HTTPStatus.TOO_MANY_REQUESTS or not client_error


def _retry_after(headers: Mapping[str, str]) -> timedelta | None:
    seconds = headers.get("retry-after", "")
    return timedelta(seconds=int(seconds)) if seconds.isdecimal() else None


def _object(content: bytes) -> dict[str, Any]:
    """The fields of an answer's JSON object; empty if there is no JSON object in it."""
    import json

    try:
        value = json.loads(content)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _required(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise PushMisconfigured(f"{name} is not set")
    return value


_lock = threading.Lock()
# By process: a forked child must not use its parent's connections.
_apns_of: dict[tuple[int, _Account], _Apns] = {}


def _apns() -> _Apns:
    account = _Account(
        url=os.environ.get("APNS_URL", APNS_URL_DEFAULT),
        topic=os.environ.get("APNS_TOPIC", APNS_TOPIC_DEFAULT),
        team_id=_required("APNS_TEAM_ID"),
        key_id=_required("APNS_KEY_ID"),
        key=_required("APNS_KEY"),
    )
    with _lock:
        return _apns_of.setdefault((os.getpid(), account), _Apns(account))
