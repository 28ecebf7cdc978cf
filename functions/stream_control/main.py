"""Task: take a live stream to its next state at Google Live Stream. Schedule: compare what runs with what is wanted
(docs/streams.md).

One worker at a time looks at a stream. Each step looks first at what is there (`rules.py`), asks for one thing, and
records the service's operation before it waits for it: killed anywhere, or delivered twice, the next one goes on from
what it finds. Nothing is asked within a transaction.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from flask import Request, Response

from functions.stream_control import asking, changing, rules, store
from functions.stream_control.rules import Step
from functions.stream_control.store import Held
from shared import clock, db, events, log
from shared.db import Tx
from shared.job import Job
from shared.ports import live_stream
from shared.ports.live_stream import Operation
from shared.ports.vendors import VendorBusy, VendorFailure, VendorMisconfigured, VendorRefused, VendorSilent
from shared.social.events import ControlStream
from shared.social.live_names import channel_name, generation_of
from shared.sweep import Sweep
from shared.values.live import ClipState
from shared.values.states import StreamStatus

HELD_FOR = timedelta(minutes=3)  # longer than a delivery takes (function.yaml: timeout_seconds)
STEPS_MAX = 12  # of one delivery
OPERATION_PAUSE = timedelta(seconds=5)  # between two looks at an operation
LOOK_EVERY = timedelta(seconds=55)  # each run of the watch finds it due
SOON_SECONDS = 10  # between two looks, while the picture may come at any moment
TASK_LOST_AFTER = timedelta(minutes=4)
PRESENCE_KEPT = timedelta(minutes=10)
STREAMS_AT_ONCE_MAX = 100
LAST = (Step.BECOME_READY, Step.BECOME_LIVE, Step.PICTURE_BACK)  # nothing more can be done at once

job = Job("stream_control")


def stream_control(request: Request) -> Response:
    return job.handle(request)


@dataclass(frozen=True)
class Done:
    """The end of a step: whether there may be another one now, else after how long, if not with the watch."""

    goes_on: bool
    again_after: timedelta | None = None


@job.task(ControlStream)
def control(task: ControlStream, now: datetime) -> None:
    """Take the stream as far as it goes now. Harmless twice, and late."""
    held_until = clock.now() + HELD_FOR
    with log.bound(stream_id=task.stream_id):
        for _ in range(STEPS_MAX):
            held = db.atomically(_begin, task.stream_id, held_until, clock.now())
            if held is None or not _one_step(held, held_until).goes_on:
                return
        db.atomically(_finish, task.stream_id, held_until, OPERATION_PAUSE, clock.now())


@job.schedule("watch")
def watch(now: datetime) -> None:
    """Look at all streams that the service has something for, and at channels that run for none."""
    with Sweep() as parts:
        parts.part(lambda: db.atomically(_queue, now), "streams to be looked at")
        parts.part(lambda: db.atomically(_count_viewers, now), "viewers of live streams")
        parts.part(lambda: _stop_strays(now), "channels that run for no stream")


def _queue(tx: Tx, now: datetime) -> None:
    due = store.due(tx, now, now + TASK_LOST_AFTER, STREAMS_AT_ONCE_MAX)
    events.enqueue_many(tx, now, [ControlStream(stream_id=stream_id) for stream_id in due])


def _count_viewers(tx: Tx, now: datetime) -> None:
    """Count who watches, of a large audience a sample, and choose the next sample."""
    store.clear_viewers(tx)
    for audience in store.audiences(tx, now - rules.SEEN_WITHIN):
        store.count_viewers(
            tx,
            audience.stream_id,
            audience.seen << audience.sample_shift,
            is_estimate=audience.sample_shift > 0,
            sample_shift=rules.next_shift(audience.seen, audience.sample_shift),
        )
    store.forget_seen(tx, now - PRESENCE_KEPT)


def _stop_strays(now: datetime) -> None:
    """Stop channels that have run for half an hour for no stream of ours, and tell people."""
    try:
        running = {name for name, state in live_stream.list_channels().items() if state in rules.RUNNING}
    except VendorFailure as failure:
        log.warning("Live Stream does not say which channels run", reason=str(failure))
        return
    known = {stream_id.hex for stream_id in db.atomically(store.wanted)}
    stray = {name for name in running if generation_of(name)[0] not in known}
    for name in db.atomically(store.strays, stray, now, now - rules.UNUSED_MAX):
        log.error("a channel ran without need and is stopped", channel=name)
        live_stream.stop(name)


def _begin(tx: Tx, stream_id: UUID, held_until: datetime, now: datetime) -> Held | None:
    """Hold the stream, and read it; None if there is nothing to do, or another worker is busy with it."""
    held = store.lock(tx, stream_id)
    if held is None or not held.waits:
        return None
    if held.held_until and held.held_until > now and held.held_until != held_until:
        return None
    store.hold(tx, stream_id, held_until)
    return held


def _one_step(held: Held, held_until: datetime) -> Done:
    """Do one step. When the service fails, it is asked again later."""
    try:
        done = _wait(held, held_until) if held.operation else _step(held, held_until)
    except VendorMisconfigured as wrong:
        log.error("Live Stream does not take our account", reason=str(wrong))
        _note_failure(held, held_until, f"permission_denied: {wrong}")
        done = Done(goes_on=False)
    except VendorBusy as busy:
        log.error("Live Stream refuses a step", reason="resource_exhausted")
        _note_failure(held, held_until, "resource_exhausted")
        pause = rules.pause(held.failures + 1)
        done = Done(goes_on=False, again_after=max(pause, timedelta(seconds=busy.retry_after_seconds)))
    except VendorSilent as silent:
        log.warning("Live Stream does not answer", reason=str(silent))
        _note_failure(held, held_until, f"unavailable: {silent}", counted=False)
        done = Done(goes_on=False, again_after=timedelta(seconds=silent.retry_after_seconds))
    except VendorFailure as refused:
        log.error("Live Stream refuses a step", reason=str(refused))
        _note_failure(held, held_until, str(refused))
        done = Done(goes_on=False)
    if not done.goes_on:
        db.atomically(_finish, held.stream_id, held_until, done.again_after, clock.now())
    return done


def _note_failure(held: Held, held_until: datetime, reason: str, *, counted: bool = True) -> None:
    """Store why the service did nothing. It counts when the service has said no: a silence gives no event up."""
    before = clock.now() - rules.OPERATION_MAX
    db.atomically(store.failed, held.stream_id, held_until, reason, counted=counted, before=before)


def _wait(held: Held, held_until: datetime) -> Done:
    """Ask what has become of the recorded operation. One that the service has forgotten is over; one that does not end
    is forgotten by us, because each step looks first at what is there.
    """
    assert held.operation, "there is one"
    assert held.operation_at, "the schema says so"
    try:
        found = live_stream.get_operation(held.operation)
    except VendorRefused as refused:
        found = Operation(is_done=True, error=str(refused))
    error = found.error if found else None
    if found and not found.is_done:
        if clock.now() - held.operation_at < rules.OPERATION_MAX:
            return Done(goes_on=False, again_after=OPERATION_PAUSE)
        log.error("an operation of Live Stream does not end", operation=held.operation)
        error = "deadline_exceeded"
    db.atomically(store.operation_ended, held.stream_id, held_until, error)
    if error is None:
        return Done(goes_on=True)
    log.error("an operation of Live Stream has failed", reason=error)
    return Done(goes_on=False, again_after=rules.pause(held.failures + 1))


def _step(held: Held, held_until: datetime) -> Done:
    """Look at what is there, and do the next thing."""
    seen, endpoint = asking.look(held)
    now = clock.now()
    observed = asking.observed(seen.channel)
    is_prepared = held.status in (StreamStatus.PREPARING, StreamStatus.READY) and seen.channel in rules.RUNNING
    db.atomically(store.observe, held.stream_id, held_until, observed, is_prepared=is_prepared, now=now)
    if rules.is_stuck(seen, now):
        log.error("a channel does not leave its state", channel=observed)
    step = rules.next_step(seen, now)
    if step is Step.WAIT:
        return Done(goes_on=False)
    log.info("a stream takes a step", step=step.value, status=held.status.value, channel=observed)
    if step is Step.CLIP:
        return _clip(held, held_until, now)
    if step in asking.CALLS:
        if step is Step.STOP and held.status is StreamStatus.ENDING and seen.clip is not ClipState.READY:
            log.error("a channel is stopped before its recording is made")
        return _began(held, held_until, asking.CALLS[step](held))
    if step is Step.KEEP_KEY:
        assert endpoint, "the input is there"
        db.atomically(changing.keep_key, held, endpoint)
        return Done(goes_on=True)
    return _change(held, step, now, is_without_need=rules.runs_without_need(seen, now))


def _change(held: Held, step: Step, now: datetime, *, is_without_need: bool) -> Done:
    """Change the stream, and tell people what they should look at. What somebody else has changed is looked at anew."""
    if not db.atomically(changing.change, held, step, now):
        return Done(goes_on=True)
    if step is Step.BEGIN_END and is_without_need:
        log.error("a channel ran without need and is stopped", channel=channel_name(held.stream_id, held.generation))
    if step is Step.GIVE_UP:
        log.error("a stream could not be prepared, or nobody has sent a picture")
    if step is Step.RECORDING_LOST:
        log.error("a stream's recording is lost")
    is_last = step in LAST or (step is Step.GENERATION_GONE and asking.generation(held) == held.generation)
    return Done(goes_on=not is_last)


def _clip(held: Held, held_until: datetime, now: datetime) -> Done:
    """Ask for the next clip. It is counted once it is there: until then the same one is asked for again."""
    db.atomically(store.ask_for_clip, held.stream_id, now)
    number = held.clips + 1
    operation = asking.clip(held, number, held.clip_until or now)
    db.atomically(store.count_clip, held.stream_id, number)
    return _began(held, held_until, operation)


def _began(held: Held, held_until: datetime, operation: str | None) -> Done:
    """Record the operation that a call has begun; without one, what was asked for is there already."""
    if operation is None:
        return Done(goes_on=True)
    return Done(goes_on=db.atomically(store.record_operation, held.stream_id, held_until, operation, clock.now()))


def _finish(tx: Tx, stream_id: UUID, held_until: datetime, again_after: timedelta | None, now: datetime) -> None:
    """Release the stream, and have it looked at again as long as the service may have something for it."""
    present = store.lock(tx, stream_id)
    assert present, "streams stay"
    is_over = present.status in (StreamStatus.CANCELLED, StreamStatus.FAILED, StreamStatus.ENDED)
    if is_over and present.generation_gone == present.generation:
        store.release(tx, stream_id, held_until, None)
        return
    store.release(tx, stream_id, held_until, now + (again_after or LOOK_EVERY))
    task = ControlStream(stream_id=stream_id)
    if again_after:
        events.enqueue(tx, now, task, deliver_at=now + again_after)
    elif rules.is_about_to_begin(present.status, present.scheduled_at, now):
        number = int(now.timestamp()) // SOON_SECONDS + 1
        deliver_at = datetime.fromtimestamp(number * SOON_SECONDS, UTC)
        events.enqueue(tx, now, task, name=f"control-{stream_id}-{number}", deliver_at=deliver_at)
