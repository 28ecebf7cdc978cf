"""An HTTP client of the platform: what an app does, without a framework. One connection per client, JSON both ways."""

import http.client
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

ANSWER_SECONDS_MAX = 60.0
BUSY_MAX = 30  # how often a request is sent again because the platform is busy


@dataclass(frozen=True)
class Answer:
    """A response; `body` is the parsed JSON, the raw text if it is not JSON, or None if it is empty."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Unexpected(Exception):
    """Raised when the platform answered something else than the caller needs."""


@dataclass
class Client:
    """A client of the platform. `source` is the loopback address to call from: members need not share a network."""

    url: str
    token: str | None = None
    source: str = "127.0.0.1"
    _connection: http.client.HTTPConnection | None = field(default=None, repr=False)

    def get(self, path: str) -> Answer:
        """Send a GET with the client's token."""
        return self.send("GET", path)

    def post(self, path: str, body: object = None, **headers: str) -> Answer:
        """Send a POST with a JSON body."""
        return self.send("POST", path, _json(body), {"Content-Type": "application/json", **headers})

    def put(self, path: str, body: object = None) -> Answer:
        """Send a PUT with a JSON body."""
        return self.send("PUT", path, _json(body), {"Content-Type": "application/json"})

    def must(self, method: str, path: str, body: object = None, key: str | None = None) -> Any:
        """Send a request and return the body of a success, else raise Unexpected. Mutations carry an Idempotency-Key.

        While the platform says that it is busy (503 with Retry-After), the same request is sent again.
        """
        headers = {"Content-Type": "application/json", "Idempotency-Key": key or str(uuid.uuid4())}
        for _ in range(BUSY_MAX):
            answer = self.send(method, path, _json(body), headers if method != "GET" else {})
            if answer.status != HTTPStatus.SERVICE_UNAVAILABLE or "Retry-After" not in answer.headers:
                break
            time.sleep(float(answer.headers["Retry-After"]))
        if answer.status >= 300:  # noqa: PLR2004 - not a success
            raise Unexpected(f"{method} {path} answered {answer.status}: {answer.body}")
        return answer.body

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send any request; a connection that the server has closed meanwhile is opened again."""
        given = dict(headers or {})
        if self.token and "Authorization" not in given:
            given["Authorization"] = f"Bearer {self.token}"
        fresh = self._connection is None
        try:
            return self._exchange(method, path, body, given)
        except (ConnectionError, http.client.RemoteDisconnected):
            self.close()
            if fresh:
                raise
            return self._exchange(method, path, body, given)

    def close(self) -> None:
        """Close the client's connection."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def _exchange(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        if self._connection is None:
            address = urlsplit(self.url)
            assert address.hostname
            self._connection = http.client.HTTPConnection(
                address.hostname, address.port, timeout=ANSWER_SECONDS_MAX, source_address=(self.source, 0)
            )
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), _parsed(response.read()))


def _json(body: object) -> bytes | None:
    return None if body is None else json.dumps(body).encode()


def _parsed(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode(errors="replace")
