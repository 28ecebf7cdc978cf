"""An admin who works with codes, and the delivery of the tasks that this causes."""

import csv
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

from pg8000.dbapi import Connection

from shared.codes import codes
from tests.client import Answer, FunctionClient
from tests.fakes.crashes import Crash
from tests.platform import Platform

Json = dict[str, Any]

QUEUES = {"codes_generate": "codes-generate", "codes_change": "codes-change", "codes_import": "codes-import"}
TASKS_MAX = 400


@dataclass(frozen=True)
class OutboxTask:
    """A task in the outbox."""

    id: int
    function: str
    name: str
    body: bytes


@dataclass(frozen=True)
class CodeAdmin:
    """Sends requests as the gateway does for the admin, and delivers tasks as the queue does."""

    admin: FunctionClient
    platform: Platform
    sql: Connection

    def order(self, **changes: object) -> Json:
        body = {"name": "November", "product_sku": "MINTICE-6", "quantity": 5} | changes
        return self.done(self.admin.post("/v1/admin/qr/generate", body), 202)

    def made(self, **changes: object) -> tuple[Json, list[str]]:
        """A generated batch, and its codes as the export has them."""
        batch = self.order(**changes)
        self.run_tasks()
        return self.batch(batch), self.exported(batch)

    def batch(self, batch: Json) -> Json:
        return self.done(self.admin.get(f"/v1/admin/qr/batches/{batch['id']}"), 200)

    def exported(self, batch: Json) -> list[str]:
        link = self.done(self.admin.post("/v1/admin/qr/export", {"batch_id": batch["id"]}), 200)
        rows = csv.reader(self.download(link["download_url"]).decode().splitlines())
        return [row[0] for row in rows][1:]

    def manufactured(self, made: list[str]) -> None:
        file = "\n".join(["code", *made]).encode()
        headers = {"Content-Type": "text/csv"}
        found = self.done(self.admin.send("POST", "/v1/admin/qr/import-feedback", file, headers), 200)
        assert found["manufactured"] == len(made)

    def found(self, code: str) -> Json:
        return self.done(self.admin.post("/v1/admin/qr/search", {"code": code}), 200)

    def kinds(self, code: str) -> list[str]:
        """The kinds of events in the code's history."""
        return [event["kind"] for event in self.found(code)["history"]]

    def act(self, batch: Json, act: str) -> Answer:
        return self.admin.post(f"/v1/admin/qr/batches/{batch['id']}/{act}", {"reason": "because"})

    def list_act(self, made: list[str], act: str) -> Json:
        return self.done(self.admin.post(f"/v1/admin/qr/{act}", {"codes": made, "reason": "because"}), 200)

    def uploaded(self, file: bytes) -> Json:
        """A new import whose file lies in storage."""
        made = self.done(self.admin.post("/v1/admin/qr/imports"), 201)
        put = Request(made["upload_url"], file, made["upload_headers"], method="PUT")  # noqa: S310 - the emulator
        with urlopen(put, timeout=60) as answer:  # noqa: S310
            assert answer.status == 200
        return made

    def started(self, file: bytes) -> Json:
        made = self.uploaded(file)
        return self.done(self.admin.post(f"/v1/admin/qr/imports/{made['id']}/start"), 202)

    def imported(self, file: bytes) -> Json:
        """An import, from the upload to its end."""
        made = self.started(file)
        self.run_tasks()
        return self.progress(made)

    def progress(self, made: Json) -> Json:
        return self.done(self.admin.get(f"/v1/admin/qr/imports/{made['id']}"), 200)

    def waiting(self) -> list[OutboxTask]:
        rows = self.sql.execute_simple(
            """
            SELECT id, function, task_name, body FROM outbox
            WHERE kind = 'task' AND function LIKE 'codes_%' AND published_at IS NULL ORDER BY id
            """
        ).rows
        return [
            OutboxTask(identity, function, name, json.dumps(body).encode()) for identity, function, name, body in rows
        ]

    def deliver(self, task: OutboxTask) -> int:
        """Deliver a task; returns the answer's status, or 0 when the function has died without an answer."""
        queue_client = FunctionClient(self.platform.invoker_token)
        headers = {"X-CloudTasks-TaskName": task.name, "X-CloudTasks-QueueName": QUEUES[task.function]}
        try:
            return queue_client.raw(task.function, "POST", "/", task.body, headers).status_code
        except Crash:
            return 0

    def run_tasks(self, *, times: int = 1, at_once: int = 1) -> int:
        """Deliver every waiting task `times` times until none is left; returns how many different tasks there were."""
        seen: set[str] = set()
        for _ in range(TASKS_MAX):
            waiting = self.waiting()
            if not waiting:
                return len(seen)
            for task in waiting:
                self.published(task)
                if task.name in seen:
                    continue  # the queue knows the name
                seen.add(task.name)
                with ThreadPoolExecutor(at_once) as threads:
                    answers = list(threads.map(self.deliver, [task] * times * at_once))
                self._until_done(task, answers)
        raise AssertionError(f"more than {TASKS_MAX} tasks")

    def _until_done(self, task: OutboxTask, answers: list[int]) -> None:
        """Deliver a task again, as the queue does, unless all answers were 204."""
        if set(answers) != {204}:
            assert self.deliver(task) == 204

    def published(self, task: OutboxTask) -> None:
        self.sql.execute_unnamed("UPDATE outbox SET published_at = now() WHERE id = $1", (task.id,))

    def states(self) -> dict[str, int]:
        """How many codes have each status."""
        rows = self.sql.execute_simple("SELECT status, count(*) FROM codes GROUP BY status").rows
        return {str(status): int(count) for status, count in rows}

    @staticmethod
    def download(url: str) -> bytes:
        with urlopen(url, timeout=60) as file:  # noqa: S310 - the storage emulator
            read: bytes = file.read()
            return read

    @staticmethod
    def done(answer: Answer, status: int) -> Json:
        assert answer.status == status, answer.body
        body: Json = answer.body
        return body


def random_codes(count: int) -> list[str]:
    """Well-formed codes that are in no batch."""
    return [codes.displayed(code) for code in codes.generate(count)]


def count_manufactured(sql: Connection) -> int:
    """Return how many codes are manufactured and not used."""
    return int(sql.execute_simple("SELECT count(*) FROM codes WHERE status = 'manufactured'").rows[0][0])


def reset_codes(sql: Connection) -> None:
    """Set all codes back to `generated`, as before any file of the manufacturer."""
    sql.execute_simple("UPDATE codes SET status = 'generated', manufactured_at = NULL")
    sql.execute_simple("UPDATE code_batches SET codes_manufactured = 0")
