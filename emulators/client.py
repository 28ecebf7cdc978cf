"""An HTTP client of the platform: what an app does, without a framework. One connection per client, JSON both ways."""

import http.client
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

ANSWER_SECONDS_MAX = 60.0


@dataclass(frozen=True)
class Answer:
    """A response; `body` is the parsed JSON, the raw text when it is none, and None when it is empty."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Unexpected(Exception):
    """The platform answered something else than what the story needs."""


@dataclass
class Client:
    """`source` is the loopback address to call from: members of one test need not share a network."""

    url: str
    token: str | None = None
    source: str = "127.0.0.1"
    _connection: http.client.HTTPConnection | None = field(default=None, repr=False)

    def get(self, path: str) -> Answer:
        """GET as whoever is signed in."""
        return self.send("GET", path)

    def post(self, path: str, body: object = None, **headers: str) -> Answer:
        """POST JSON."""
        return self.send("POST", path, _json(body), {"Content-Type": "application/json", **headers})

    def put(self, path: str, body: object = None) -> Answer:
        """PUT JSON."""
        return self.send("PUT", path, _json(body), {"Content-Type": "application/json"})

    def must(self, method: str, path: str, body: object = None, key: str | None = None) -> Any:
        """The body of a success; raises Unexpected otherwise. Mutations carry an Idempotency-Key."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": key or str(uuid.uuid4())}
        answer = self.send(method, path, _json(body), headers if method != "GET" else {})
        if answer.status >= 300:  # noqa: PLR2004 - not a success
            raise Unexpected(f"{method} {path} answered {answer.status}: {answer.body}")
        return answer.body

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Any request; a connection that the server has closed meanwhile is opened again."""
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
        """Hang up."""
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
