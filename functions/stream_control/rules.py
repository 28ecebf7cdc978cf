"""The next step of a stream at Google Live Stream, from what people want and what is there. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.values.live import RETENTION, ChannelState, ClipState
from shared.values.states import RecordingState, StreamStatus

PICTURE_AWAY_MAX = timedelta(minutes=10)  # after this the event is over
UNUSED_MAX = timedelta(minutes=30)  # a channel costs money whether it gets a picture or not
LIVE_MAX = timedelta(hours=8)  # also of waiting, for a stream that was started long before its time
FAILURES_MAX = 8  # operations that fail one after another; then the preparation is given up
PAUSES = (5, 10, 30, 60)  # seconds, after the first failures; then a minute each
CLIP_AGAIN = timedelta(minutes=30)  # between two tries to make a clip that failed
WITHOUT_PICTURE = (ChannelState.AWAITING_INPUT, ChannelState.STREAMING_NO_INPUT, ChannelState.STREAMING_ERROR)
RUNNING = (*WITHOUT_PICTURE, ChannelState.STREAMING)
CHANGING = (ChannelState.STARTING, ChannelState.STOPPING, ChannelState.UNKNOWN)

SEEN_WITHIN = timedelta(seconds=75)  # a viewer beats each 30 seconds
SAMPLE_MIN, SAMPLE_MAX = 1_000, 2_000  # viewers who beat


class Step(StrEnum):
    """A step that is next: a call of the service, a change of the stream, or nothing."""

    CREATE_INPUT = "create_input"
    KEEP_KEY = "keep_key"
    CREATE_CHANNEL = "create_channel"
    START = "start"
    STOP = "stop"
    CLIP = "clip"
    DELETE_CHANNEL = "delete_channel"
    DELETE_INPUT = "delete_input"
    BECOME_READY = "become_ready"
    BECOME_LIVE = "become_live"
    PICTURE_GONE = "picture_gone"
    PICTURE_BACK = "picture_back"
    BEGIN_END = "begin_end"
    BECOME_ENDED = "become_ended"
    GIVE_UP = "give_up"
    RECORDED = "recorded"
    RECORDING_LOST = "recording_lost"
    GENERATION_GONE = "generation_gone"
    WAIT = "wait"


@dataclass(frozen=True)
class Seen:
    """A stream as people want it, and what Live Stream has for it. `is_retired`: what is seen is of an older key."""

    status: StreamStatus
    vod_state: RecordingState
    scheduled_at: datetime
    begun_at: datetime
    started_at: datetime | None
    interrupted_at: datetime | None
    ended_at: datetime | None
    has_key: bool
    failures: int
    clips: int
    is_retired: bool
    has_input: bool
    channel: ChannelState | None
    clip: ClipState | None


def next_step(seen: Seen, now: datetime) -> Step:
    """The next step. Each looks at what is there first, so that a step that was done twice, or by halves, is found."""
    if seen.is_retired or seen.status in (StreamStatus.CANCELLED, StreamStatus.FAILED):
        return _away(seen)
    if seen.status in (StreamStatus.PREPARING, StreamStatus.READY):
        return _towards_picture(seen, now)
    if seen.status is StreamStatus.LIVE:
        return _while_live(seen, now)
    if seen.status is StreamStatus.ENDING:
        return _towards_end(seen)
    return _recording(seen, now) if seen.status is StreamStatus.ENDED else Step.WAIT


def runs_without_need(seen: Seen, now: datetime) -> bool:
    """Whether the channel has run for longer than any event, or waits for a picture that does not come."""
    if seen.status is StreamStatus.LIVE:
        return seen.started_at is not None and now - seen.started_at >= LIVE_MAX
    if seen.status not in (StreamStatus.PREPARING, StreamStatus.READY):
        return False
    return now - max(seen.scheduled_at, seen.begun_at) >= UNUSED_MAX or now - seen.begun_at >= LIVE_MAX


def next_shift(seen: int, shift: int) -> int:
    """The shift of the next sample, when so many of the present one were seen: so that 1,000 to 2,000 beat."""
    if seen > SAMPLE_MAX:
        return shift + (seen // SAMPLE_MAX).bit_length()
    return max(shift - 1, 0) if seen < SAMPLE_MIN else shift


def pause(failures: int) -> timedelta:
    """How long nothing is asked after so many failures in a row."""
    return timedelta(seconds=PAUSES[min(failures, len(PAUSES)) - 1])


def _towards_picture(seen: Seen, now: datetime) -> Step:
    if seen.failures >= FAILURES_MAX or (runs_without_need(seen, now) and seen.channel is not ChannelState.STREAMING):
        return Step.GIVE_UP
    if not (seen.has_input and seen.has_key):
        return Step.KEEP_KEY if seen.has_input else Step.CREATE_INPUT
    if seen.channel in (None, ChannelState.STOPPED):
        return Step.START if seen.channel else Step.CREATE_CHANNEL
    if seen.channel is ChannelState.STREAMING:
        return Step.BECOME_LIVE
    is_new = seen.status is StreamStatus.PREPARING and seen.channel in WITHOUT_PICTURE
    return Step.BECOME_READY if is_new else Step.WAIT


def _while_live(seen: Seen, now: datetime) -> Step:
    away_since = seen.interrupted_at
    if runs_without_need(seen, now) or (away_since and now - away_since >= PICTURE_AWAY_MAX):
        is_back = away_since and seen.channel is ChannelState.STREAMING and not runs_without_need(seen, now)
        return Step.PICTURE_BACK if is_back else Step.BEGIN_END
    if seen.channel is ChannelState.STREAMING:
        return Step.PICTURE_BACK if away_since else Step.WAIT
    if not away_since:
        return Step.PICTURE_GONE
    return Step.START if seen.channel is ChannelState.STOPPED else Step.WAIT


def _towards_end(seen: Seen) -> Step:
    """A clip is asked for before the channel stops: whether a stopped one can be clipped, Google does not say."""
    if seen.channel in RUNNING:
        return Step.CLIP if not seen.clips else Step.STOP
    return Step.WAIT if seen.channel in CHANGING else Step.BECOME_ENDED


def _recording(seen: Seen, now: datetime) -> Step:
    if seen.vod_state is not RecordingState.MAKING:
        return _away(seen)
    assert seen.ended_at, "the schema says so"
    if seen.clip is ClipState.READY:
        return Step.RECORDED
    since = now - seen.ended_at
    if seen.channel is None or since >= RETENTION:
        return Step.RECORDING_LOST
    is_early = since < CLIP_AGAIN * (seen.clips - 1)
    return Step.WAIT if seen.clip is ClipState.MAKING or is_early else Step.CLIP


def _away(seen: Seen) -> Step:
    if seen.channel in RUNNING:
        return Step.STOP
    if seen.channel in CHANGING:
        return Step.WAIT
    if seen.channel is not None:
        return Step.DELETE_CHANNEL
    return Step.DELETE_INPUT if seen.has_input else Step.GENERATION_GONE
