"""Admins who look after the chat."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shared.auth import Role
from tests import factories
from tests.client import Answer, FunctionClient
from tests.factories import Somebody

DESK = "/v1/admin/social"


@dataclass(frozen=True)
class ChatDesk:
    """An admin with a client."""

    somebody: Somebody
    client: FunctionClient

    def queue(self, query: str = "?state=open") -> list[dict[str, Any]]:
        return list(self.client.get(f"{DESK}/cases{query}").body["items"])

    def case(self, case_id: str) -> dict[str, Any]:
        return dict(self.client.get(f"{DESK}/cases/{case_id}").body)

    def decide(self, case_id: str, decision: str, revision: int = 1, **more: object) -> Answer:
        body = {"decision": decision, "reason": "the rules", **more}
        return self.put(f"cases/{case_id}/decision", body, revision)

    def put(self, path: str, body: object, revision: int | None) -> Answer:
        match = {} if revision is None else {"If-Match": f'"{revision}"'}
        headers = {"Content-Type": "application/json", **match}
        return self.client.send("PUT", f"{DESK}/{path}", json.dumps(body).encode(), headers)

    def post(self, path: str, body: object) -> Answer:
        return self.client.post(f"{DESK}/{path}", body)

    def delete(self, path: str) -> Answer:
        return self.client.delete(f"{DESK}/{path}")


def desk(make: Callable[..., FunctionClient], role: Role = Role.SUPPORT) -> ChatDesk:
    somebody = factories.member(role=role)
    return ChatDesk(somebody, make(somebody.token))
