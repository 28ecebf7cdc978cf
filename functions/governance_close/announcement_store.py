"""Posts a system message, which has no author, in channels of the chat."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.social import heads
from shared.values import ids


@dataclass(frozen=True)
class SystemMessage:
    """A message without an author."""

    posted_at: datetime
    id: UUID
    channel_id: UUID
    number: int


def announce(tx: Tx, slugs: Collection[str], text: str, now: datetime) -> None:
    """Post the text in the channels of these slugs, unless they are archived. The channels' heads are locked from here
    to the commit: do nothing after it that others could hold up.

    Whoever calls this does so once for each cause, under a lock of the cause's row: nothing else keeps it from being
    posted twice.
    """
    channels = tx.column(
        UUID,
        """
        SELECT id FROM social_channels WHERE slug = ANY(CAST(:slugs AS text[])) AND archived_at IS NULL ORDER BY id
        """,
        slugs=list(slugs),
    )
    if not channels:
        return
    taken = heads.take(tx, dict.fromkeys(channels, (1, 1)))
    entries = [(taken[channel].position, _message(channel, taken[channel].number, now)) for channel in channels]
    tx.run_later(
        """
        INSERT INTO social_messages (posted_at, id, channel_id, number, text)
        SELECT posted_at, id, channel_id, number, :text
        FROM unnest(CAST(:moments AS timestamptz[]), CAST(:ids AS uuid[]), CAST(:channels AS uuid[]),
                    CAST(:numbers AS bigint[])) AS given (posted_at, id, channel_id, number)
        """,
        moments=[message.posted_at for _, message in entries],
        ids=[message.id for _, message in entries],
        channels=[message.channel_id for _, message in entries],
        numbers=[message.number for _, message in entries],
        text=text,
    )
    heads.note(tx, "message", entries, now)


def _message(channel_id: UUID, number: int, now: datetime) -> SystemMessage:
    identity = ids.timed(now)
    posted_at = ids.time_of(identity)
    assert posted_at, "the id begins with its time"
    return SystemMessage(posted_at, identity, channel_id, number)
