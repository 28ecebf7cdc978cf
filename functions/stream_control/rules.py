"""The next step of a stream at Google Live Stream, from what people want and what is there. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.values.live import RETENTION, ChannelState, ClipState
from shared.values.states import RecordingState, StreamStatus

PICTURE_AWAY_MAX = timedelta(minutes=10)  # after this the event is over
UNUSED_MAX = timedelta(minutes=30)  # a channel costs money whether it gets a picture or not
LIVE_MAX = timedelta(hours=8)  # also of waiting, for a stream that was started long before its time
SOON = timedelta(minutes=10)  # before and after the planned moment the picture is looked for more often
FAILURES_MAX = 8  # calls or operations that fail one after another; then the preparation is given up
OPERATION_MAX = timedelta(minutes=15)  # an operation is waited for no longer
CHANGING_MAX = timedelta(minutes=15)  # a channel starts or stops no longer
PAUSES = (5, 10, 30, 60)  # seconds, after the first failures; then a minute each
CLIP_AGAIN_SOON = timedelta(minutes=1)  # between two tries to make a clip, while the channel still runs
CLIP_AGAIN = timedelta(minutes=30)  # afterwards
CLIP_FIRST_MAX = timedelta(minutes=30)  # a channel waits no longer for its clip before it is stopped
CLIP_TRIED = timedelta(days=1)  # much less than RETENTION, so that people can still make the recording by hand
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
    """A stream as people want it, and what Live Stream has for it: the channel, in its state since `observed_since`,
    and the last clip, which was asked for at `clip_at`. `is_retired`: what is seen is of an older key.
    """

    status: StreamStatus
    vod_state: RecordingState
    scheduled_at: datetime
    begun_at: datetime
    started_at: datetime | None
    interrupted_at: datetime | None
    ended_at: datetime | None
    ending_at: datetime | None
    clip_at: datetime | None
    observed_since: datetime | None
    has_key: bool
    failures: int
    is_retired: bool
    has_input: bool
    channel: ChannelState | None
    clip: ClipState | None


def next_step(seen: Seen, now: datetime) -> Step:
    """The next step. Each looks at what is there first, so that a step that was done twice, or by halves, is found."""
    if seen.is_retired or seen.status in (StreamStatus.CANCELLED, StreamStatus.FAILED):
        return _away(seen, now)
    if seen.status in (StreamStatus.PREPARING, StreamStatus.READY):
        return _towards_picture(seen, now)
    if seen.status is StreamStatus.LIVE:
        return _while_live(seen, now)
    if seen.status is StreamStatus.ENDING:
        return _towards_end(seen, now)
    return _recording(seen, now) if seen.status is StreamStatus.ENDED else Step.WAIT


def runs_without_need(seen: Seen, now: datetime) -> bool:
    """Whether the channel has run for longer than any event, or waits for a picture that does not come."""
    if seen.status is StreamStatus.LIVE:
        return seen.started_at is not None and now - seen.started_at >= LIVE_MAX
    if seen.status not in (StreamStatus.PREPARING, StreamStatus.READY):
        return False
    return now - max(seen.scheduled_at, seen.begun_at) >= UNUSED_MAX or now - seen.begun_at >= LIVE_MAX


def is_stuck(seen: Seen, now: datetime) -> bool:
    """Whether the channel has been starting, stopping or in a state that we do not know for too long."""
    since = seen.observed_since
    return seen.channel in CHANGING and since is not None and now - since >= CHANGING_MAX


def is_about_to_begin(status: StreamStatus, scheduled_at: datetime, now: datetime) -> bool:
    """Whether the host's picture may come at any moment."""
    return status is StreamStatus.READY and abs(now - scheduled_at) <= SOON


def next_shift(seen: int, shift: int) -> int:
    """The shift of the next sample, when so many of the present one were seen: so that 1,000 to 2,000 beat."""
    if seen > SAMPLE_MAX:
        return shift + (seen // SAMPLE_MAX).bit_length()
    return max(shift - 1, 0) if seen < SAMPLE_MIN else shift


def pause(failures: int) -> timedelta:
    """How long nothing is asked after so many failures in a row."""
    return timedelta(seconds=PAUSES[min(failures, len(PAUSES)) - 1])


def _towards_picture(seen: Seen, now: datetime) -> Step:
    is_hopeless = seen.failures >= FAILURES_MAX and seen.channel not in RUNNING
    if is_hopeless or (runs_without_need(seen, now) and seen.channel is not ChannelState.STREAMING):
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


def _towards_end(seen: Seen, now: datetime) -> Step:
    """The clip is made before the channel stops: whether a stopped one can be clipped, Google does not say."""
    assert seen.ending_at, "it is set with the state"
    if seen.channel in RUNNING:
        is_clip_awaited = seen.clip is not ClipState.READY and now - seen.ending_at < CLIP_FIRST_MAX
        return _clip(seen, now, CLIP_AGAIN_SOON) if is_clip_awaited else Step.STOP
    is_changing = seen.channel in CHANGING and not is_stuck(seen, now)
    return Step.WAIT if is_changing else Step.BECOME_ENDED


def _recording(seen: Seen, now: datetime) -> Step:
    """An event without a clip stays at the service as long as it keeps the files: they go with the channel."""
    assert seen.ended_at, "the schema says so"
    since = now - seen.ended_at
    if seen.vod_state is RecordingState.FAILED and seen.channel and since < RETENTION:
        return Step.STOP if seen.channel in RUNNING else Step.WAIT
    if seen.vod_state is not RecordingState.MAKING:
        return _away(seen, now)
    if seen.clip is ClipState.READY:
        return Step.RECORDED
    if seen.channel is None or since >= CLIP_TRIED:
        return Step.RECORDING_LOST
    return Step.STOP if seen.channel in RUNNING else _clip(seen, now, CLIP_AGAIN)


def _clip(seen: Seen, now: datetime, every: timedelta) -> Step:
    is_early = seen.clip_at is not None and now - seen.clip_at < every
    return Step.WAIT if seen.clip is ClipState.MAKING or is_early else Step.CLIP


def _away(seen: Seen, now: datetime) -> Step:
    if seen.channel in RUNNING:
        return Step.STOP
    if seen.channel in CHANGING and not is_stuck(seen, now):
        return Step.WAIT
    if seen.channel is not None:
        return Step.DELETE_CHANNEL
    return Step.DELETE_INPUT if seen.has_input else Step.GENERATION_GONE
