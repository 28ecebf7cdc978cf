"""Messages as rows, and as members see them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from functions.social import media
from functions.social.models import ChatAuthor, ChatMention, ChatMessage, ChatReaction
from shared.db import Tx
from shared.values import ids
from shared.values.tiers import Tier


@dataclass(frozen=True)
class Message:
    """A message. Each of `mentions` is {member_id, start, length}, in code points."""

    posted_at: datetime
    id: UUID
    channel_id: UUID
    number: int
    member_id: UUID | None
    tier: Tier | None
    text: str
    language: str | None
    media_type: str
    media_id: str | None
    reply_to: int | None
    mentions: list[dict[str, Any]]
    revision: int
    edited_at: datetime | None
    removed_at: datetime | None


@dataclass(frozen=True)
class Person:
    """A member's present name and picture; none for a closed account."""

    id: UUID
    username: str | None
    avatar_url: str | None


@dataclass(frozen=True)
class Count:
    """How many members have given a message an emoji, and whether the reader is among them."""

    message_id: UUID
    emoji: str
    count: int
    mine: bool


@dataclass(frozen=True)
class Entry:
    """Something that has happened in a channel."""

    position: int
    kind: str
    message_id: UUID


def page(tx: Tx, channel_id: UUID, first: int, before: int, limit: int) -> list[Message]:
    """The messages from `first` on and before a number, newest first."""
    return tx.all(
        Message,
        """
        SELECT posted_at, id, channel_id, number, member_id, tier, text, language, media_type, media_id, reply_to,
               mentions, revision, edited_at, removed_at
        FROM social_messages WHERE channel_id = :channel_id AND number >= :first AND number < :before
        ORDER BY number DESC LIMIT :limit
        """,
        channel_id=channel_id,
        first=first,
        before=before,
        limit=limit,
    )


def with_ids(tx: Tx, wanted: Collection[UUID]) -> dict[UUID, Message]:
    """The messages with these ids."""
    timed = {identity: at for identity in wanted if (at := ids.time_of(identity))}
    rows = tx.all(
        Message,
        """
        SELECT m.posted_at, m.id, m.channel_id, m.number, m.member_id, m.tier, m.text, m.language, m.media_type,
               m.media_id, m.reply_to, m.mentions, m.revision, m.edited_at, m.removed_at
        FROM unnest(CAST(:times AS timestamptz[]), CAST(:ids AS uuid[])) AS wanted (posted_at, id)
        JOIN social_messages m ON m.posted_at = wanted.posted_at AND m.id = wanted.id
        """,
        times=list(timed.values()),
        ids=list(timed),
    )
    return {row.id: row for row in rows}


def locked(tx: Tx, identity: UUID) -> Message | None:
    """The message, locked until the commit; None if there is none with this id."""
    return tx.first(
        Message,
        """
        SELECT posted_at, id, channel_id, number, member_id, tier, text, language, media_type, media_id, reply_to,
               mentions, revision, edited_at, removed_at
        FROM social_messages WHERE posted_at = :posted_at AND id = :id FOR NO KEY UPDATE
        """,
        posted_at=ids.time_of(identity),
        id=identity,
    )


def entries(tx: Tx, channel_id: UUID, since: int, limit: int) -> list[Entry]:
    """The entries after a position, in order."""
    return tx.all(
        Entry,
        """
        SELECT position, kind, message_id FROM social_entries
        WHERE channel_id = :channel_id AND position > :since ORDER BY position LIMIT :limit
        """,
        channel_id=channel_id,
        since=since,
        limit=limit,
    )


def people(tx: Tx, members: Collection[UUID]) -> dict[UUID, Person]:
    """The names and pictures of members."""
    rows = tx.all(
        Person,
        """
        SELECT id, CASE WHEN status <> 'deleted' THEN username END AS username, avatar_url
        FROM members WHERE id = ANY(CAST(:members AS uuid[]))
        """,
        members=list(members),
    )
    return {row.id: row for row in rows}


def reactions(tx: Tx, reader: UUID | None, shown: Sequence[Message]) -> dict[UUID, list[ChatReaction]]:
    """The reactions to messages, those first that most members have given; without a reader, as authors see them."""
    rows = tx.all(
        Count,
        """
        SELECT c.message_id, c.emoji, c.count,
               EXISTS (SELECT FROM social_reactions r WHERE r.posted_at = c.posted_at AND r.message_id = c.message_id
                       AND r.emoji = c.emoji AND r.member_id = wanted.reader) AS mine
        FROM unnest(CAST(:times AS timestamptz[]), CAST(:ids AS uuid[]), CAST(:readers AS uuid[]))
             AS wanted (posted_at, id, reader)
        JOIN social_reaction_counts c ON c.posted_at = wanted.posted_at AND c.message_id = wanted.id
        WHERE c.count > 0 ORDER BY c.message_id, c.count DESC, c.emoji
        """,
        times=[message.posted_at for message in shown],
        ids=[message.id for message in shown],
        readers=[reader or message.member_id for message in shown],
    )
    found: dict[UUID, list[ChatReaction]] = {}
    for row in rows:
        found.setdefault(row.message_id, []).append(ChatReaction(emoji=row.emoji, count=row.count, mine=row.mine))
    return found


def seen(tx: Tx, reader: UUID | None, shown: Sequence[Message]) -> list[ChatMessage]:
    """Messages as a member sees them; without a reader, each as its author sees it."""
    whole = [message for message in shown if message.removed_at is None]
    given = reactions(tx, reader, whole) if whole else {}
    named = {UUID(mention["member_id"]) for message in whole for mention in message.mentions}
    authors = {message.member_id for message in whole if message.member_id}
    known = people(tx, named | authors) if whole else {}
    return [_seen(message, known, given.get(message.id, [])) for message in shown]


def _seen(message: Message, known: Mapping[UUID, Person], given: list[ChatReaction]) -> ChatMessage:
    is_removed = message.removed_at is not None
    author = None
    if message.member_id and message.tier and not is_removed:
        person = known[message.member_id]
        author = ChatAuthor(
            member_id=person.id, username=person.username, avatar_url=person.avatar_url, tier=message.tier
        )
    return ChatMessage(
        id=message.id,
        channel_id=message.channel_id,
        number=message.number,
        author=author,
        text="" if is_removed else message.text,
        language=None if is_removed else message.language,
        media=None if is_removed else media.shown(message.media_type, message.media_id),
        reply_to=None if is_removed else message.reply_to,
        mentions=[] if is_removed else [_mention(mention, known) for mention in message.mentions],
        reactions=given,
        posted_at=message.posted_at,
        edited_at=None if is_removed else message.edited_at,
        removed=is_removed,
        revision=message.revision,
    )


def _mention(mention: Mapping[str, Any], known: Mapping[UUID, Person]) -> ChatMention:
    person = known[UUID(mention["member_id"])]
    return ChatMention(member_id=person.id, username=person.username, start=mention["start"], length=mention["length"])
