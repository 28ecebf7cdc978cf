"""The calendar of streams: which moments a page of it spans. And which of the viewers are counted."""

import hashlib
from datetime import date, datetime
from uuid import UUID

from shared.values import periods, time_zones
from shared.values.periods import Interval
from shared.values.problems import Problem

YEARS = range(2020, 2100)


class StreamNotLive(Problem):
    """The stream cannot be watched now; `state` tells what it is."""

    status, title = 409, "This stream is not live."


def mark(stream_id: UUID, member_id: UUID) -> int:
    """The number under which a viewer is counted: the same for each beat, and another one in another stream."""
    digest = hashlib.sha256(stream_id.bytes + member_id.bytes).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def is_sampled(number: int, sample_shift: int) -> bool:
    """Whether the viewer with this number is one of the 1 in 2 ^ sample_shift who are counted."""
    return number % (1 << sample_shift) == 0


def calendar_day(day: date) -> date:
    """The day, when a calendar of ours has it. Raises ValueError."""
    if day.year not in YEARS:
        raise ValueError("must be a day from 2020 to 2099")
    return day


def span(interval: Interval, day: date, time_zone: str) -> tuple[datetime, datetime]:
    """The first moment of the week or month of this day, by the clocks of the zone, and the first one after it."""
    first = periods.start_of(interval, day)
    after = periods.start_after(interval, first)
    return time_zones.midnight(first, time_zone), time_zones.midnight(after, time_zone)
