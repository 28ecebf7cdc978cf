"""What is copied to Firestore, read as it stands now."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Tx
from shared.money import Usdt


@dataclass(frozen=True)
class Notification:
    """A notification with its member's inbox, in one snapshot."""

    id: UUID
    member_id: UUID
    type: str
    title: str
    body: str
    data: dict[str, Any]
    created_at: datetime
    read_at: datetime | None
    unread: int
    all_read_at: datetime | None
    revision: int


@dataclass(frozen=True)
class Inbox:
    """A member's unread count."""

    unread: int
    all_read_at: datetime | None
    revision: int


@dataclass(frozen=True)
class Revocation:
    """Listeners who signed in before it are refused."""

    before: datetime


@dataclass(frozen=True)
class FeedItem:
    """A line of the public feed."""

    id: int
    kind: str
    text: str
    amount: Usdt | None
    happened_at: datetime


@dataclass(frozen=True)
class Counter:
    """The global scan counter."""

    value: int


def notification(tx: Tx, notification_id: UUID) -> Notification | None:
    """None when it has been erased since."""
    return tx.first(
        Notification,
        """
        SELECT n.id, n.member_id, n.type, n.title, n.body, n.data, n.created_at, n.read_at,
               i.unread, i.all_read_at, i.revision
        FROM notifications n JOIN inboxes i ON i.member_id = n.member_id WHERE n.id = :id
        """,
        id=notification_id,
    )


def inbox(tx: Tx, member_id: UUID) -> Inbox | None:
    """None when the member has been erased since."""
    return tx.first(
        Inbox,
        "SELECT unread, all_read_at, revision FROM inboxes WHERE member_id = :member_id",
        member_id=member_id,
    )


def revoked_before(tx: Tx, member_id: UUID) -> datetime:
    """A member whose listeners were refused before."""
    return tx.one(
        Revocation, "SELECT before FROM listener_revocations WHERE member_id = :member_id", member_id=member_id
    ).before


def feed_item(tx: Tx, item_id: int) -> FeedItem:
    """A line that was made."""
    return tx.one(FeedItem, "SELECT id, kind, text, amount, happened_at FROM feed_items WHERE id = :id", id=item_id)


def counter(tx: Tx) -> int:
    """How many scans there are."""
    return tx.one(Counter, "SELECT value FROM scan_counter").value


def take_lease(tx: Tx, name: str, holder: UUID, now: datetime, until: datetime) -> bool:
    """True while this holder is the only one; each call prolongs it."""
    return bool(
        tx.run(
            """
            INSERT INTO leases AS lease (name, holder, held_until) VALUES (:name, :holder, :until)
            ON CONFLICT (name) DO UPDATE SET holder = EXCLUDED.holder, held_until = EXCLUDED.held_until
            WHERE lease.holder = EXCLUDED.holder OR lease.held_until <= :now
            """,
            name=name,
            holder=holder,
            now=now,
            until=until,
        )
    )


def release_lease(tx: Tx, name: str, holder: UUID, now: datetime) -> None:
    """The next holder need not wait for it to run out."""
    tx.run(
        "UPDATE leases SET held_until = :now WHERE name = :name AND holder = :holder",
        name=name,
        holder=holder,
        now=now,
    )
