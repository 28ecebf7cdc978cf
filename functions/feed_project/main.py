"""Job: copy to Firestore what listeners may see. Postgres is the source of truth; of two versions the newer one
wins.
"""

import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

from flask import Request, Response

from functions.feed_project import comparing, documents, rules, store, voting
from shared import clock, db, leases, log
from shared.config import Config, read
from shared.events import FeedItemMade, InboxChanged, ListenerRevoked, NotificationChanged, NotificationRetracted
from shared.job import Job
from shared.ports import firestore
from shared.scans import counter
from shared.scans import velocity as scan_velocity
from shared.scans.velocity import ScanVelocity
from shared.social.events import VoteChanged

LEASE = "scan-counter"
LEASE_LIFE = timedelta(seconds=5)
IDLE_SECONDS = 5.0  # without a scan, after which listeners are told to stop counting

job = Job("feed_project")


def feed_project(request: Request) -> Response:
    return job.handle(request)


class CounterConfig(Config):
    """How often the counter is published. Each version costs one read per listener: publish less often when they are
    many.
    """

    counter_seconds: float = 1.0
    counter_run_seconds: float = 58.0  # the schedule starts the next run each minute


@dataclass(frozen=True)
class Shown:
    """The published counter; `counted_at` (monotonic seconds) is when its total last changed."""

    total: int
    per_second: float
    velocity: ScanVelocity
    counted_at: float


@job.on(NotificationChanged)
def project_notification(event: NotificationChanged, now: datetime) -> None:
    """Copy one notification and the member's unread count."""
    row = db.atomically(store.notification, event.notification_id)
    if row:
        badge = documents.inbox_document(row.member_id, row.unread, row.all_read_at, row.revision)
        firestore.put_newer([documents.notification_document(row), badge])


@job.on(NotificationRetracted)
def remove_notification(event: NotificationRetracted, now: datetime) -> None:
    """Empty the copy of a notification that was taken back, and copy the member's unread count. Nothing is done for a
    member who has been erased since: their copies are gone.
    """
    row = db.atomically(store.inbox, event.member_id)
    if row:
        badge = documents.inbox_document(event.member_id, row.unread, row.all_read_at, row.revision)
        gone = documents.retracted_document(event.member_id, event.notification_id, row.revision, now)
        firestore.put_newer([gone, badge])


@job.on(InboxChanged)
def project_inbox(event: InboxChanged, now: datetime) -> None:
    """Copy the member's unread count."""
    row = db.atomically(store.inbox, event.member_id)
    if row:
        firestore.put_newer([documents.inbox_document(event.member_id, row.unread, row.all_read_at, row.revision)])


@job.on(ListenerRevoked)
def project_revocation(event: ListenerRevoked, now: datetime) -> None:
    """Copy the moment before which the member's tokens are refused."""
    before = db.atomically(store.revoked_before, event.member_id)
    firestore.put_newer([documents.revocation_document(event.member_id, before)])


@job.on(FeedItemMade)
def project_feed_item(event: FeedItemMade, now: datetime) -> None:
    """Copy a line of the public feed."""
    firestore.put_newer([documents.feed_document(db.atomically(store.feed_item, event.feed_item_id))])


@job.on(VoteChanged)
def project_vote(event: VoteChanged, now: datetime) -> None:
    """Copy a vote that was opened or closed."""
    voting.project(event.vote_id)


@job.schedule("votes")
def tick_votes(now: datetime) -> None:
    """Publish the totals of open votes each second, for a minute, as their only writer; ends at once without any."""
    voting.follow(read(CounterConfig).counter_run_seconds)


@job.schedule("counter")
def tick_counter(now: datetime) -> None:
    """Publish the global counter each second, for a minute, as its only writer."""
    config, holder = read(CounterConfig), uuid4()
    ends_at = time.monotonic() + config.counter_run_seconds
    shown: Shown | None = None
    while time.monotonic() < ends_at:
        moment = clock.now()
        take = partial(leases.take, name=LEASE, holder=holder, now=moment, until=moment + LEASE_LIFE)
        if db.atomically(take):
            shown = _publish(shown, moment)
        if clock.is_advancing():
            break
        time.sleep(max(0.0, min(config.counter_seconds, ends_at - time.monotonic())))
    db.atomically(lambda tx: leases.release(tx, LEASE, holder, clock.now()))


def _publish(shown: Shown | None, moment: datetime) -> Shown | None:
    """Write the counter if one of its numbers has changed; returns what is shown now. After a restore it compares
    first.
    """
    count, velocity = db.atomically(lambda tx: (counter.read(tx), scan_velocity.find(tx)))
    if not count.compared:
        comparing.compare(moment)
        return None
    total, at = count.value, time.monotonic()
    new = Shown(total, _per_second(shown, total, at), velocity, at)
    if shown and total == shown.total:
        new = replace(new, counted_at=shown.counted_at)
        if replace(new, velocity=replace(velocity, as_of=shown.velocity.as_of)) == shown:
            return shown
    document = documents.counter_document(total, new.per_second, velocity, moment)
    if firestore.put_newer([document]):
        return new
    _look_at_other(total)
    return shown


def _look_at_other(total: int) -> None:
    """Log an error if another writer has published a higher count than ours: another database may still be counting."""
    other = rules.published(firestore.find(documents.COUNTER_PATH))
    if other and other.total > total and db.atomically(counter.read).value < other.total:
        log.error("a higher count is published than ours", total=total, published=other.total)


def _per_second(shown: Shown | None, total: int, at: float) -> float:
    """Scans per second since the total last changed; 0 after a while without a scan."""
    if shown is None:
        return 0.0
    seconds = at - shown.counted_at
    if total != shown.total:
        return round((total - shown.total) / seconds, 3)
    return shown.per_second if seconds < IDLE_SECONDS else 0.0
