"""Events and tasks that a transaction causes: recorded in the outbox with it, published later by outbox_relay.

An event goes to a Pub/Sub topic and may have several receivers; a task goes to a Cloud Tasks queue and has one. Both
arrive at least once, in any order: receivers read the row, not the message. A function that has recorded some wakes the
relay with one small message; the relay's schedule finds what a lost wake-up left behind.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared.db import Tx
from shared.waker import Waker


class Event(BaseModel):
    """Something that has happened; it is published to `topic`."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    topic: ClassVar[str]


class Task(BaseModel):
    """Something that `function` must do; it waits in `queue`."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    queue: ClassVar[str]
    function: ClassVar[str]

    @property
    def queue_name(self) -> str:
        """The queue of this task, for kinds of tasks that have several queues."""
        return self.queue


class OutboxFilled(Event):
    """The outbox has rows to relay. `publish_soon` sends it, never the outbox itself."""

    topic: ClassVar[str] = "outbox-filled"


class NotificationChanged(Event):
    """A member's notification was created or read: its Firestore copy and the unread count must be updated."""

    topic: ClassVar[str] = "notification-changed"
    notification_id: UUID


class NotificationMade(Event):
    """A member has a new notification: it is pushed to their devices."""

    topic: ClassVar[str] = "notification-made"
    notification_id: UUID


class NotificationRetracted(Event):
    """A member's notification was taken back: its Firestore copy goes, and the unread count must be updated."""

    topic: ClassVar[str] = "notification-retracted"
    notification_id: UUID
    member_id: UUID


class InboxChanged(Event):
    """A member's unread count changed without a single notification to name (all were read)."""

    topic: ClassVar[str] = "inbox-changed"
    member_id: UUID


class ListenerRevoked(Event):
    """The rights of a member's older realtime tokens were revoked."""

    topic: ClassVar[str] = "listener-revoked"
    member_id: UUID


class FeedItemMade(Event):
    """The public activity feed has a new line."""

    topic: ClassVar[str] = "feed-item-made"
    feed_item_id: int


class MailQueued(Event):
    """A mail is waiting to be sent."""

    topic: ClassVar[str] = "mail-queued"
    mail_id: UUID


class HookEvent(Event):
    """Something happened that receivers of webhooks have chosen (shared/values/hooks.py); `subject` says to what."""

    topic: ClassVar[str] = "hook-event"
    kind: str
    subject: str
    happened_at: datetime


class SendHook(Task):
    """Make one try of a webhook's delivery; `number` counts them from one."""

    queue: ClassVar[str] = "hook-send"
    function: ClassVar[str] = "hook_send"
    delivery_id: UUID
    number: int


class SendPayout(Task):
    """Take one payout from its present state to the chain."""

    queue: ClassVar[str] = "payout-send"
    function: ClassVar[str] = "payout_send"
    payout_id: UUID
    treasury: str

    @property
    def queue_name(self) -> str:
        """The queue of the payout's treasury, since each treasury has its own pace."""
        return f"{self.queue}-{self.treasury}"


class ConfirmPayouts(Task):
    """Check how far the transactions of a treasury's key have come."""

    queue: ClassVar[str] = "payout-confirm"
    function: ClassVar[str] = "payout_confirm"
    signer: str


class FollowWithdrawal(Task):
    """Send the transaction that a member has signed, and check how far it has come."""

    queue: ClassVar[str] = "withdrawal-confirm"
    function: ClassVar[str] = "withdrawal_confirm"
    withdrawal_id: UUID


class AdvanceOrder(Task):
    """Take an order to its next state, if something has happened that allows it."""

    queue: ClassVar[str] = "order-advance"
    function: ClassVar[str] = "order_advance"
    order_id: UUID


class AskPayment(Task):
    """Ask the payment provider for what an operation says, or for what has become of it."""

    queue: ClassVar[str] = "payment-watch"
    function: ClassVar[str] = "payment_watch"
    operation_id: UUID


class FulfilOrder(Task):
    """Ask the warehouse to send what a fulfilment says, or what has become of it."""

    queue: ClassVar[str] = "order-fulfil"
    function: ClassVar[str] = "order_fulfil"
    fulfilment_id: UUID


class LookAtDispute(Task):
    """Ask the payment provider what has become of a dispute, by the provider's name for it."""

    queue: ClassVar[str] = "dispute-look"
    function: ClassVar[str] = "payment_watch"
    reference: str


class ReconcilePayments(Task):
    """Read the card provider's list of a day, and compare payments with it."""

    queue: ClassVar[str] = "payment-reconciliation"
    function: ClassVar[str] = "payment_reconciliation"
    day: date


class ReportTax(Task):
    """Report a sale or a refund to the tax service, or find out that it is reported."""

    queue: ClassVar[str] = "tax-report"
    function: ClassVar[str] = "tax_report"
    transaction_id: UUID


class WatchDeposits(Task):
    """Read what buyers have sent in USDT, and send back what is owed to them."""

    queue: ClassVar[str] = "deposit-watch"
    function: ClassVar[str] = "deposit_watch"


class AccrueSale(Task):
    """Give the pools what an order's sale and refunds leave for them."""

    queue: ClassVar[str] = "sale-accrue"
    function: ClassVar[str] = "sale_accrue"
    order_id: UUID


class SyncInventory(Task):
    """Ask the warehouse for its counts."""

    queue: ClassVar[str] = "inventory-sync"
    function: ClassVar[str] = "inventory_sync"


class SyncBank(Task):
    """Read the balances of an enrollment at a bank, or tell the bank of its end. `attempt` counts from one."""

    queue: ClassVar[str] = "bank-sync"
    function: ClassVar[str] = "teller_sync"
    enrollment_id: UUID
    attempt: int


class SyncSupport(Task):
    """Tell Intercom of a member, open their appeals there, or have it forget a closed account."""

    queue: ClassVar[str] = "support-sync"
    function: ClassVar[str] = "support_sync"
    member_id: UUID


class RemindOfEvent(Task):
    """Remind the next members of a plan of a live event, those with a number above `done_number`."""

    queue: ClassVar[str] = "event-remind"
    function: ClassVar[str] = "event_remind"
    stream_id: UUID
    plan: int
    done_number: int


class AdvanceWeek(Task):
    """Take the weeks of affiliates as far as they can go."""

    queue: ClassVar[str] = "affiliate-week"
    function: ClassVar[str] = "affiliate_week"


class Reconcile(Task):
    """Compare the books with the chain, or check pending transactions again."""

    queue: ClassVar[str] = "reconciliation"
    function: ClassVar[str] = "reconciliation"
    reconciliation_id: UUID


class FillCodeBatch(Task):
    """Generate the next chunk of a batch of codes."""

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


class PublishAvatar(Task):
    """Check a picture, store it, and show it in place of the previous one."""

    queue: ClassVar[str] = "avatar-publish"
    function: ClassVar[str] = "avatar_publish"
    avatar_id: UUID


class RemoveAvatar(Task):
    """Delete a picture that is no longer shown from the storage."""

    queue: ClassVar[str] = "avatar-remove"
    function: ClassVar[str] = "avatar_publish"
    avatar_id: UUID


class ExportMember(Task):
    """Write everything about a member into a file."""

    queue: ClassVar[str] = "member-export"
    function: ClassVar[str] = "member_export"
    export_id: UUID


class ExportReport(Task):
    """Write a report that an admin has asked for into a file."""

    queue: ClassVar[str] = "report-export"
    function: ClassVar[str] = "report_export"
    export_id: UUID


class EraseMember(Task):
    """Erase what is left of a deleted account; the last look comes when nothing of it can be under way any more."""

    queue: ClassVar[str] = "member-erase"
    function: ClassVar[str] = "member_erase"
    member_id: UUID
    is_last_look: bool


class SendBroadcast(Task):
    """Notify the next members of a broadcast, those with a number above `done_number`."""

    queue: ClassVar[str] = "broadcast-send"
    function: ClassVar[str] = "broadcast_send"
    broadcast_id: UUID
    done_number: int


class SendCampaign(Task):
    """Queue a campaign's mails for the next members, those with a number above `done_number`."""

    queue: ClassVar[str] = "campaign-send"
    function: ClassVar[str] = "campaign_send"
    campaign_id: UUID
    done_number: int


class ImportCodes(Task):
    """Check a large file of manufactured codes, or import its next chunk."""

    queue: ClassVar[str] = "codes-import"
    function: ClassVar[str] = "codes_import"
    import_id: UUID
    chunk: int


def emit(tx: Tx, now: datetime, *events: Event) -> None:
    """Record events in the transaction of the work that caused them."""
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
    """Record a task in the transaction of the work that caused it. Two tasks of one `name` within about a day are one
    task (`tasks.enqueue`).
    """
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


def enqueue_many(tx: Tx, now: datetime, tasks: Sequence[Task]) -> None:
    """Record tasks as `enqueue` does, each without a name."""
    if not tasks:
        return
    tx.run(
        """
        INSERT INTO outbox (kind, destination, function, body, created_at)
        SELECT 'task', destination, function, body, :now
        FROM unnest(CAST(:destinations AS text[]), CAST(:functions AS text[]), CAST(:bodies AS jsonb[]))
            AS tasks (destination, function, body)
        """,
        destinations=[task.queue_name for task in tasks],
        functions=[task.function for task in tasks],
        bodies=[task.model_dump_json() for task in tasks],
        now=now,
    )
    _waker.remember()


def forget() -> None:
    """Forget that this thread has recorded anything, because all of it was undone: the relay need not be woken."""
    _waker.forget()


def publish_soon() -> None:
    """Wake the relay if this thread has recorded anything; returns at once."""
    _waker.wake()


def wait_until_woken(seconds_max: float) -> bool:
    """Wait until no wake-up is being sent; False when one still is after `seconds_max`.

    This is for code that ends the process or changes where it publishes.
    """
    return _waker.rest(seconds_max)


_waker = Waker(OutboxFilled.topic)
