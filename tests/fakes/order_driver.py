"""Runs the jobs of orders as the queues and the scheduler do, in the order in which tasks were queued."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from pg8000.dbapi import Connection

from shared import clock, db
from shared.orders import tasks
from tests.fakes.invoker import FunctionInvoker

FUNCTIONS = ("order_advance", "payment_watch", "order_fulfil", "sale_accrue")
ROUNDS_MAX = 100


@dataclass(frozen=True)
class OrderDriver:
    """Delivers the tasks that wait in the outbox; `advance_clock` moves everybody's clock on."""

    invoker: FunctionInvoker
    sql: Connection
    advance_clock: Callable[[float], None]

    def deliver(self, lost: str = "") -> list[int]:
        """Deliver every waiting task once, and those that they queue; returns the answers' statuses. Tasks of the
        function `lost` come to nobody.
        """
        statuses: list[int] = []
        for _ in range(ROUNDS_MAX):
            waiting = self.sql.execute_simple(
                "UPDATE outbox SET published_at = created_at WHERE kind = 'task' AND published_at IS NULL "
                "RETURNING id, destination, function, body"
            ).rows
            if not waiting:
                return statuses
            for _, queue, function, body in sorted(waiting):
                if function == lost:
                    continue
                said = body if isinstance(body, dict) else json.loads(body)
                statuses.append(self.invoker.task(function, queue, said))
        raise AssertionError("the jobs queue tasks without end")

    def sweep(self) -> None:
        """Fire the schedules, then deliver."""
        for function in FUNCTIONS:
            assert self.invoker.schedule(function, "sweep") == 204
        self.deliver()

    def pass_time(self, minutes: int) -> None:
        """Let minutes pass, with their schedules."""
        for _ in range(minutes):
            self.advance_clock(60)
            self.sweep()

    def begin(self, order_id: UUID) -> None:
        """Deliver the task with which a checkout ends, and all that follow from it."""
        db.atomically(tasks.advance_soon, order_id, clock.now())
        self.deliver()
