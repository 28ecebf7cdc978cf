"""Job: publish what transactions have left in the outbox, at least once, soon after they commit.

Rows are claimed in one short transaction, published with none open, and marked in a third. A relay that dies in
between leaves claims that run out; the rows are published again.
"""

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial

from flask import Request, Response

from functions.outbox_relay import store
from shared import db, encoding, events, log
from shared.config import Config, read, service_name
from shared.events import OutboxFilled, Waiting
from shared.job import Job
from shared.ports import pubsub, tasks

CLAIM_LIFE = timedelta(seconds=60)
BATCH = 200
ROUNDS_MAX = 50
TASKS_AT_ONCE = 8
ATTEMPTS_WORRYING = 5
KEPT = timedelta(days=7)
PURGED_MAX = 10_000

job = Job("outbox_relay")


def outbox_relay(request: Request) -> Response:
    """The function's door."""
    return job.handle(request)


class RelayConfig(Config):
    """Where functions are reached; {service} stands for the function's name as a service."""

    function_url: str


@job.on(OutboxFilled)
def relay(event: OutboxFilled, now: datetime) -> None:
    """Publish everything that waits."""
    publish_waiting(now)


@job.schedule("sweep")
def sweep(now: datetime) -> None:
    """What a lost wake-up left behind; and forget what was published a week ago."""
    publish_waiting(now)
    db.atomically(lambda tx: store.purge(tx, now - KEPT, PURGED_MAX))


def publish_waiting(now: datetime) -> None:
    """Batch by batch until nothing is left that can be published."""
    for _ in range(ROUNDS_MAX):
        rows = db.atomically(lambda tx: events.claim(tx, now, now + CLAIM_LIFE, BATCH))
        if not rows:
            return
        done = _publish(rows)
        db.atomically(partial(events.mark_published, ids=done, now=now))
        if len(done) < len(rows):
            _report([row for row in rows if row.id not in set(done)])
            return


def _publish(rows: Sequence[Waiting]) -> list[int]:
    """The ids of those that are out."""
    topics: defaultdict[str, list[Waiting]] = defaultdict(list)
    for row in rows:
        if row.kind == "event":
            topics[row.destination].append(row)
    published = [identity for topic, waiting in topics.items() for identity in _publish_events(topic, waiting)]
    with ThreadPoolExecutor(TASKS_AT_ONCE) as threads:
        enqueued = threads.map(_enqueue, [row for row in rows if row.kind == "task"])
        return published + [identity for identity in enqueued if identity is not None]


def _publish_events(topic: str, rows: Sequence[Waiting]) -> list[int]:
    messages = [pubsub.Message(encoding.dump(row.body), {"topic": topic, "outbox_id": str(row.id)}) for row in rows]
    try:
        pubsub.publish(topic, messages)
    except pubsub.PublishFailed as failure:
        log.error("events were not published", topic=topic)
        return [row.id for row, message_id in zip(rows, failure.message_ids, strict=True) if message_id]
    return [row.id for row in rows]


def _enqueue(row: Waiting) -> int | None:
    """A task has a name, so that the queue recognises it when it comes twice; none is used again after a restore."""
    assert row.function
    url = read(RelayConfig).function_url.format(service=service_name(row.function))
    name = row.task_name or f"outbox-{row.id}-{row.created_at:%Y%m%d%H%M%S%f}"
    try:
        tasks.enqueue(row.destination, url, encoding.dump(row.body), name=name, schedule_time=row.deliver_at)
    except tasks.EnqueueFailed:
        log.error("a task was not enqueued", queue=row.destination)
        return None
    return row.id


def _report(rows: Sequence[Waiting]) -> None:
    worst = max(row.attempts for row in rows)
    if worst >= ATTEMPTS_WORRYING:
        log.error("outbox rows cannot be published", rows=len(rows), attempts=worst, first_id=rows[0].id)
