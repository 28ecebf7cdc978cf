"""A request that a test prepares once and sends as often as it needs, under an Idempotency-Key."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from werkzeug.test import TestResponse

from emulators import contract
from tests.client import FunctionClient

KEY = "0d9f8c2e-6c1b-4a53-9f4e-0a7f3b6d5c21"


@dataclass(frozen=True)
class Request:
    """A request that succeeds. `other` is a different request that could be sent by mistake under the same key."""

    client: FunctionClient
    path: str
    body: bytes = b""
    content_type: str = "application/json"
    other: "Request | None" = None
    version: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def send(self, operation: contract.Operation, key: str, **more: str) -> TestResponse:
        headers = {"Content-Type": self.content_type, "Idempotency-Key": key, **self.headers, **more}
        if self.version:
            headers["If-Match"] = self.version
        return self.client.raw(operation.function, operation.method, self.path, self.body, headers)


def as_json(client: FunctionClient, path: str, body: object, other: object = None) -> Request:
    """Return the request with `body`; its `other` is the same request with the body `other`, if that is given."""
    changed = Request(client, path, json.dumps(other).encode()) if other is not None else None
    return Request(client, path, json.dumps(body).encode(), other=changed)


def replayed_parts(response: TestResponse) -> tuple[int, str | None, bytes, str | None]:
    """Return the parts of a response that must be the same when it is repeated."""
    return response.status_code, response.content_type, response.data, response.headers.get("Retry-After")
