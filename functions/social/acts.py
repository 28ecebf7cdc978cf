"""Members edit, remove and react to messages that are there. Locks are taken as in posting.py."""

from datetime import datetime
from uuid import UUID

from functions.social import drafts, message_store, records, rules, store
from functions.social.judge import MUTE, Access, Attempt, Judge, Standing, refused_at_the_gate
from functions.social.message_store import Message
from functions.social.models import ChatMessage, ChatReaction
from functions.social.store import Channel
from shared.auth import Member
from shared.db import Tx
from shared.messages import notifications
from shared.social import heads
from shared.social import standings as locking
from shared.social.refusals import BannedFromChat
from shared.values.problems import NotFound, NotValid, Problem
from shared.web.http import IfMatch


def edit(tx: Tx, member: Member, message_id: UUID, match: IfMatch, text: str, now: datetime) -> ChatMessage | Problem:
    """Give an own message another text, as if it were posted anew. A returned refusal keeps its strike."""
    standing, message, channel = reach(tx, member, message_id)
    if message.member_id != member.id:
        raise rules.NotYourMessage
    if refusal := refused_at_the_gate(standing, channel.gate(member.tier), now):
        raise refusal
    if now - message.posted_at > rules.EDITABLE:
        raise rules.TooLateToEdit
    match.check(message.revision)
    draft = drafts.read(text, None)
    if isinstance(draft, NotValid):
        raise draft
    judge = Judge({member.id: standing}, now)
    attempt = Attempt(member.id, member.tier, channel.gate(member.tier), draft.mark, draft.is_allowed)
    refusal = judge.judge(attempt)
    records.keep_standings(tx, judge.changed.values())
    records.note_mutes(tx, judge.muted, now + MUTE, now)
    if refusal:
        return refusal
    known = records.named(tx, {name.name for name in draft.names})
    records.edit(tx, message, draft.text, drafts.mentions(draft.names, known), now)
    heads.note_one(tx, "edited", message, now)
    return _read_back(tx, member, message)


def remove(tx: Tx, member: Member, message_id: UUID, now: datetime) -> None:
    """Remove an own message, and take back what members were told of it. Harmless twice."""
    _, message, _ = reach(tx, member, message_id, removed_too=True)
    if message.member_id != member.id:
        raise rules.NotYourMessage
    if message.removed_at:
        return
    records.remove(tx, message, now)
    notifications.retract(tx, heads.notification_key(message.id), now)
    heads.note_one(tx, "removed", message, now)


def react(tx: Tx, member: Member, message_id: UUID, emoji: str, now: datetime) -> list[ChatReaction]:
    """Give a message an emoji. Harmless twice."""
    message = _to_react(tx, member, message_id, now)
    given = message_store.reactions(tx, member.id, [message]).get(message.id, [])
    if len(given) >= rules.REACTION_KINDS_MAX and emoji not in {each.emoji for each in given}:
        raise rules.TooManyReactions
    if records.react(tx, message, member.id, emoji):
        heads.note_one(tx, "reactions", message, now)
    return message_store.reactions(tx, member.id, [message]).get(message.id, [])


def unreact(tx: Tx, member: Member, message_id: UUID, emoji: str, now: datetime) -> list[ChatReaction]:
    """Take an emoji back. Harmless twice."""
    message = _to_react(tx, member, message_id, now)
    if records.unreact(tx, message, member.id, emoji):
        heads.note_one(tx, "reactions", message, now)
    return message_store.reactions(tx, member.id, [message]).get(message.id, [])


def _to_react(tx: Tx, member: Member, message_id: UUID, now: datetime) -> Message:
    standing, message, channel = reach(tx, member, message_id)
    if refusal := refused_at_the_gate(standing, channel.gate(member.tier), now):
        raise refusal
    return message


def reach(tx: Tx, member: Member, message_id: UUID, *, removed_too: bool = False) -> tuple[Standing, Message, Channel]:
    """The member's standing and a message, both locked, and its channel. Raises BannedFromChat; NotFound for a message
    that the member does not see.
    """
    locking.lock(tx, [member.id])
    standing = store.standings(tx, [member.id])[member.id]
    if standing.banned_at:
        raise BannedFromChat
    message = message_store.locked(tx, message_id)
    channel = store.channels_of(tx, [message.channel_id]).get(message.channel_id) if message else None
    if message is None or channel is None or channel.access(member.tier) is Access.HIDDEN:
        raise NotFound
    if message.number < channel.first_number or (message.removed_at and not removed_too):
        raise NotFound
    return standing, message, channel


def _read_back(tx: Tx, member: Member, message: Message) -> ChatMessage:
    (shown,) = message_store.seen(tx, member.id, list(message_store.with_ids(tx, [message.id]).values()))
    return shown
