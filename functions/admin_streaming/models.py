"""The shapes of streams as admins see and change them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import StringConstraints

from shared.values.fields import LINE, LINES, Body, Page, Reason, Shape, Text, Versioned
from shared.values.states import RecordingState, StreamStatus
from shared.values.tiers import Tier
from shared.values.time_zones import TimeZone

WallClock = Annotated[
    str, Shape(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}$", "a time of a wall clock, YYYY-MM-DDTHH:MM")
]
Description = Annotated[str, StringConstraints(max_length=5000), LINES]
HostName = Annotated[str, StringConstraints(min_length=1, max_length=100), LINE]


class NewStream(Body):
    """A live event. It begins when the wall clocks of `time_zone` show `starts`; members of `tier_min` and above may
    watch. `channel_id` is the channel of the chat that goes with it.
    """

    title: Text
    description: Description
    host_name: HostName
    tier_min: Tier
    channel_id: UUID | None = None
    starts: WallClock
    time_zone: TimeZone


class StreamChange(Body):
    """All that people set of a stream, but for its time."""

    title: Text
    description: Description
    host_name: HostName
    tier_min: Tier
    channel_id: UUID | None


class StreamMove(Body):
    """Another time on the wall clock; the time zone stays, if none is named."""

    starts: WallClock
    time_zone: TimeZone | None = None


class StreamCancellation(Body):
    """Why the event does not take place; the audit log keeps it."""

    reason: Reason


class StreamFilter(Page):
    """A page of streams, of one status if given."""

    status: StreamStatus | None = None


class AdminStream(Versioned):
    """A stream. Its picture lies below `hls/live/{playback_id}/`, its recording below `hls/vod/{playback_id}/`. The
    ETag is the revision in quotes.
    """

    id: UUID
    playback_id: str
    title: str
    description: str
    host_name: str
    tier_min: Tier
    channel_id: UUID | None
    status: StreamStatus
    starts: str
    time_zone: str
    scheduled_at: datetime
    plan: int
    started_at: datetime | None
    interrupted_at: datetime | None
    ended_at: datetime | None
    overlay: str | None
    viewers: int
    is_estimate: bool
    peak_viewers: int
    vod_state: RecordingState
    created_by: UUID
    created_at: datetime
