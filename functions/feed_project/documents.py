"""The shapes of the Firestore documents that clients listen to. `firestore.rules` says who may read which."""

from datetime import datetime, timedelta
from uuid import UUID

from functions.feed_project.store import FeedItem, Notification
from shared.ports.firestore import Document
from shared.velocity import ScanVelocity

FEED_LIFE = timedelta(days=90)
REVOCATION_LIFE = timedelta(hours=2)  # longer than `firestore.rules` lets a sign-in last
COUNTER_PATH = "counters/scans"
SECONDS_BITS = 32


def notification_document(row: Notification) -> Document:
    """`members/{member}/notifications/{id}`."""
    return Document(
        path=f"members/{row.member_id}/notifications/{row.id}",
        sequence=row.revision,
        fields={
            "type": row.type,
            "title": row.title,
            "body": row.body,
            "data": row.data,
            "created_at": row.created_at,
            "read": row.read_at is not None,
        },
    )


def inbox_document(member_id: UUID, unread: int, all_read_at: datetime | None, revision: int) -> Document:
    """`inboxes/{member}`: the badge. Notifications made up to `all_read_at` count as read."""
    return Document(f"inboxes/{member_id}", revision, {"unread_count": unread, "all_read_at": all_read_at})


def revocation_document(member_id: UUID, before: datetime) -> Document:
    """`revocations/{member}`: tokens of sign-ins before it show nothing. The longest-lived has ended an hour later."""
    sequence = int(before.timestamp() * 1_000_000)
    return Document(f"revocations/{member_id}", sequence, {"before": before}, expires_at=before + REVOCATION_LIFE)


def feed_document(item: FeedItem) -> Document:
    """`feed/{id}`: `amount` is text with exact decimals, USDT."""
    return Document(
        path=f"feed/{item.id}",
        sequence=item.id,
        fields={
            "kind": item.kind,
            "text": item.text,
            "amount": str(item.amount) if item.amount is not None else None,
            "happened_at": item.happened_at,
        },
        expires_at=item.happened_at + FEED_LIFE,
    )


def counter_document(total: int, per_second: float, velocity: ScanVelocity, as_of: datetime) -> Document:
    """`counters/scans`: clients count on from `as_of` by `per_second` until the next version.

    The higher total is newer, so that it never goes back; of two with the same total the later one is.
    """
    sequence = total << SECONDS_BITS | int(as_of.timestamp())
    fields = {"total": total, "per_second": per_second, "velocity": vars(velocity), "as_of": as_of}
    return Document(COUNTER_PATH, sequence, fields)
