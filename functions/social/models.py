"""Bodies, queries and replies of the chat's operations."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from functions.social.judge import Access
from shared.values.fields import DIGITS, LINES, Body, Money, Query, Reply, Shape, Versioned
from shared.values.tiers import Tier

TYPED_TEXT_MAX = 20_000  # code points before invisible ones are taken out
NUMBER_MAX = 2**53 - 1  # what every reader of JSON takes exactly (RFC 8259, section 6)

Number = Annotated[int, Field(ge=1, le=NUMBER_MAX)]


class MediaChoice(Body):
    """A picture that a message shows, by its id at Giphy (gif) or 7TV (emote), or an image that the member has uploaded
    and not shown yet. Addresses are ours to make.
    """

    type: Literal["gif", "emote", "image"]
    id: Annotated[str, Shape(r"^[A-Za-z0-9-]{6,40}$", "an id of 6 to 40 letters, digits and hyphens")]


class MessageDraft(Body):
    """A new message. `client_id` is the client's own id for it: sent again, it gets the same message. `language` is
    that of the text, in two or three letters (ISO 639). `reply_to` is the number of a message of the channel.
    """

    client_id: UUID
    text: Annotated[str, StringConstraints(max_length=TYPED_TEXT_MAX)]
    language: Annotated[str, Shape(r"^[a-z]{2,3}$", "a language by its two or three letters")] | None = None
    media: MediaChoice | None = None
    reply_to: Number | None = None


class MessageEdit(Body):
    """The new text of a message."""

    text: Annotated[str, StringConstraints(max_length=TYPED_TEXT_MAX)]


class TranslationWish(Body):
    """The language that a member wants to read a message in."""

    language: Literal["en", "es", "pt"]


class ReadMark(Body):
    """The number of the newest message that the member has read."""

    number: Annotated[int, Field(ge=0, le=NUMBER_MAX)]


class ReportDraft(Body):
    """The reason why people should look at something, and what the reporter says about it."""

    reason: Literal["spam", "harassment", "hate", "sexual", "violence", "scam", "privacy", "other"]
    note: Annotated[str, StringConstraints(min_length=1, max_length=500), LINES] | None = None


class MessageQuery(Query):
    """Messages before a number, or around one; without either the newest ones."""

    limit: Annotated[int, DIGITS, Field(ge=1, le=100)] = 50
    before: Annotated[int, DIGITS, Field(ge=1, le=NUMBER_MAX)] | None = None
    around: Annotated[int, DIGITS, Field(ge=1, le=NUMBER_MAX)] | None = None


class ChangesQuery(Query):
    """The changes after a position of the channel."""

    since: Annotated[int, DIGITS, Field(ge=0, le=NUMBER_MAX)]
    limit: Annotated[int, DIGITS, Field(ge=1, le=200)] = 200


class ChatChannel(Reply):
    """A channel that the member sees. `unread` is exact; `position` is where its changes have come to."""

    id: UUID
    slug: str
    name: str
    description: str
    category: str
    icon: str
    kind: str
    access: Access
    slow_seconds: int
    number: int
    position: int
    unread: int


class ChatChannelList(Reply):
    """The channels that the member sees, in the order to be shown."""

    channels: list[ChatChannel]


class ChatAuthor(Reply):
    """The author of a message, under today's name, with the tier of that time; the name of a closed account is null."""

    member_id: UUID
    username: str | None
    avatar_url: str | None
    tier: Tier


class ChatMention(Reply):
    """A member who is named in a text, and where: `start` and `length` count code points."""

    member_id: UUID
    username: str | None
    start: int
    length: int


class ChatMedia(Reply):
    """A picture of a message, and its address."""

    type: str
    id: str
    url: str


class ChatReaction(Reply):
    """How many members have given a message this emoji, and whether the caller is among them."""

    emoji: str
    count: int
    mine: bool


class ChatReactions(Reply):
    """The reactions to a message."""

    reactions: list[ChatReaction]


class ChatMessage(Versioned):
    """A message. A removed one keeps its number, and nothing else. `author` is null for messages of the platform."""

    id: UUID
    channel_id: UUID
    number: int
    author: ChatAuthor | None
    text: str
    language: str | None
    media: ChatMedia | None
    reply_to: int | None
    mentions: list[ChatMention]
    reactions: list[ChatReaction]
    posted_at: datetime
    edited_at: datetime | None
    removed: bool


class ChatPage(Reply):
    """Messages, newest first. `position` is where the channel's changes had come to before the messages were read:
    who asks for changes since then misses nothing. `has_earlier` says whether there are older ones.
    """

    messages: list[ChatMessage]
    position: int
    has_earlier: bool


class ChatChange(Reply):
    """Something that has happened to a message, and the message as it is now."""

    position: int
    kind: str
    message: ChatMessage


class ChatChanges(Reply):
    """Changes in order; of several changes of reactions to one message the last. `position` is where the
    next question begins. With `reset` so much was missed that the messages must be read anew.
    """

    reset: bool
    position: int
    has_more: bool
    changes: list[ChatChange]


class ChatTranslation(Reply):
    """A revision of a message in another language."""

    message_id: UUID
    revision: int
    language: str
    text: str


class ChatRead(Reply):
    """How far the member has read in a channel, and how many messages are unread."""

    number: int
    unread: int


class ChatStanding(Reply):
    """The member's rights in the chat now. `may_write_at` is null unless there is a cooldown."""

    is_banned: bool
    timeout_until: datetime | None
    muted_until: datetime | None
    may_write_at: datetime | None
    strikes: int


class ChatMember(Reply):
    """A member as the chat shows them."""

    member_id: UUID
    username: str
    avatar_url: str | None
    tier: Tier
    joined_at: datetime
    total_scans: int
    lifetime_comps: Money


class ChatReport(Reply):
    """The case that a report belongs to, and whether people have decided about it."""

    case_id: UUID
    state: Literal["open", "decided"]


class ChatPin(Reply):
    """A message as it was when it was pinned, and until when it is; null is until somebody takes it down."""

    message_id: UUID
    number: int
    author: ChatAuthor | None
    text: str
    language: str | None
    media: ChatMedia | None
    posted_at: datetime
    pinned_at: datetime
    expires_at: datetime | None


class ChatPins(Reply):
    """The pins of a channel, newest first. `pins_revision` is that of the channel's document which shows them."""

    pins: list[ChatPin]
    pins_revision: int


class ChatBlock(Reply):
    """A member whom the reader has blocked; the name of a closed account is null."""

    member_id: UUID
    username: str | None
    avatar_url: str | None
    blocked_at: datetime
