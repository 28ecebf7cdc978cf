"""Plays webhooks on: events are spread as Pub/Sub would, and tasks run in the order in which they are due."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pg8000.dbapi import Connection

from shared import clock, db
from shared.messages import hook_events
from shared.values.hooks import HookKind
from tests.fakes.invoker import FunctionInvoker


@dataclass
class HookDriver:
    """The job, and its queue: rows of the outbox after `position` have not been played."""

    jobs: FunctionInvoker
    sql: Connection
    position: int = 0

    def tell(self, kind: HookKind, subject: object) -> None:
        """Record an event as the product does."""
        db.atomically(lambda tx: hook_events.tell(tx, kind, subject, clock.now()))

    def snapshot(self) -> str:
        """Record a balance of the present hour; returns the subject of its event."""
        at = clock.now().replace(minute=0, second=0, microsecond=0)
        self.sql.execute_unnamed(
            "INSERT INTO treasury_snapshots (at, treasury, onchain_balance, block_number, metadata)"
            " VALUES ($1, 'member', 12500000, 7, '{}') ON CONFLICT DO NOTHING",
            (at,),
        )
        return f"member@{at.isoformat()}"

    def spread(self) -> list[int]:
        """Deliver each event that was recorded, also those of earlier calls; returns the answers' statuses."""
        found = self.sql.execute_simple("SELECT body FROM outbox WHERE destination = 'hook-event' ORDER BY id").rows
        return [self.jobs.event("hook_send", "hook-event", body) for (body,) in found]

    def tasks(self) -> list[tuple[dict[str, Any], datetime | None]]:
        """The tasks that were queued since the last call, and from when on they are due."""
        rows = self.sql.execute_unnamed(
            "SELECT id, body, deliver_at FROM outbox WHERE destination = 'hook-send' AND id > $1 ORDER BY id",
            (self.position,),
        ).rows
        self.position = max((identity for identity, _, _ in rows), default=self.position)
        return [(body, deliver_at) for _, body, deliver_at in rows]

    def run(self, task: dict[str, Any]) -> int:
        """Deliver a task; returns the answer's status."""
        return self.jobs.task("hook_send", "hook-send", task)

    def play(self) -> list[datetime | None]:
        """Spread the events and deliver each task that is queued then; returns when the tasks were due."""
        assert set(self.spread()) <= {204}
        due = self.tasks()
        assert [self.run(task) for task, _ in due] == [204] * len(due)
        return [deliver_at for _, deliver_at in due]

    def endpoint(self, identity: UUID) -> tuple[str, datetime | None]:
        """The state of an endpoint, and since when it fails."""
        found = "SELECT state, failing_since FROM hook_endpoints WHERE id = $1"
        ((state, since),) = self.sql.execute_unnamed(found, (identity,)).rows
        return state, since

    def deliveries(self) -> list[tuple[str, int]]:
        """The state of each delivery and the number of its tries, in the order in which they were made."""
        found = self.sql.execute_simple("SELECT state, tries FROM hook_deliveries ORDER BY created_at, id").rows
        return [(state, tries) for state, tries in found]
