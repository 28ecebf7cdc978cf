"""A member who uses the profile, and the delivery of the tasks that this causes."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

from pg8000.dbapi import Connection

from tests.client import Answer, FunctionClient
from tests.fakes import pictures
from tests.fakes.invoker import FunctionInvoker
from tests.platform import Platform

Json = dict[str, Any]

PROFILE = "/v1/users/me/profile"
TASKS_MAX = 200


@dataclass(frozen=True)
class ProfileClient:
    """Sends requests as the gateway does for the member, and delivers tasks as the queue does."""

    member: FunctionClient
    platform: Platform
    sql: Connection

    @property
    def invoker(self) -> FunctionInvoker:
        return FunctionInvoker(self.platform.invoker_token)

    def profile(self) -> Json:
        answer = self.member.get(PROFILE)
        assert answer.status == 200
        assert answer.headers["ETag"] == f'"{answer.body["revision"]}"'
        body: Json = answer.body
        return body

    def change(self, revision: int | None = None, **changes: object) -> Answer:
        """Change the profile; the change names the present version unless another one is given."""
        now = self.profile()
        body = {name: now[name] for name in ("username", "full_name", "email")} | changes
        return self.put(body, f'"{revision or now["revision"]}"')

    def put(self, body: object, tag: str | None, **headers: str) -> Answer:
        given = {"Content-Type": "application/json", **({"If-Match": tag} if tag is not None else {}), **headers}
        return self.member.send("PUT", PROFILE, json.dumps(body).encode(), given)

    def upload(self, data: bytes, **form: str) -> Answer:
        body, headers = pictures.form(data, **form)
        return self.member.send("POST", "/v1/users/me/avatar", body, headers)

    def uploaded(self, data: bytes | None = None) -> Json:
        """Upload a picture and wait until it is shown."""
        answer = self.upload(data or pictures.picture())
        assert answer.status == 202, answer.body
        self.run_tasks()
        shown: Json = self.profile()["picture"]
        return shown

    def waiting(self) -> list[tuple[int, str, str, Json]]:
        """Tasks in the outbox that are due: id, function, queue, body."""
        rows = self.sql.execute_simple(
            "SELECT id, function, destination, body FROM outbox "
            "WHERE kind = 'task' AND published_at IS NULL AND deliver_at IS NULL ORDER BY id"
        ).rows
        return [(identity, function, queue, body) for identity, function, queue, body in rows]

    def run_tasks(self, *, times: int = 1) -> int:
        """Deliver every due task `times` times, until none is left; returns how many tasks there were."""
        delivered = 0
        for _ in range(TASKS_MAX):
            waiting = self.waiting()
            if not waiting:
                return delivered
            for identity, function, queue, body in waiting:
                self.sql.execute_unnamed("UPDATE outbox SET published_at = now() WHERE id = $1", (identity,))
                for _ in range(times):
                    assert self.invoker.task(function, queue, body) == 204, (function, body)
                delivered += 1
        raise AssertionError(f"more than {TASKS_MAX} rounds")

    def mailed(self, template: str) -> list[tuple[str, Json]]:
        """The recipients and parameters of the mails of a template."""
        found = self.sql.execute_unnamed(
            "SELECT to_email, parameters FROM mails WHERE template = $1 ORDER BY queued_at", (template,)
        )
        return [(to, parameters) for to, parameters in found.rows]

    def one(self, query: str) -> Any:
        ((value,),) = self.sql.execute_simple(query).rows
        return value


def fetched(url: str) -> tuple[bytes, dict[str, str]]:
    """The content and headers that anybody gets from a URL."""
    with urlopen(url, timeout=10) as answer:  # noqa: S310 - the storage emulator
        return answer.read(), {name.lower(): value for name, value in answer.headers.items()}
