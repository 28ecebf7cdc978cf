"""Deliveries to background functions, as Pub/Sub, Cloud Tasks and the scheduler make them."""

import base64
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from emulators import contract
from tests.client import app

_numbers = itertools.count(1)


@dataclass(frozen=True)
class FunctionInvoker:
    """Makes deliveries. `token(function)` is the caller's OIDC token; every method returns the answer's status."""

    token: Callable[[str], str]

    def event(self, function: str, topic: str, body: Mapping[str, object], message_id: str = "") -> int:
        """Push a message; the same `message_id` again is a second delivery."""
        message = {
            "data": base64.b64encode(json.dumps(body).encode()).decode(),
            "attributes": {"topic": topic, "outbox_id": "1"},
            "messageId": message_id or str(next(_numbers)),
        }
        return self.deliver(function, json.dumps({"message": message, "subscription": "s"}).encode())

    def task(self, function: str, queue: str, body: Mapping[str, object], name: str = "") -> int:
        headers = {"X-CloudTasks-TaskName": name or f"task-{next(_numbers)}", "X-CloudTasks-QueueName": queue}
        return self.deliver(function, json.dumps(body).encode(), headers)

    def schedule(self, function: str, name: str) -> int:
        return self.deliver(function, json.dumps({"schedule": name}).encode())

    def deliver(self, function: str, body: bytes, headers: Mapping[str, str] | None = None) -> int:
        """Deliver any request to the function."""
        given = {"Authorization": f"Bearer {self.token(function)}", "Content-Type": "application/json"}
        return app(function).test_client().post("/", data=body, headers=given | dict(headers or {})).status_code


def subscribers(topic: str) -> list[str]:
    """The functions that a topic's messages are pushed to."""
    return [name for name, function in contract.functions().items() if topic in function.topics]
