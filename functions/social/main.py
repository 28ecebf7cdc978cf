"""HTTP: the chat (docs/social.md).

Messages that arrive together are posted together, in one transaction; each gets the answer that it would have got
alone.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from flask import Request, Response

from functions.social import acts, blocks, emojis, pins, posting, reading, reporting, rules, store, translating
from functions.social.models import (
    ChangesQuery,
    ChatBlock,
    ChatChanges,
    ChatChannelList,
    ChatMember,
    ChatMessage,
    ChatPage,
    ChatPins,
    ChatReactions,
    ChatRead,
    ChatReport,
    ChatStanding,
    ChatTranslation,
    MessageDraft,
    MessageEdit,
    MessageQuery,
    ReadMark,
    ReportDraft,
    TranslationWish,
)
from functions.social.translating import Translated
from shared.api import Api
from shared.auth import Member
from shared.db import Tx
from shared.ports.translation import Language
from shared.social import standings
from shared.social.refusals import BannedFromChat
from shared.values.fields import Listing, Page
from shared.values.problems import NotFound, Problem
from shared.web.http import IfMatch
from shared.web.signatures import Asked

api = Api("social")

GATE = (BannedFromChat, rules.ChannelIsReadOnly, rules.TimedOut, rules.Muted)
JUDGED = (*GATE, rules.MessageNotAllowed, rules.PostingTooFast)


def social(request: Request) -> Response:
    return api.handle(request)


@api.get("/v1/social/channels", problems=(BannedFromChat,))
def list_channels(tx: Tx, member: Member) -> ChatChannelList:
    """The channels that the member sees, with what they may do there and what they have not read."""
    return ChatChannelList(channels=reading.channels(tx, member))


@api.get("/v1/social/channels/{channel_id}/messages", problems=(BannedFromChat,))
def list_messages(tx: Tx, member: Member, channel_id: UUID, query: MessageQuery) -> ChatPage:
    """Messages of a channel, newest first."""
    return reading.page(tx, member, channel_id, query)


@api.get("/v1/social/channels/{channel_id}/changes", problems=(BannedFromChat,))
def list_changes(tx: Tx, member: Member, channel_id: UUID, query: ChangesQuery) -> ChatChanges:
    """List the changes in a channel since a position."""
    return reading.changes(tx, member, channel_id, query)


@api.get("/v1/social/channels/{channel_id}/pins", problems=(BannedFromChat,))
def list_pins(tx: Tx, member: Member, channel_id: UUID, now: datetime) -> ChatPins:
    """List the pins of a channel, newest first."""
    return pins.pins(tx, member, channel_id, now)


@api.post("/v1/social/channels/{channel_id}/messages", status=201, problems=(*JUDGED, rules.ClientIdReused))
def post_message(tx: Tx, group: Sequence[Asked[Member, MessageDraft]], now: datetime) -> list[ChatMessage | Problem]:
    """Post messages. One that comes again under its client id is answered with the message that was posted."""
    return posting.post(tx, group, now)


@api.put("/v1/social/messages/{message_id}", problems=(*JUDGED, rules.NotYourMessage, rules.TooLateToEdit))
def edit_message(
    tx: Tx, member: Member, message_id: UUID, match: IfMatch, body: MessageEdit, now: datetime
) -> ChatMessage | Problem:
    """Give an own message another text, within fifteen minutes."""
    return acts.edit(tx, member, message_id, match, text=body.text, now=now)


@api.delete("/v1/social/messages/{message_id}", status=204, problems=(BannedFromChat, rules.NotYourMessage))
def remove_message(tx: Tx, member: Member, message_id: UUID, now: datetime) -> None:
    """Remove an own message. Harmless twice."""
    acts.remove(tx, member, message_id, now)


@api.put("/v1/social/messages/{message_id}/reactions/{emoji}", problems=(*GATE, rules.TooManyReactions))
def add_reaction(tx: Tx, member: Member, message_id: UUID, emoji: str, now: datetime) -> ChatReactions:
    """Give a message an emoji. Harmless twice."""
    return ChatReactions(reactions=acts.react(tx, member, message_id, emojis.one(emoji), now))


@api.delete("/v1/social/messages/{message_id}/reactions/{emoji}", problems=GATE)
def remove_reaction(tx: Tx, member: Member, message_id: UUID, emoji: str, now: datetime) -> ChatReactions:
    """Take an emoji back. Harmless twice."""
    return ChatReactions(reactions=acts.unreact(tx, member, message_id, emojis.one(emoji), now))


@api.post(
    "/v1/social/messages/{message_id}/translate",
    limit=translating.limit,
    before=translating.prepared,
    keeps_answer=False,
    problems=(
        BannedFromChat,
        rules.NotTranslatable,
        rules.TooManyTranslations,
        rules.TranslationNotReady,
        rules.TranslationUnavailable,
    ),
)
def translate_message(
    tx: Tx, member: Member, message_id: UUID, body: TranslationWish, said: Translated, now: datetime
) -> ChatTranslation:
    """Translate a message that the member may read."""
    translating.keep(tx, member, message_id, Language(body.language), said, now=now)
    return ChatTranslation(message_id=message_id, revision=said.revision, language=body.language, text=said.text)


@api.put("/v1/social/channels/{channel_id}/read", problems=(BannedFromChat,))
def mark_read(tx: Tx, member: Member, channel_id: UUID, body: ReadMark) -> ChatRead:
    """Mark a channel as read up to a number. The mark never falls, and never passes the newest message."""
    return reading.mark_read(tx, member, channel_id, body.number)


@api.get("/v1/social/standing")
def get_standing(tx: Tx, member: Member, now: datetime) -> ChatStanding:
    """Tell what the member may do in the chat now."""
    return reading.standing(tx, member, now)


@api.get("/v1/social/members/{member_id}", problems=(BannedFromChat,))
def get_chat_member(tx: Tx, member: Member, member_id: UUID, now: datetime) -> ChatMember:
    """A member as the chat shows them."""
    if standings.is_banned(tx, member.id):
        raise BannedFromChat
    found = store.card(tx, member_id, now)
    if found is None:
        raise NotFound
    return found


@api.post(
    "/v1/social/messages/{message_id}/report",
    limit=reporting.limit,
    problems=(BannedFromChat, rules.NothingToReport, rules.TooManyChatReports),
)
def report_message(tx: Tx, member: Member, message_id: UUID, body: ReportDraft, now: datetime) -> ChatReport:
    """Report a message to people. Whoever has reported it gets the same case."""
    return reporting.report_message(tx, member, message_id, body, now)


@api.post(
    "/v1/social/members/{member_id}/report",
    limit=reporting.limit,
    problems=(BannedFromChat, rules.NothingToReport, rules.TooManyChatReports),
)
def report_member(tx: Tx, member: Member, member_id: UUID, body: ReportDraft, now: datetime) -> ChatReport:
    """Report a member to people. Whoever has reported them gets the same case while it is open."""
    return reporting.report_member(tx, member, member_id, body, now)


@api.get("/v1/social/blocks")
def list_blocks(tx: Tx, member: Member, page: Page) -> Listing[ChatBlock]:
    """List the members whom the member has blocked, newest first."""
    return blocks.blocks(tx, member, page)


@api.put("/v1/social/blocks/{member_id}", status=204, problems=(rules.CannotBlockYourself, rules.TooManyBlocks))
def block_member(tx: Tx, member: Member, member_id: UUID, now: datetime) -> None:
    """Block a member: they cannot notify the caller any more. Harmless twice."""
    blocks.block(tx, member, member_id, now)


@api.delete("/v1/social/blocks/{member_id}", status=204)
def unblock_member(tx: Tx, member: Member, member_id: UUID) -> None:
    """Take a block back. Harmless twice."""
    blocks.unblock(tx, member, member_id)
