"""The writes of the chat. Acts lock standings, then messages, then heads, and nothing after heads."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from functions.social.judge import Standing
from functions.social.message_store import Message
from shared.db import Tx
from shared.values.ids import EPOCH, MICROSECOND

REPEATED = "five like messages"


@dataclass(frozen=True)
class SentBefore:
    """A message that a client has sent under an id of its own."""

    member_id: UUID
    client_id: UUID
    request_hash: bytes
    message_id: UUID


@dataclass(frozen=True)
class _Target:
    channel_id: UUID
    number: int


@dataclass(frozen=True)
class _Image:
    member_id: UUID
    id: UUID


@dataclass(frozen=True)
class _Named:
    name: str
    id: UUID


def sent_before(tx: Tx, pairs: Collection[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], SentBefore]:
    """Find the messages that were sent under these client ids of members."""
    rows = tx.all(
        SentBefore,
        """
        SELECT s.member_id, s.client_id, s.request_hash, s.message_id
        FROM unnest(CAST(:members AS uuid[]), CAST(:clients AS uuid[])) AS given (member_id, client_id)
        JOIN social_sent s ON s.member_id = given.member_id AND s.client_id = given.client_id
        """,
        members=[member_id for member_id, _ in pairs],
        clients=[client_id for _, client_id in pairs],
    )
    return {(row.member_id, row.client_id): row for row in rows}


def replied_to(tx: Tx, targets: Collection[tuple[UUID, int]]) -> set[tuple[UUID, int]]:
    """The targets, by channel and number, that are shown."""
    if not targets:
        return set()
    rows = tx.all(
        _Target,
        """
        SELECT m.channel_id, m.number
        FROM unnest(CAST(:channels AS uuid[]), CAST(:numbers AS bigint[])) AS target (channel_id, number)
        JOIN social_heads h ON h.channel_id = target.channel_id AND target.number >= h.first_number
        JOIN social_messages m ON m.channel_id = target.channel_id AND m.number = target.number
        WHERE m.removed_at IS NULL
        """,
        channels=[channel_id for channel_id, _ in targets],
        numbers=[number for _, number in targets],
    )
    return {(row.channel_id, row.number) for row in rows}


def named(tx: Tx, names: Collection[str]) -> dict[str, UUID]:
    """The active members with these names, which are in small letters."""
    if not names:
        return {}
    rows = tx.all(
        _Named,
        """
        SELECT lower(username) AS name, id FROM members
        WHERE lower(username) = ANY(CAST(:names AS text[])) AND status = 'active'
        """,
        names=list(names),
    )
    return {row.name: row.id for row in rows}


def lock_images(tx: Tx, wanted: Collection[tuple[UUID, UUID]]) -> set[tuple[UUID, UUID]]:
    """Lock the images, by member and id, that are the member's and can be posted; returns these."""
    if not wanted:
        return set()
    rows = tx.all(
        _Image,
        """
        SELECT i.member_id, i.id FROM social_images i
        JOIN unnest(CAST(:members AS uuid[]), CAST(:ids AS uuid[])) AS wanted (member_id, id)
          ON wanted.member_id = i.member_id AND wanted.id = i.id
        WHERE i.status = 'live' AND i.message_id IS NULL ORDER BY i.id FOR NO KEY UPDATE OF i
        """,
        members=[member_id for member_id, _ in wanted],
        ids=[image_id for _, image_id in wanted],
    )
    return {(row.member_id, row.id) for row in rows}


def use_images(tx: Tx, used: Mapping[UUID, UUID]) -> None:
    """Give images, which are locked, to the messages that show them."""
    if used:
        tx.run_later(
            """
            UPDATE social_images i SET message_id = given.message_id
            FROM unnest(CAST(:ids AS uuid[]), CAST(:messages AS uuid[])) AS given (id, message_id)
            WHERE i.id = given.id
            """,
            ids=list(used),
            messages=list(used.values()),
        )


def keep_standings(tx: Tx, changed: Iterable[Standing]) -> None:
    """Store standings that the caller has locked."""
    kept = list(changed)
    if not kept:
        return
    tx.run_later(
        """
        UPDATE social_standings s SET last_at = given.last_at, strikes = given.strikes, struck_at = given.struck_at,
               recent = given.recent, muted_until = given.muted_until
        FROM unnest(CAST(:members AS uuid[]), CAST(:lasts AS timestamptz[]), CAST(:strikes AS integer[]),
                    CAST(:struck AS timestamptz[]), CAST(:recents AS jsonb[]), CAST(:muted AS timestamptz[]))
             AS given (member_id, last_at, strikes, struck_at, recent, muted_until)
        WHERE s.member_id = given.member_id
        """,
        members=[standing.member_id for standing in kept],
        lasts=[standing.last_at for standing in kept],
        strikes=[standing.strikes for standing in kept],
        struck=[standing.struck_at for standing in kept],
        recents=[_recent(standing) for standing in kept],
        muted=[standing.muted_until for standing in kept],
    )


def note_mutes(tx: Tx, members: Collection[UUID], until: datetime, now: datetime) -> None:
    """Note that the rules have muted members."""
    if members:
        tx.run_later(
            """
            INSERT INTO social_sanctions (id, member_id, kind, until, reason, given_at)
            SELECT id, member_id, 'mute', :until, :reason, :now
            FROM unnest(CAST(:ids AS uuid[]), CAST(:members AS uuid[])) AS given (id, member_id)
            """,
            ids=[uuid4() for _ in members],
            members=list(members),
            until=until,
            reason=REPEATED,
            now=now,
        )


def insert(tx: Tx, made: Sequence[Message]) -> None:
    """Insert new messages; their numbers were taken before."""
    tx.run_later(
        """
        INSERT INTO social_messages (posted_at, id, channel_id, number, member_id, tier, text, language, media_type,
                                     media_id, reply_to, mentions)
        SELECT posted_at, id, channel_id, number, member_id, CAST(tier AS tier), text, language, media_type, media_id,
               reply_to, mentions
        FROM unnest(CAST(:times AS timestamptz[]), CAST(:ids AS uuid[]), CAST(:channels AS uuid[]),
                    CAST(:numbers AS bigint[]), CAST(:members AS uuid[]), CAST(:tiers AS text[]),
                    CAST(:texts AS text[]), CAST(:languages AS text[]), CAST(:media_types AS text[]),
                    CAST(:media_ids AS text[]), CAST(:replies AS bigint[]), CAST(:mentions AS jsonb[]))
             AS given (posted_at, id, channel_id, number, member_id, tier, text, language, media_type, media_id,
                       reply_to, mentions)
        """,
        times=[message.posted_at for message in made],
        ids=[message.id for message in made],
        channels=[message.channel_id for message in made],
        numbers=[message.number for message in made],
        members=[message.member_id for message in made],
        tiers=[message.tier.value if message.tier else None for message in made],
        texts=[message.text for message in made],
        languages=[message.language for message in made],
        media_types=[message.media_type for message in made],
        media_ids=[message.media_id for message in made],
        replies=[message.reply_to for message in made],
        mentions=[json.dumps(message.mentions) for message in made],
    )


def remember(tx: Tx, sent: Sequence[SentBefore], now: datetime) -> None:
    """Store under which client ids messages were sent. The members' standings are locked."""
    tx.run_later(
        """
        INSERT INTO social_sent (member_id, client_id, request_hash, message_id, sent_at)
        SELECT member_id, client_id, request_hash, message_id, :now
        FROM unnest(CAST(:members AS uuid[]), CAST(:clients AS uuid[]), CAST(:hashes AS bytea[]),
                    CAST(:messages AS uuid[])) AS given (member_id, client_id, request_hash, message_id)
        """,
        members=[each.member_id for each in sent],
        clients=[each.client_id for each in sent],
        hashes=[each.request_hash for each in sent],
        messages=[each.message_id for each in sent],
        now=now,
    )


def read_own(tx: Tx, made: Sequence[Message]) -> None:
    """Mark channels as read by those who have written in them, up to their own messages."""
    newest = {(message.member_id, message.channel_id): message.number for message in made if message.member_id}
    keys = sorted(newest, key=str)
    tx.run_later(
        """
        INSERT INTO social_reads AS mark (member_id, channel_id, number)
        SELECT member_id, channel_id, number
        FROM unnest(CAST(:members AS uuid[]), CAST(:channels AS uuid[]), CAST(:numbers AS bigint[]))
             AS given (member_id, channel_id, number)
        ORDER BY member_id, channel_id
        ON CONFLICT (member_id, channel_id) DO UPDATE SET number = greatest(mark.number, EXCLUDED.number)
        """,
        members=[member_id for member_id, _ in keys],
        channels=[channel_id for _, channel_id in keys],
        numbers=[newest[key] for key in keys],
    )


def edit(tx: Tx, message: Message, text: str, mentions: list[dict[str, Any]], now: datetime) -> None:
    """Store a new text of a message that the caller has locked."""
    tx.run_later(
        """
        UPDATE social_messages SET text = :text, mentions = CAST(:mentions AS jsonb), revision = revision + 1,
               edited_at = :now
        WHERE posted_at = :posted_at AND id = :id
        """,
        posted_at=message.posted_at,
        id=message.id,
        text=text,
        mentions=json.dumps(mentions),
        now=now,
    )


def remove(tx: Tx, message: Message, now: datetime) -> None:
    """Remove a message that the caller has locked, for its author. The text stays until its week is dropped."""
    tx.run_later(
        """
        UPDATE social_messages SET removed_at = :now, removed_by = 'author', revision = revision + 1
        WHERE posted_at = :posted_at AND id = :id
        """,
        posted_at=message.posted_at,
        id=message.id,
        now=now,
    )


def react(tx: Tx, message: Message, member_id: UUID, emoji: str) -> bool:
    """Give the message an emoji; False if the member has given it before. The message is locked."""
    made = tx.run(
        """
        INSERT INTO social_reactions (posted_at, message_id, emoji, member_id)
        VALUES (:posted_at, :id, :emoji, :member_id) ON CONFLICT DO NOTHING
        """,
        posted_at=message.posted_at,
        id=message.id,
        emoji=emoji,
        member_id=member_id,
    )
    if made:
        tx.run_later(
            """
            INSERT INTO social_reaction_counts AS counted (posted_at, message_id, emoji, count)
            VALUES (:posted_at, :id, :emoji, 1)
            ON CONFLICT (posted_at, message_id, emoji) DO UPDATE SET count = counted.count + 1
            """,
            posted_at=message.posted_at,
            id=message.id,
            emoji=emoji,
        )
    return bool(made)


def unreact(tx: Tx, message: Message, member_id: UUID, emoji: str) -> bool:
    """Take the member's emoji back; False if there is none. The message is locked; a trigger counts."""
    gone = tx.run(
        """
        DELETE FROM social_reactions
        WHERE posted_at = :posted_at AND message_id = :id AND emoji = :emoji AND member_id = :member_id
        """,
        posted_at=message.posted_at,
        id=message.id,
        emoji=emoji,
        member_id=member_id,
    )
    return bool(gone)


def _recent(standing: Standing) -> str:
    return json.dumps([[(sent.at - EPOCH) // MICROSECOND, sent.mark] for sent in standing.recent])
