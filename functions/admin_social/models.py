"""Bodies, queries and replies of the operations by which admins look after the chat."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from functions.admin_social.rules import AccessLevel, Hours
from shared.values.fields import LINE, LINES, Body, Moment, Page, Query, Reason, Reply, Shape, Versioned

ChannelKind = Literal["chat", "announcements", "governance", "event"]


class CaseFilter(Page):
    """A page of cases, of one state if given."""

    state: Literal["open", "decided"] | None = None


class ChatDecision(Body):
    """A decision about a case. `hours` are those of a mute or a timeout; the member is told the reason."""

    decision: Literal["keep", "remove", "mute", "timeout", "ban", "lift"]
    hours: Hours | None = None
    reason: Reason


class ChatTimeout(Body):
    """How long a member may not write, and why; the member is told the reason."""

    hours: Hours
    reason: Reason


class ChatBan(Body):
    """The reason for a ban; the member is told it."""

    reason: Reason


class ChatLift(Body):
    """The reason why a member may write again; the member is told it."""

    reason: Reason


class ChatPinDraft(Body):
    """When a pin ends; without a time it stays until somebody takes it down."""

    until: Moment | None = None


class ChatAccess(Body):
    """The rights of each tier in a channel: a higher tier never less than a lower one."""

    standard: AccessLevel
    vip: AccessLevel
    high_roller: AccessLevel
    whale: AccessLevel


class ChatChannelEdit(Body):
    """A channel as it is from now on. `pace_ms` is the shortest time between two pages for its listeners."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100), LINE]
    description: Annotated[str, StringConstraints(max_length=500), LINES]
    category: Annotated[str, StringConstraints(min_length=1, max_length=100), LINE]
    icon: Annotated[str, Shape(r"^[a-z0-9-]{1,50}$", "the name of an icon")]
    kind: ChannelKind
    access: ChatAccess
    display_order: Annotated[int, Field(ge=0, le=10_000)]
    slow_seconds: Annotated[int, Field(ge=0, le=120)] = 0
    pace_ms: Annotated[int, Field(ge=100, le=5_000)] = 250
    is_archived: bool = False


class ChatChannelDraft(Body):
    """A new channel; its slug stays."""

    slug: Annotated[str, Shape(r"^[a-z0-9]{1,16}(-[a-z0-9]{1,16}){0,2}$", "one to three words, with hyphens")]
    name: Annotated[str, StringConstraints(min_length=1, max_length=100), LINE]
    description: Annotated[str, StringConstraints(max_length=500), LINES]
    category: Annotated[str, StringConstraints(min_length=1, max_length=100), LINE]
    icon: Annotated[str, Shape(r"^[a-z0-9-]{1,50}$", "the name of an icon")]
    kind: ChannelKind
    access: ChatAccess
    display_order: Annotated[int, Field(ge=0, le=10_000)]
    slow_seconds: Annotated[int, Field(ge=0, le=120)] = 0
    pace_ms: Annotated[int, Field(ge=100, le=5_000)] = 250


class RemovalQuery(Query):
    """The reason for which a message is removed; its author is told it."""

    reason: Literal["spam", "harassment", "hate", "sexual", "violence", "scam", "privacy", "other"]


class ChatCopy(Reply):
    """A text of a message as it was reported or flagged, by its revision."""

    revision: int
    text: str


class AdminChatCase(Versioned):
    """A case about a message or, without one, about a member. `urgency` is in thousandths; `outcome` is what a check
    has said; `decision` is null while the case is open.
    """

    id: UUID
    state: Literal["open", "decided"]
    urgency: int
    reports: int
    outcome: Literal["removed", "flagged"] | None
    member_id: UUID
    username: str
    message_id: UUID | None
    channel_id: UUID | None
    number: int | None
    text: str
    opened_at: datetime
    decision: Literal["keep", "remove", "mute", "timeout", "ban", "lift"] | None
    decided_at: datetime | None


class AdminChatEntry(Reply):
    """A line of a case's diary: what happened, by whom (null for the rules), and what they said."""

    happened_at: datetime
    kind: str
    by_username: str | None
    text: str | None
    note: str | None


class AdminChatSanction(Reply):
    """An act against a member of the chat, or a lift; a removal names its message."""

    id: UUID
    kind: Literal["mute", "timeout", "ban", "lift", "removal"]
    until: datetime | None
    reason: str
    given_at: datetime
    given_by_username: str | None
    case_id: UUID | None
    message_id: UUID | None


class AdminChatMember(Reply):
    """A member's standing in the chat, and what was done to them, newest first."""

    id: UUID
    member_id: str
    username: str
    strikes: int
    muted_until: datetime | None
    timeout_until: datetime | None
    banned_at: datetime | None
    sanctions: list[AdminChatSanction]


class AdminChatMessage(Reply):
    """A message as it is now, also if it was removed; its text stays for moderators until its week is dropped. `url` is
    the address of its picture; that of an image which is deleted leads to nothing.
    """

    id: UUID
    channel_id: UUID
    number: int
    member_id: UUID | None
    text: str
    media_type: str
    media_id: str | None
    url: str | None
    posted_at: datetime
    edited_at: datetime | None
    removed_at: datetime | None
    removed_by: str | None


class AdminChatCaseDetail(Versioned):
    """A case with its texts as they were reported, its message as it is now, its member, and its diary, oldest first.
    `message` is null for a case about a member, and when the message is no longer kept.
    """

    case: AdminChatCase
    copies: list[ChatCopy]
    message: AdminChatMessage | None
    member: AdminChatMember
    diary: list[AdminChatEntry]


class AdminChatPin(Reply):
    """A pin, with the text that it keeps."""

    message_id: UUID
    channel_id: UUID
    number: int
    text: str
    pinned_at: datetime
    expires_at: datetime | None


class AdminChatAccess(Reply):
    """The rights of each tier in a channel."""

    standard: AccessLevel
    vip: AccessLevel
    high_roller: AccessLevel
    whale: AccessLevel


class AdminChatChannel(Versioned):
    """A channel. An archived one is there for nobody, and may be brought back."""

    id: UUID
    slug: str
    name: str
    description: str
    category: str
    icon: str
    kind: str
    access: AdminChatAccess
    display_order: int
    slow_seconds: int
    pace_ms: int
    archived_at: datetime | None


class AdminChatChannels(Reply):
    """The list of all channels, in the order to be shown."""

    channels: list[AdminChatChannel]
