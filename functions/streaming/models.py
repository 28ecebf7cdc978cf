"""The shapes of streams as members see them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator

from functions.streaming import rules
from shared.values.fields import Day, Query, Reply
from shared.values.states import StreamStatus
from shared.values.tiers import Tier
from shared.values.time_zones import TimeZone


class LiveStream(Reply):
    """A stream that the member may watch. `viewers` counts those who watch now, exactly or as an estimate. The event
    begins at `scheduled_at`, which is `starts` on the wall clocks of `time_zone`.
    """

    id: UUID
    title: str
    description: str
    host_name: str
    tier_min: Tier
    channel_id: UUID | None
    status: StreamStatus
    scheduled_at: datetime
    starts: str
    time_zone: str
    started_at: datetime | None
    interrupted_at: datetime | None
    ended_at: datetime | None
    overlay: str | None
    viewers: int
    is_estimate: bool
    peak_viewers: int
    sample_shift: int
    has_recording: bool


class LiveStreams(Reply):
    """Streams, all of them on one page."""

    streams: list[LiveStream]


class CalendarQuery(Query):
    """The week (from Sunday) or month of a day, in a time zone; today's, if no day is named."""

    view: Literal["week", "month"] = "week"
    day: Annotated[Day, AfterValidator(rules.calendar_day)] | None = None
    time_zone: TimeZone = "UTC"
