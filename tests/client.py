"""Calls a function at its own door as the gateway would, and holds every answer against openapi.yaml."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from emulators import contract
from shared.http import problem_response
from shared.problems import NotFound
from tests import openapi


@dataclass(frozen=True)
class Answer:
    """A response; `body` is parsed JSON, None when there is none."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def problem(self) -> str:
        """The slug of the problem's type; empty for a success."""
        return str(self.body["type"]).removeprefix("/problems/") if self.status >= 400 else ""


@dataclass
class FunctionClient:
    """`service_token(function)` is the gateway's own; `token` the member's, if anybody is signed in."""

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
        """Any request to any function; nothing is checked."""
        given = {
            "Authorization": f"Bearer {self.service_token(function)}",
            "X-Forwarded-For": self.address,
            **({"X-Forwarded-Authorization": f"Bearer {self.token}"} if self.token else {}),
            **self.headers,
            **(headers or {}),
        }
        return app(function).test_client(use_cookies=False).open(path, method=method, data=body, headers=given)


def answer_of(response: TestResponse) -> Answer:
    """Status, headers and parsed body."""
    is_json = (response.content_type or "").partition(";")[0].endswith("json")
    return Answer(
        response.status_code, dict(response.headers), json.loads(response.data) if is_json else response.text or None
    )


@cache
def app(function: str) -> Flask:
    """The function as functions-framework makes it."""
    from functions_framework import create_app

    made: Flask = create_app(function, str(contract.FUNCTIONS / function / "main.py"))  # type: ignore[no-untyped-call]
    if 404 not in made.error_handler_spec[None]:  # another test has imported the module that has the Api before
        made.register_error_handler(404, lambda _: problem_response(NotFound()))
    return made
