"""Channels, how far their entries lie in pages, and the pages, as rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Tx
from shared.values.tiers import Tier


@dataclass(frozen=True)
class Tail:
    """A channel, the position up to which its entries lie in pages, and that of its newest entry (`head`).

    `is_restricted` says that some tier does not see it; `shift` is that of its newest pages.
    """

    id: UUID
    name: str
    access_standard: str
    access_vip: str
    access_high_roller: str
    access_whale: str
    slow_seconds: int
    pace_ms: int
    revision: int
    pins_revision: int
    is_archived: bool
    position: int
    head: int
    due_at: datetime | None
    awaited_until: datetime | None
    shown: int
    is_restricted: bool
    shift: str


@dataclass(frozen=True)
class Unpinned:
    """The message of a pin that is over."""

    id: UUID
    channel_id: UUID
    number: int


@dataclass(frozen=True)
class Shift:
    """The shift, and when the quarter's tiers end."""

    shift: int
    ends_at: datetime | None


@dataclass(frozen=True)
class PageRow:
    """An entry of a page that is to be written, with its message as it is; without an entry that is shown all of them
    are null. `as_of` is the channel's newest position in the same snapshot; `is_over` says that the page's shift is
    not the channel's any more.
    """

    first: int
    last: int
    shift: str
    made_at: datetime
    as_of: int
    is_over: bool
    position: int | None
    kind: str | None
    id: UUID | None
    number: int | None
    member_id: UUID | None
    tier: Tier | None
    text: str | None
    language: str | None
    media_type: str | None
    media_id: str | None
    reply_to: int | None
    mentions: list[dict[str, Any]] | None
    revision: int | None
    posted_at: datetime | None
    edited_at: datetime | None
    is_removed: bool
    username: str | None
    avatar_url: str | None
    names: dict[str, str]
    reactions: list[dict[str, Any]]


def channels(tx: Tx) -> list[UUID]:
    """All channels; what was archived is shown to be so."""
    return tx.column(UUID, "SELECT id FROM social_channels ORDER BY id")


def add_tails(tx: Tx) -> None:
    """Add the tails of new channels."""
    tx.run(
        """
        INSERT INTO social_tails (channel_id)
        SELECT id FROM social_channels c WHERE NOT EXISTS (SELECT FROM social_tails t WHERE t.channel_id = c.id)
        ON CONFLICT DO NOTHING
        """
    )


def lock(tx: Tx, channel_id: UUID) -> None:
    """Lock the channel's tail until the commit: its pages are made and marked one after another."""
    tx.run("SELECT 1 FROM social_tails WHERE channel_id = :channel_id FOR NO KEY UPDATE", channel_id=channel_id)


def tail(tx: Tx, channel_id: UUID) -> Tail | None:
    """The channel's tail; None for an unknown channel."""
    return tx.first(
        Tail,
        """
        SELECT c.id, c.name, CAST(c.access_standard AS text) AS access_standard,
               CAST(c.access_vip AS text) AS access_vip, CAST(c.access_high_roller AS text) AS access_high_roller,
               CAST(c.access_whale AS text) AS access_whale, c.slow_seconds, c.pace_ms, c.revision, c.pins_revision,
               c.archived_at IS NOT NULL AS is_archived, t.position,
               h.position AS head, t.due_at, t.awaited_until, t.shown, c.access_standard = 'hidden' AS is_restricted,
               CASE WHEN c.access_standard = 'hidden' THEN CAST(s.shift AS text) ELSE 'open' END AS shift
        FROM social_channels c JOIN social_heads h ON h.channel_id = c.id JOIN social_tails t ON t.channel_id = c.id
        CROSS JOIN social_shifts s
        WHERE c.id = :channel_id
        """,
        channel_id=channel_id,
    )


def expired_pins(tx: Tx, now: datetime, limit: int) -> list[UUID]:
    """The messages of pins that are over, the longest first."""
    return tx.column(
        UUID,
        "SELECT message_id FROM social_pins WHERE expires_at <= :now ORDER BY expires_at, message_id LIMIT :limit",
        now=now,
        limit=limit,
    )


def unpin(tx: Tx, message_id: UUID, now: datetime) -> Unpinned | None:
    """Take a pin down that is over; None if it is not, or not any more."""
    return tx.first(
        Unpinned,
        """
        DELETE FROM social_pins WHERE message_id = :message_id AND expires_at <= :now
        RETURNING message_id AS id, channel_id, number
        """,
        message_id=message_id,
        now=now,
    )


def await_page(tx: Tx, channel_id: UUID, until: datetime) -> None:
    """Note that the caller waits for the next page to be due; the tail is locked."""
    tx.run(
        "UPDATE social_tails SET awaited_until = :until WHERE channel_id = :channel_id",
        channel_id=channel_id,
        until=until,
    )


def make_page(tx: Tx, tail: Tail, shift: str, now: datetime) -> None:
    """Record the page of all that is in none; the tail is locked."""
    tx.run(
        """
        INSERT INTO social_pages (channel_id, first, last, shift, made_at, wanted)
        VALUES (:channel_id, :first, :last, :shift, :now, :last)
        """,
        channel_id=tail.id,
        first=tail.position + 1,
        last=tail.head,
        shift=shift,
        now=now,
    )


def want_anew(tx: Tx, channel_id: UUID, first: int, last: int, since: datetime) -> None:
    """Have earlier pages written anew whose messages were edited or removed by these entries; the tail is locked."""
    tx.run(
        """
        UPDATE social_pages p SET wanted = :last
        FROM (SELECT DISTINCT covering.first
              FROM social_entries later
              JOIN social_entries earlier ON earlier.message_id = later.message_id AND earlier.position < :first
              CROSS JOIN LATERAL (SELECT page.first FROM social_pages page
                                  WHERE page.channel_id = later.channel_id AND page.first <= earlier.position
                                  ORDER BY page.first DESC LIMIT 1) AS covering
              WHERE later.channel_id = :channel_id AND later.position BETWEEN :first AND :last
                AND later.kind IN ('edited', 'removed')) AS changed
        WHERE p.channel_id = :channel_id AND p.first = changed.first AND p.made_at > :since
        """,
        channel_id=channel_id,
        first=first,
        last=last,
        since=since,
    )


def move_tail(tx: Tx, channel_id: UUID, position: int, due_at: datetime) -> None:
    """Note up to which position entries lie in pages, and when the next page may be made; the tail is locked."""
    tx.run(
        """
        UPDATE social_tails SET position = :position, due_at = :due_at, awaited_until = NULL
        WHERE channel_id = :channel_id
        """,
        channel_id=channel_id,
        position=position,
        due_at=due_at,
    )


def unwritten(tx: Tx, channel_id: UUID, since: datetime, limit: int, entries: int) -> list[PageRow]:
    """The newest entries, so many of each, of the first `limit` pages that are to be written, in order. Those of
    messages that the channel does not show any more are left out.

    One statement sees one state, so that what is shown is the state as of `as_of`.
    """
    return tx.all(
        PageRow,
        """
        SELECT p.first, p.last, p.shift, p.made_at, p.as_of, p.is_over, e.position, e.kind, m.id, m.number,
               m.member_id, m.tier, m.text, m.language, m.media_type, m.media_id, m.reply_to, m.mentions, m.revision,
               m.posted_at, m.edited_at, m.removed_at IS NOT NULL AS is_removed,
               CASE WHEN a.status <> 'deleted' THEN a.username END AS username, a.avatar_url,
               (SELECT coalesce(jsonb_object_agg(CAST(named.id AS text), named.username), '{}')
                FROM jsonb_array_elements(m.mentions) AS mention
                JOIN members named ON named.id = CAST(mention ->> 'member_id' AS uuid)
                WHERE named.status <> 'deleted') AS names,
               (SELECT coalesce(jsonb_agg(jsonb_build_object('emoji', c.emoji, 'count', c.count)
                                          ORDER BY c.count DESC, c.emoji), '[]')
                FROM social_reaction_counts c
                WHERE c.posted_at = m.posted_at AND c.message_id = m.id AND c.count > 0) AS reactions
        FROM (SELECT page.channel_id, page.first, page.last, page.shift, page.made_at, h.position AS as_of,
                     h.first_number,
                     page.shift <> CASE WHEN c.access_standard = 'hidden' THEN CAST(s.shift AS text) ELSE 'open' END
                     AS is_over
              FROM social_pages page JOIN social_heads h ON h.channel_id = page.channel_id
              JOIN social_channels c ON c.id = page.channel_id CROSS JOIN social_shifts s
              WHERE page.channel_id = :channel_id AND page.written < page.wanted AND page.made_at > :since
              ORDER BY page.first LIMIT :limit) AS p
        LEFT JOIN (social_entries e
                   JOIN social_messages m ON m.posted_at = time_of_id(e.message_id) AND m.id = e.message_id)
               ON e.channel_id = p.channel_id AND e.position BETWEEN p.first AND p.last
              AND e.position > p.last - CAST(:entries AS integer) AND m.number >= p.first_number
        LEFT JOIN members a ON a.id = m.member_id
        ORDER BY p.first, e.position
        """,
        channel_id=channel_id,
        since=since,
        limit=limit,
        entries=entries,
    )


def mark_written(tx: Tx, channel_id: UUID, written: Mapping[int, int]) -> None:
    """Note as of which position pages were written, by their first positions; the tail is locked."""
    tx.run(
        """
        UPDATE social_pages p SET written = given.as_of
        FROM unnest(CAST(:firsts AS bigint[]), CAST(:positions AS bigint[])) AS given (first, as_of)
        WHERE p.channel_id = :channel_id AND p.first = given.first AND p.written < given.as_of
        """,
        channel_id=channel_id,
        firsts=list(written),
        positions=list(written.values()),
    )


def mark_shown(tx: Tx, channel_id: UUID, sequence: int) -> None:
    """Note which version of the channel's document is written; the tail is locked."""
    tx.run(
        "UPDATE social_tails SET shown = :sequence WHERE channel_id = :channel_id AND shown < :sequence",
        channel_id=channel_id,
        sequence=sequence,
    )


def is_shift_over(tx: Tx, now: datetime) -> bool:
    """Whether somebody has left since the shift began, the quarter ended, or no quarter was noted yet."""
    return tx.scalar(
        bool,
        """
        SELECT EXISTS (SELECT FROM social_departures) OR coalesce(ends_at <= :now, true) AS is_over FROM social_shifts
        """,
        now=now,
    )


def lock_shift(tx: Tx) -> Shift:
    """The shift, locked until the commit."""
    return tx.one(Shift, "SELECT shift, ends_at FROM social_shifts FOR NO KEY UPDATE")


def forget_departures(tx: Tx) -> int:
    """Delete the departures, for which the shift rises; the shift is locked. Returns how many there were."""
    return tx.run("DELETE FROM social_departures")


def set_shift(tx: Tx, shift: int, ends_at: datetime) -> None:
    """Store the shift, which is locked."""
    tx.run("UPDATE social_shifts SET shift = :shift, ends_at = :ends_at", shift=shift, ends_at=ends_at)


def shift(tx: Tx) -> int:
    """Read the present shift."""
    return tx.scalar(int, "SELECT shift FROM social_shifts")
