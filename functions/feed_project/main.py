"""Job: copy to Firestore what listeners may see. Postgres is the truth; of two versions the newer wins."""

import time
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

from flask import Request, Response

from functions.feed_project import documents, store
from shared import clock, db
from shared.config import Config, read
from shared.events import FeedItemMade, InboxChanged, NotificationChanged
from shared.job import Job
from shared.ports import firestore

LEASE = "scan-counter"
LEASE_LIFE = timedelta(seconds=5)

job = Job("feed_project")


def feed_project(request: Request) -> Response:
    """The function's door."""
    return job.handle(request)


class CounterConfig(Config):
    """How the public counter ticks. Each version costs a read per listener: slow down when they are many."""

    counter_seconds: float = 1.0
    counter_run_seconds: float = 58.0  # the schedule starts the next run each minute


@job.on(NotificationChanged)
def project_notification(event: NotificationChanged, now: datetime) -> None:
    """The member's copy of one notification, and the badge."""
    row = db.atomically(lambda tx: store.notification(tx, event.notification_id))
    if row:
        badge = documents.inbox_document(row.member_id, row.unread, row.all_read_at, row.revision)
        firestore.put_newer([documents.notification_document(row), badge])


@job.on(InboxChanged)
def project_inbox(event: InboxChanged, now: datetime) -> None:
    """The badge."""
    row = db.atomically(lambda tx: store.inbox(tx, event.member_id))
    if row:
        firestore.put_newer([documents.inbox_document(event.member_id, row.unread, row.all_read_at, row.revision)])


@job.on(FeedItemMade)
def project_feed_item(event: FeedItemMade, now: datetime) -> None:
    """A line of the public feed."""
    firestore.put_newer([documents.feed_document(db.atomically(lambda tx: store.feed_item(tx, event.feed_item_id)))])


@job.schedule("counter")
def tick_counter(now: datetime) -> None:
    """Publish the global counter each second, for a minute, as its only writer."""
    config, holder = read(CounterConfig), uuid4()
    ends_at = time.monotonic() + config.counter_run_seconds
    shown: tuple[int, float] | None = None
    while time.monotonic() < ends_at:
        moment = clock.now()
        take = partial(store.take_lease, name=LEASE, holder=holder, now=moment, until=moment + LEASE_LIFE)
        if db.atomically(take):
            shown = _publish(shown, moment)
        time.sleep(max(0.0, min(config.counter_seconds, ends_at - time.monotonic())))


def _publish(shown: tuple[int, float] | None, moment: datetime) -> tuple[int, float]:
    """Write the counter if it has changed since `shown` (total, monotonic seconds); what is shown now."""
    total, at = db.atomically(store.counter), time.monotonic()
    if shown and total == shown[0]:
        return shown
    per_second = (total - shown[0]) / (at - shown[1]) if shown else 0.0
    firestore.put_newer([documents.counter_document(total, round(per_second, 3), moment)])
    return total, at
