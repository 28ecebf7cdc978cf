"""Calls a function at its own port as the gateway would, and checks every answer against openapi.yaml."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from emulators import contract
from emulators.gateway import BALANCER_ADDRESS
from shared.api import nothing_there
from shared.config import read
from shared.web import edge
from shared.web.edge import EdgeConfig
from tests import openapi

OK = 200


@dataclass(frozen=True)
class Answer:
    """A response; `body` is the parsed JSON, the text of another kind of file, or None when there is none."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def problem(self) -> str:
        """The slug of the problem's type; empty for a success, and for a refusal by the gateway itself."""
        return str(self.body.get("type", "")).removeprefix("/problems/") if self.status >= 400 else ""


@dataclass
class FunctionClient:
    """A client of the functions. `service_token(function)` is the gateway's own; `token` is a member's, or None."""

    service_token: Any
    token: str | None = None
    address: str = "203.0.113.7"
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str) -> Answer:
        return self.send("GET", path)

    def post(self, path: str, body: object = None, **headers: str) -> Answer:
        return self.send("POST", path, json.dumps(body).encode(), {"Content-Type": "application/json", **headers})

    def put(self, path: str, body: object = None) -> Answer:
        return self.send("PUT", path, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def delete(self, path: str) -> Answer:
        return self.send("DELETE", path)

    def send(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        operation, _ = openapi.operation(method, path.partition("?")[0])
        answer = answer_of(self.raw(operation.function, method, path, body, headers))
        openapi.check(method, path, answer.status, answer.headers, answer.body)
        return answer

    def raw(
        self, function: str, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> TestResponse:
        """Send any request to any function; nothing is checked."""
        given = {
            "Authorization": f"Bearer {self.service_token(function)}",
            **edge_headers(self.address),
            **({"X-Forwarded-Authorization": f"Bearer {self.token}"} if self.token else {}),
            **self.headers,
            **(headers or {}),
        }
        return app(function).test_client(use_cookies=False).open(path, method=method, data=body, headers=given)


Client = Callable[..., FunctionClient]  # the fixture `client`: client() for nobody, client(token) for a member


def edge_headers(address: str) -> dict[str, str]:
    """The headers that the load balancer adds for an address, or for a whole X-Forwarded-For with the client first."""
    client, *further = address.split(",")
    return {
        "X-Forwarded-For": address if further else f"{address}, {BALANCER_ADDRESS}",
        edge.ADDRESS_HEADER: client,
        edge.KEY_HEADER: read(EdgeConfig).edge_keys,
    }


def answer_of(response: TestResponse) -> Answer:
    """The status, headers and parsed body of a response."""
    kind = (response.content_type or "").partition(";")[0]
    if kind.endswith("json"):
        body = json.loads(response.data)
    else:
        body = response.text or ("" if kind == "text/csv" and response.status_code == OK else None)
    return Answer(response.status_code, dict(response.headers), body)


@cache
def app(function: str) -> Flask:
    """The function as functions-framework makes it."""
    from functions_framework import create_app

    made: Flask = create_app(function, str(contract.FUNCTIONS / function / "main.py"))  # type: ignore[no-untyped-call]
    if 404 not in made.error_handler_spec[None]:  # another test has already imported the module that has the Api
        made.register_error_handler(404, nothing_there)
    return made


def refusal(answer: Answer) -> tuple[int, str]:
    """Return the status and the slug of the problem."""
    return answer.status, answer.problem
