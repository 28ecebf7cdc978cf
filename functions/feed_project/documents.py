"""The Firestore documents that clients listen to. `firestore.rules` says who may read which."""

from datetime import datetime, timedelta
from uuid import UUID

from functions.feed_project.store import FeedItem, Notification
from functions.feed_project.vote_store import Vote
from shared.messages import texts, wording
from shared.messages.feed import PARTNER_KINDS
from shared.messages.texts import Words
from shared.ports.firestore import Document
from shared.scans.velocity import ScanVelocity
from shared.values.states import VoteStatus

FEED_LIFE = timedelta(days=90)
REVOCATION_LIFE = timedelta(hours=2)  # longer than `firestore.rules` accepts a token
RETRACTED_LIFE = timedelta(days=1)
COUNTER_PATH = "counters/scans"
SECONDS_BITS = 32
BALLOT_BITS = 32
VOTE_STAGES = (VoteStatus.ACTIVE, VoteStatus.CLOSING, VoteStatus.CLOSED)  # a vote only goes on


def notification_document(row: Notification) -> Document:
    """`members/{member}/notifications/{id}`: the words in the member's language, and the text's code and parameters."""
    words = texts.notice(row.code, row.params, wording.language(row.language)) or Words(row.title, row.body)
    return Document(
        path=f"members/{row.member_id}/notifications/{row.id}",
        sequence=row.revision,
        fields={
            "type": row.type,
            "title": words.title,
            "body": words.body,
            "code": row.code,
            "params": row.params,
            "data": row.data,
            "created_at": row.created_at,
            "read": row.read_at is not None,
        },
    )


def retracted_document(member_id: UUID, notification_id: UUID, revision: int, now: datetime) -> Document:
    """`members/{member}/notifications/{id}` of a notification that was taken back: nothing but that, for a day. It is
    no deletion, because a copy that is under way would bring the notification back.
    """
    return Document(
        path=f"members/{member_id}/notifications/{notification_id}",
        sequence=revision,
        fields={"retracted": True},
        expires_at=now + RETRACTED_LIFE,
    )


def inbox_document(member_id: UUID, unread: int, all_read_at: datetime | None, revision: int) -> Document:
    """`inboxes/{member}`: the unread count. Notifications created up to `all_read_at` count as read."""
    return Document(f"inboxes/{member_id}", revision, {"unread_count": unread, "all_read_at": all_read_at})


def revocation_document(member_id: UUID, before: datetime) -> Document:
    """`revocations/{member}`: tokens issued before this moment are refused; older than an hour they are refused
    anyway.
    """
    sequence = int(before.timestamp() * 1_000_000)
    return Document(f"revocations/{member_id}", sequence, {"before": before}, expires_at=before + REVOCATION_LIFE)


def feed_document(item: FeedItem) -> Document:
    """`feed/{id}`: `text` is English, `code` and `params` say the same; `amount` is USDT as text with exact
    decimals; `partner` is true of what affiliates and the wholesale program have earned.
    """
    return Document(
        path=f"feed/{item.id}",
        sequence=item.id,
        fields={
            "kind": item.kind,
            "partner": item.kind in PARTNER_KINDS,
            "text": item.text,
            "code": item.code,
            "params": item.params,
            "amount": str(item.amount) if item.amount is not None else None,
            "happened_at": item.happened_at,
        },
        expires_at=item.happened_at + FEED_LIFE,
    )


def vote_document(vote: Vote) -> Document:
    """`votes/{id}`: the ballots of each option so far, and after the close the outcome.

    A later stage is the newer version, within a stage the one with more ballots.
    """
    ballots = sum(total["ballots"] for total in vote.totals)
    sequence = VOTE_STAGES.index(vote.status) << BALLOT_BITS | ballots
    fields = {
        "status": vote.status.value,
        "totals": vote.totals,
        "ballots": ballots,
        "electors": vote.electors,
        "closes_at": vote.closes_at,
        "closed_at": vote.closed_at,
        "outcome": vote.outcome,
    }
    return Document(f"votes/{vote.id}", sequence, fields)


def counter_document(total: int, per_second: float, velocity: ScanVelocity, as_of: datetime) -> Document:
    """`counters/scans`: clients count on from `as_of` by `per_second` until the next version.

    The version with the higher total is the newer one, so that the count never goes back; with equal totals, the later
    one.
    """
    sequence = total << SECONDS_BITS | int(as_of.timestamp())
    fields = {"total": total, "per_second": per_second, "velocity": vars(velocity), "as_of": as_of}
    return Document(COUNTER_PATH, sequence, fields)
