"""Job: copy to Firestore what listeners may see. Postgres is the truth; of two versions the newer wins."""

import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

from flask import Request, Response

from functions.feed_project import documents, store
from shared import clock, db
from shared import velocity as scan_velocity
from shared.config import Config, read
from shared.events import FeedItemMade, InboxChanged, ListenerRevoked, NotificationChanged
from shared.job import Job
from shared.ports import firestore
from shared.velocity import ScanVelocity

LEASE = "scan-counter"
LEASE_LIFE = timedelta(seconds=5)
IDLE_SECONDS = 5.0  # without a scan, until listeners are told to stop counting on

job = Job("feed_project")


def feed_project(request: Request) -> Response:
    """The function's door."""
    return job.handle(request)


class CounterConfig(Config):
    """How the public counter ticks. Each version costs a read per listener: slow down when they are many."""

    counter_seconds: float = 1.0
    counter_run_seconds: float = 58.0  # the schedule starts the next run each minute


@dataclass(frozen=True)
class Shown:
    """What the counter says; `counted_at` (monotonic seconds) is when its total last changed."""

    total: int
    per_second: float
    velocity: ScanVelocity
    counted_at: float


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


@job.on(ListenerRevoked)
def project_revocation(event: ListenerRevoked, now: datetime) -> None:
    """What the rules look at beside a token."""
    before = db.atomically(lambda tx: store.revoked_before(tx, event.member_id))
    firestore.put_newer([documents.revocation_document(event.member_id, before)])


@job.on(FeedItemMade)
def project_feed_item(event: FeedItemMade, now: datetime) -> None:
    """A line of the public feed."""
    firestore.put_newer([documents.feed_document(db.atomically(lambda tx: store.feed_item(tx, event.feed_item_id)))])


@job.schedule("counter")
def tick_counter(now: datetime) -> None:
    """Publish the global counter each second, for a minute, as its only writer."""
    config, holder = read(CounterConfig), uuid4()
    ends_at = time.monotonic() + config.counter_run_seconds
    shown: Shown | None = None
    while time.monotonic() < ends_at:
        moment = clock.now()
        take = partial(store.take_lease, name=LEASE, holder=holder, now=moment, until=moment + LEASE_LIFE)
        if db.atomically(take):
            shown = _publish(shown, moment)
        time.sleep(max(0.0, min(config.counter_seconds, ends_at - time.monotonic())))
    db.atomically(lambda tx: store.release_lease(tx, LEASE, holder, clock.now()))


def _publish(shown: Shown | None, moment: datetime) -> Shown | None:
    """Write the counter if a number in it has changed; what is shown now."""
    total, velocity = db.atomically(lambda tx: (store.counter(tx), scan_velocity.find(tx)))
    at = time.monotonic()
    new = Shown(total, _per_second(shown, total, at), velocity, at)
    if shown and total == shown.total:
        new = replace(new, counted_at=shown.counted_at)
        if replace(new, velocity=replace(velocity, as_of=shown.velocity.as_of)) == shown:
            return shown
    document = documents.counter_document(total, new.per_second, velocity, moment)
    return new if firestore.put_newer([document]) else shown


def _per_second(shown: Shown | None, total: int, at: float) -> float:
    """Since the total last changed; nothing for a while is none."""
    if shown is None:
        return 0.0
    seconds = at - shown.counted_at
    if total != shown.total:
        return round((total - shown.total) / seconds, 3)
    return shown.per_second if seconds < IDLE_SECONDS else 0.0
