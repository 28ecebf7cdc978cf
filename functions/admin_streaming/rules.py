"""Rules of what admins do with a stream, and of when it can begin."""

from datetime import datetime, timedelta

from shared.values import time_zones
from shared.values.problems import NotValid, Problem
from shared.values.states import StreamStatus

AHEAD_MAX = timedelta(days=730)
OVER = frozenset({StreamStatus.ENDED, StreamStatus.CANCELLED, StreamStatus.FAILED})


class StreamNotScheduled(Problem):
    """The stream has begun, or is over; `state` tells which."""

    status, title = 409, "This stream is not waiting for its time."


class StreamOver(Problem):
    """A stream that is over is not changed; `state` tells how it ended."""

    status, title = 409, "This stream is over."


def begins_at(starts: str, time_zone: str, now: datetime) -> tuple[datetime, datetime]:
    """The time on the wall clock, and the moment in UTC. Raises NotValid for a time that no clock of the zone shows,
    that has passed, or that is more than two years ahead.
    """
    try:
        wall = datetime.fromisoformat(starts)
        at = time_zones.moment(wall, time_zone)
    except ValueError as fault:
        message = str(fault) if str(fault).startswith("must") else "must be a time of a calendar"
        raise NotValid(errors=[{"field": "/starts", "message": message}]) from None
    if not now < at <= now + AHEAD_MAX:
        raise NotValid(errors=[{"field": "/starts", "message": "must be within the next two years"}])
    return wall, at


def check_scheduled(status: StreamStatus) -> None:
    """Check that the stream waits for its time. Raises StreamNotScheduled."""
    if status is not StreamStatus.SCHEDULED:
        raise StreamNotScheduled(state=status.value)


def check_not_begun(status: StreamStatus) -> None:
    """Check that the stream is not live, and was not. Raises StreamNotScheduled."""
    if status not in (StreamStatus.SCHEDULED, StreamStatus.PREPARING, StreamStatus.READY):
        raise StreamNotScheduled(state=status.value)


def check_not_over(status: StreamStatus) -> None:
    """Check that the stream is still to come, or live. Raises StreamOver."""
    if status in OVER:
        raise StreamOver(state=status.value)


class StreamNotLive(Problem):
    """Only what is live can be stopped; `state` tells what the stream is. One that has not begun is cancelled."""

    status, title = 409, "This stream is not live."


class StreamKeyNotReady(Problem):
    """There is no key: the stream was not started, is being prepared, or is over."""

    status, title = 409, "This stream has no key now."


class StreamKeyInUse(Problem):
    """The host sends a picture with the key that there is."""

    status, title = 409, "The key of a live stream is not changed."
