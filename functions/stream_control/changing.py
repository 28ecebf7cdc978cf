"""Changes a stream as a step says, unless somebody has changed it since it was looked at."""

from datetime import datetime

from functions.stream_control import asking, store
from functions.stream_control.rules import Step
from functions.stream_control.store import Held
from shared.credentials import vault
from shared.db import Tx
from shared.ports.live_stream import Endpoint
from shared.social import event_changes
from shared.social.live_names import row_of
from shared.values.states import RecordingState, StreamStatus

STATUS_AFTER = {
    Step.BECOME_READY: StreamStatus.READY,
    Step.BECOME_LIVE: StreamStatus.LIVE,
    Step.BEGIN_END: StreamStatus.ENDING,
    Step.BECOME_ENDED: StreamStatus.ENDED,
    Step.GIVE_UP: StreamStatus.FAILED,
}
RECORDING_AFTER = {Step.RECORDED: RecordingState.READY, Step.RECORDING_LOST: RecordingState.FAILED}


def keep_key(tx: Tx, held: Held, endpoint: Endpoint) -> None:
    """Keep the key of the input, sealed, unless a newer one is wanted by now."""
    store.keep_key(
        tx,
        held.stream_id,
        held.generation,
        address=endpoint.address,
        sealed=vault.seal(tx, endpoint.key.encode(), row_of(held.stream_id)),
        key_hash=asking.key_hash(endpoint),
    )


def change(tx: Tx, held: Held, step: Step, now: datetime) -> bool:
    """Change the stream as the step says; False if it is not any more what was seen: an admin was first, with a stop,
    a cancellation or a new key.
    """
    present = store.lock(tx, held.stream_id)
    if present is None or (present.status, present.generation) != (held.status, held.generation):
        return False
    if step in STATUS_AFTER:
        store.become(tx, held.stream_id, STATUS_AFTER[step], now)
    elif step in RECORDING_AFTER:
        store.recorded(tx, held.stream_id, RECORDING_AFTER[step])
    elif step is Step.GENERATION_GONE:
        store.generation_gone(tx, held.stream_id, asking.generation(held))
    else:
        store.interrupted(tx, held.stream_id, now if step is Step.PICTURE_GONE else None)
    if step is Step.BEGIN_END:
        store.begin_end(tx, held.stream_id, present.interrupted_at or now, now)
    if step is Step.GIVE_UP:
        event_changes.tell(tx, held.stream_id, now)
    return True
