"""Events and tasks of the chat, of votes and of live events; `shared.events` records them."""

from typing import ClassVar
from uuid import UUID

from shared.events import Event, Task


class ChannelChanged(Event):
    """Something has happened in a channel of the chat: listeners get a page, and new texts are checked."""

    topic: ClassVar[str] = "channel-changed"
    channel_id: UUID


class VoteChanged(Event):
    """A vote of the members was opened or closed: listeners get its document."""

    topic: ClassVar[str] = "vote-changed"
    vote_id: UUID


class ControlStream(Task):
    """Take a live stream to its next state at Google Live Stream, if something has happened that allows it."""

    queue: ClassVar[str] = "stream-control"
    function: ClassVar[str] = "stream_control"
    stream_id: UUID


class TellEventChanged(Task):
    """Tell those who know of an older plan of an event that it was moved, cancelled or given up."""

    queue: ClassVar[str] = "event-change"
    function: ClassVar[str] = "event_remind"
    stream_id: UUID


class TendVote(Task):
    """Open a vote that an admin has released, or close one whose time is over."""

    queue: ClassVar[str] = "governance-close"
    function: ClassVar[str] = "governance_close"
    vote_id: UUID


class PublishChatImage(Task):
    """Check an image for the chat, and store it."""

    queue: ClassVar[str] = "chat-image-publish"
    function: ClassVar[str] = "avatar_publish"
    image_id: UUID
