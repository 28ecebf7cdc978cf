"""What a transaction causes elsewhere: recorded in the outbox with it, published after commit by outbox_relay.

An event goes to a Pub/Sub topic and may have several receivers; a task goes to a Cloud Tasks queue and has one.
Both arrive at least once, in any order: receivers read the truth, not the message. A function that has written some
wakes the relay with one small message; the relay's schedule picks up whatever a lost wake-up left behind.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared import log
from shared.db import Tx

WAKE_PAUSE_SECONDS = 0.02  # commits within this time share a wake-up


class Event(BaseModel):
    """Something that has happened; `topic` is where it is published."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    topic: ClassVar[str]


class Task(BaseModel):
    """Something that `function` must do; `queue` is where it waits."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    queue: ClassVar[str]
    function: ClassVar[str]

    @property
    def queue_name(self) -> str:
        """The queue of this very task, where tasks of one kind have several."""
        return self.queue


class OutboxFilled(Event):
    """There is something to relay; sent by `publish_soon`, never through the outbox itself."""

    topic: ClassVar[str] = "outbox-filled"


class NotificationChanged(Event):
    """A member's notification was made or read: its Firestore copy and the unread count follow."""

    topic: ClassVar[str] = "notification-changed"
    notification_id: UUID


class NotificationMade(Event):
    """A member has something new to read: their devices are told."""

    topic: ClassVar[str] = "notification-made"
    notification_id: UUID


class InboxChanged(Event):
    """A member's unread count changed without a single notification to name (all were read)."""

    topic: ClassVar[str] = "inbox-changed"
    member_id: UUID


class FeedItemMade(Event):
    """The public activity feed has a new line."""

    topic: ClassVar[str] = "feed-item-made"
    feed_item_id: int


class MailQueued(Event):
    """A mail waits to be sent."""

    topic: ClassVar[str] = "mail-queued"
    mail_id: UUID


class SendPayout(Task):
    """Bring one payout from where it is to the chain."""

    queue: ClassVar[str] = "payout-send"
    function: ClassVar[str] = "payout_send"
    payout_id: UUID
    treasury: str

    @property
    def queue_name(self) -> str:
        """Each treasury has its own pace."""
        return f"{self.queue}-{self.treasury}"


class ConfirmPayouts(Task):
    """See how far the transactions of a treasury's key are."""

    queue: ClassVar[str] = "payout-confirm"
    function: ClassVar[str] = "payout_confirm"
    signer: str


class FillCodeBatch(Task):
    """Make the next chunk of a batch of codes."""

    queue: ClassVar[str] = "codes-generate"
    function: ClassVar[str] = "codes_generate"
    batch_id: UUID
    chunk: int


class ChangeCodeBatch(Task):
    """Invalidate or reuse the next chunk of a batch."""

    queue: ClassVar[str] = "codes-change"
    function: ClassVar[str] = "codes_change"
    change_id: UUID
    chunk: int


class ImportCodes(Task):
    """Check a large file of manufactured codes, or import its next chunk."""

    queue: ClassVar[str] = "codes-import"
    function: ClassVar[str] = "codes_import"
    import_id: UUID
    chunk: int


def emit(tx: Tx, now: datetime, *events: Event) -> None:
    """Record events with the work that caused them."""
    for event in events:
        tx.run_later(
            """
            INSERT INTO outbox (kind, destination, body, created_at)
            VALUES ('event', :destination, :body, :now)
            """,
            destination=event.topic,
            body=event.model_dump(mode="json"),
            now=now,
        )
    _waker.remember()


def enqueue(tx: Tx, now: datetime, task: Task, *, name: str | None = None, deliver_at: datetime | None = None) -> None:
    """Record a task with the work that caused it. Two of one `name` are one task."""
    tx.run_later(
        """
        INSERT INTO outbox (kind, destination, function, body, task_name, deliver_at, created_at)
        VALUES ('task', :destination, :function, :body, :name, :deliver_at, :now)
        """,
        destination=task.queue_name,
        function=task.function,
        body=task.model_dump(mode="json"),
        name=name,
        deliver_at=deliver_at,
        now=now,
    )
    _waker.remember()


@dataclass(frozen=True)
class Waiting:
    """An outbox row that a relay has claimed."""

    id: int
    kind: str
    destination: str
    function: str | None
    body: dict[str, object]
    task_name: str | None
    deliver_at: datetime | None
    created_at: datetime
    attempts: int


def claim(tx: Tx, now: datetime, until: datetime, limit: int) -> list[Waiting]:
    """The oldest rows that nobody else is publishing; they are this caller's until `until`."""
    return tx.all(
        Waiting,
        """
        WITH next AS (
            SELECT id FROM outbox
            WHERE published_at IS NULL AND (claimed_until IS NULL OR claimed_until <= :now)
            ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
        ), claimed AS (
            UPDATE outbox SET claimed_until = :until, attempts = attempts + 1
            FROM next WHERE outbox.id = next.id
            RETURNING outbox.id, kind, destination, function, body, task_name, deliver_at,
                      outbox.created_at, attempts
        )
        SELECT * FROM claimed ORDER BY id
        """,
        now=now,
        until=until,
        limit=limit,
    )


def mark_published(tx: Tx, ids: Sequence[int], now: datetime) -> None:
    """They need not be published again."""
    tx.run("UPDATE outbox SET published_at = :now WHERE id = ANY(CAST(:ids AS bigint[]))", ids=list(ids), now=now)


def publish_soon() -> None:
    """Wake the relay if this process has recorded anything; returns at once."""
    _waker.wake()


def wait_until_woken(seconds_max: float) -> bool:
    """For whoever ends this process or changes where it publishes: False when a wake-up is still on its way."""
    return _waker.rest(seconds_max)


class _Waker:
    """One thread per process that sends wake-ups, so that no request waits for Pub/Sub or its 240 ms import."""

    def __init__(self) -> None:
        self._recorded = threading.local()
        self._wanted = threading.Event()
        self._resting = threading.Event()
        self._resting.set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def remember(self) -> None:
        self._recorded.yes = True

    def wake(self) -> None:
        if not getattr(self._recorded, "yes", False):
            return
        self._recorded.yes = False
        with self._lock:
            self._resting.clear()
            self._wanted.set()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="outbox-waker", daemon=True)
                self._thread.start()

    def rest(self, seconds_max: float) -> bool:
        return self._resting.wait(seconds_max)

    def _run(self) -> None:
        from shared.ports import pubsub

        pause = threading.Event()
        while True:
            self._wanted.wait()
            pause.wait(WAKE_PAUSE_SECONDS)
            self._wanted.clear()
            try:
                topic = OutboxFilled.topic
                pubsub.publish(topic, [pubsub.Message(b"{}", {"topic": topic})])
            except Exception:  # noqa: BLE001 - the relay's schedule is the safety net; a wake-up is only haste
                log.warning("the outbox relay could not be woken")
            with self._lock:
                if not self._wanted.is_set():
                    self._resting.set()


_waker = _Waker()
