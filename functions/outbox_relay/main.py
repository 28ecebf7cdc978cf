"""Job: publish the rows of the outbox, at least once, soon after their transactions commit.

Rows are claimed in one short transaction, published with none open, and marked in a third step. If a relay dies in
between, its claims expire and the rows are published again.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial

from flask import Request, Response

from functions.outbox_relay import store
from functions.outbox_relay.store import Waiting
from shared import db, log
from shared.config import Config, read, service_name
from shared.database.retention import PERIODS
from shared.db import Tx
from shared.events import OutboxFilled
from shared.job import Job
from shared.ports import pubsub, tasks
from shared.values import encoding

CLAIM_LIFE = timedelta(seconds=60)
BATCH = 200
ROUNDS_MAX = 50
TASKS_AT_ONCE = 8
FAILED_BATCHES_MAX = 3  # per run: while a vendor is down, each of them waits for its full timeout
PURGED_MAX = 10_000

Claim = Callable[[Tx, datetime, datetime, int], list[Waiting]]

job = Job("outbox_relay")


def outbox_relay(request: Request) -> Response:
    return job.handle(request)


class RelayConfig(Config):
    """The address of functions; {service} stands for the function's name as a service."""

    function_url: str


@job.on(OutboxFilled)
def relay(event: OutboxFilled, now: datetime) -> None:
    """Publish every waiting row."""
    publish_waiting(now)


@job.schedule("sweep")
def sweep(now: datetime) -> None:
    """Publish rows whose wake-up was lost, and delete old published rows."""
    publish_waiting(now)
    db.atomically(store.purge, now - PERIODS["outbox"].kept, PURGED_MAX)


def publish_waiting(now: datetime) -> None:
    """Publish batch by batch until no row is left, or a few batches had rows that were not published. Rows that have
    failed often come last.
    """
    _publish_batches(store.claim, now, FAILED_BATCHES_MAX)
    _publish_batches(store.claim_stubborn, now, 1)


def _publish_batches(claim: Claim, now: datetime, failed_max: int) -> None:
    """Publish until no row is left, or until `failed_max` batches had rows that were not published."""
    failed = 0
    for _ in range(ROUNDS_MAX):
        rows = db.atomically(claim, now, now + CLAIM_LIFE, BATCH)
        if not rows:
            return
        done = _publish(rows)
        db.atomically(partial(store.mark_published, ids=done, now=now))
        if len(done) < len(rows):
            _report([row for row in rows if row.id not in set(done)])
            failed += 1
        if failed == failed_max:
            return


def _publish(rows: Sequence[Waiting]) -> list[int]:
    """Publish the rows; returns the ids of those that were accepted."""
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
    """Enqueue a task under a name by which the queue recognises a repetition; returns the row's id, None if it failed.
    No name is used again after a restore.
    """
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
    if worst >= store.STUBBORN_ATTEMPTS:
        log.error("outbox rows cannot be published", rows=len(rows), attempts=worst, first_id=rows[0].id)
