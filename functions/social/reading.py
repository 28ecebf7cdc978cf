"""Members read channels with their unread counts, messages, changes, and their own standing."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from functions.social import message_store, store
from functions.social.judge import Access, may_write_at, strikes_left
from functions.social.message_store import Entry, Message
from functions.social.models import (
    ChangesQuery,
    ChatChange,
    ChatChanges,
    ChatChannel,
    ChatPage,
    ChatRead,
    ChatStanding,
    MessageQuery,
)
from functions.social.store import Channel
from shared.auth import Member
from shared.db import Tx
from shared.social import standings
from shared.social.refusals import BannedFromChat
from shared.values.problems import NotFound, NotValid


def channels(tx: Tx, member: Member) -> list[ChatChannel]:
    """The channels that the member sees. One that they have never looked at counts as read from now on."""
    _check_not_banned(tx, member.id)
    shown = [each for each in store.channels(tx) if each.access(member.tier) is not Access.HIDDEN]
    store.look(tx, member.id, [each.id for each in shown])
    unread = store.unread(tx, member.id)
    return [
        ChatChannel(
            id=each.id,
            slug=each.slug,
            name=each.name,
            description=each.description,
            category=each.category,
            icon=each.icon,
            kind=each.kind,
            access=each.access(member.tier),
            slow_seconds=each.slow_seconds,
            number=each.number,
            position=each.position,
            unread=unread[each.id],
        )
        for each in shown
    ]


def page(tx: Tx, member: Member, channel_id: UUID, query: MessageQuery) -> ChatPage:
    """A page of the channel's messages, newest first."""
    if query.before and query.around:
        raise NotValid(errors=[{"field": "/around", "message": "cannot be given together with before"}])
    channel = visible(tx, member, channel_id)
    before = channel.number + 1
    if query.before:
        before = query.before
    elif query.around:
        before = min(query.around + query.limit // 2 + 1, before)
    rows = message_store.page(tx, channel.id, channel.first_number, before, query.limit + 1)
    return ChatPage(
        messages=message_store.seen(tx, member.id, rows[: query.limit]),
        position=channel.position,
        has_earlier=len(rows) > query.limit,
    )


def changes(tx: Tx, member: Member, channel_id: UUID, query: ChangesQuery) -> ChatChanges:
    """The changes in the channel after a position. Positions have no gap, so that an entry that is missing was
    deleted: then the messages must be read anew.
    """
    channel = visible(tx, member, channel_id)
    found = message_store.entries(tx, channel.id, query.since, query.limit + 1)
    if (found[0].position if found else channel.position + 1) != query.since + 1:
        return ChatChanges(reset=True, position=channel.position, has_more=False, changes=[])
    told = found[: query.limit]
    position = told[-1].position if told else query.since
    return ChatChanges(
        reset=False, position=position, has_more=len(found) > query.limit, changes=_merged(tx, member.id, channel, told)
    )


def mark_read(tx: Tx, member: Member, channel_id: UUID, number: int) -> ChatRead:
    """Mark the channel as read up to a number, and count what is unread after it."""
    channel = visible(tx, member, channel_id)
    read = store.read_up_to(tx, member.id, channel.id, number)
    return ChatRead(number=read, unread=store.unread(tx, member.id)[channel.id])


def standing(tx: Tx, member: Member, now: datetime) -> ChatStanding:
    """The member's rights in the chat now, where there is no slow mode."""
    found = store.standings(tx, [member.id])[member.id]
    free_at = may_write_at(found, member.tier, 0, now)
    return ChatStanding(
        is_banned=found.banned_at is not None,
        timeout_until=found.timeout_until if found.timeout_until and found.timeout_until > now else None,
        muted_until=found.muted_until if found.muted_until and found.muted_until > now else None,
        may_write_at=free_at if free_at > now else None,
        strikes=strikes_left(found, now),
    )


def message(tx: Tx, member: Member, message_id: UUID) -> Message:
    """A message that the member may read. Raises BannedFromChat; NotFound for any other message, a removed one too."""
    _check_not_banned(tx, member.id)
    found = message_store.with_ids(tx, [message_id]).get(message_id)
    channel = visible(tx, member, found.channel_id) if found else None
    if found is None or channel is None or found.number < channel.first_number or found.removed_at:
        raise NotFound
    return found


def visible(tx: Tx, member: Member, channel_id: UUID) -> Channel:
    """The channel. Raises BannedFromChat; NotFound if the member does not see it."""
    _check_not_banned(tx, member.id)
    channel = store.channels_of(tx, [channel_id]).get(channel_id)
    if channel is None or channel.access(member.tier) is Access.HIDDEN:
        raise NotFound
    return channel


def _check_not_banned(tx: Tx, member_id: UUID) -> None:
    if standings.is_banned(tx, member_id):
        raise BannedFromChat


def _merged(tx: Tx, reader: UUID, channel: Channel, told: Sequence[Entry]) -> list[ChatChange]:
    """The changes with their messages as they are now; of changes of reactions to one message only the last."""
    last = {entry.message_id: entry.position for entry in told if entry.kind == "reactions"}
    kept = [entry for entry in told if entry.kind != "reactions" or last[entry.message_id] == entry.position]
    found = message_store.with_ids(tx, {entry.message_id for entry in kept})
    rows = [row for row in found.values() if row.number >= channel.first_number]
    shown = {message.id: message for message in message_store.seen(tx, reader, rows)}
    return [
        ChatChange(position=entry.position, kind=entry.kind, message=shown[entry.message_id])
        for entry in kept
        if entry.message_id in shown
    ]
