"""Numbers and positions of a channel, and the entries that say what has happened there (docs/social.md).

Whoever takes some locks the channel's head until the commit, and nothing that others could hold up comes after it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared import events
from shared.db import Tx
from shared.social.events import ChannelChanged


class Numbered(Protocol):
    """A message, as far as an entry names it."""

    @property
    def id(self) -> UUID: ...
    @property
    def channel_id(self) -> UUID: ...
    @property
    def number(self) -> int: ...


@dataclass(frozen=True)
class Taken:
    """The last number and position that were taken in a channel."""

    channel_id: UUID
    number: int
    position: int


def take(tx: Tx, counts: Mapping[UUID, tuple[int, int]]) -> dict[UUID, Taken]:
    """Take so many numbers and positions in each channel. The heads are locked from here to the commit, sorted, so that
    two groups cannot deadlock: do nothing after it that others could hold up.

    They are locked by a statement of its own, so that the next one sees them as they are then.
    """
    channels = sorted(counts)
    tx.run_later(
        """
        SELECT 1 FROM social_heads WHERE channel_id = ANY(CAST(:channels AS uuid[]))
        ORDER BY channel_id FOR NO KEY UPDATE
        """,
        channels=channels,
    )
    rows = tx.all(
        Taken,
        """
        UPDATE social_heads h SET number = h.number + given.numbers, position = h.position + given.positions
        FROM unnest(CAST(:channels AS uuid[]), CAST(:numbers AS integer[]), CAST(:positions AS integer[]))
             AS given (channel_id, numbers, positions)
        WHERE h.channel_id = given.channel_id
        RETURNING h.channel_id, h.number, h.position
        """,
        channels=channels,
        numbers=[counts[channel][0] for channel in channels],
        positions=[counts[channel][1] for channel in channels],
    )
    return {row.channel_id: row for row in rows}


def note(tx: Tx, kind: str, happened: Sequence[tuple[int, Numbered]], now: datetime) -> None:
    """Note what has happened to messages, each under the position that was taken for it, and have it published."""
    tx.run_later(
        """
        INSERT INTO social_entries (channel_id, position, kind, number, message_id, happened_at)
        SELECT channel_id, position, :kind, number, message_id, :now
        FROM unnest(CAST(:channels AS uuid[]), CAST(:positions AS bigint[]), CAST(:numbers AS bigint[]),
                    CAST(:messages AS uuid[])) AS given (channel_id, position, number, message_id)
        """,
        kind=kind,
        channels=[message.channel_id for _, message in happened],
        positions=[position for position, _ in happened],
        numbers=[message.number for _, message in happened],
        messages=[message.id for _, message in happened],
        now=now,
    )
    channels = sorted({message.channel_id for _, message in happened})
    events.emit(tx, now, *(ChannelChanged(channel_id=channel) for channel in channels))


def note_one(tx: Tx, kind: str, message: Numbered, now: datetime) -> None:
    """Take the next position of the message's channel for what has happened to it."""
    taken = take(tx, {message.channel_id: (0, 1)})[message.channel_id]
    note(tx, kind, [(taken.position, message)], now)


def notification_key(message_id: UUID) -> str:
    """The key of the notifications that tell members of a message."""
    return f"message:{message_id}"
