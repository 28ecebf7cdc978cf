"""Asks Live Stream about a stream, and for things, under the names that are made of the stream's id."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime

from functions.stream_control.rules import Seen, Step
from functions.stream_control.store import Held
from shared.ports import live_stream
from shared.ports.live_stream import Endpoint
from shared.social.live_names import channel_name, live_folder, recording_folder
from shared.values.live import ChannelState


def generation(held: Held) -> int:
    """The generation that is looked at: an older one until it is gone, then the present one."""
    return min(held.generation_gone + 1, held.generation)


def key_hash(endpoint: Endpoint) -> bytes:
    """The hash under which the key of an input is known."""
    return hashlib.sha256(endpoint.key.encode()).digest()


def observed(channel: ChannelState | None) -> str:
    """The state of a channel as it is noted, `none` when there is no channel."""
    return channel.value if channel else "none"


def look(held: Held) -> tuple[Seen, Endpoint | None]:
    """Look at what there is at the service. Raises VendorFailure."""
    name = channel_name(held.stream_id, generation(held))
    endpoint, channel = live_stream.get_input(name), live_stream.get_channel(name)
    clip = live_stream.get_clip(name, _clip_name(held.clips)) if held.clips and channel else None
    seen = Seen(
        status=held.status,
        vod_state=held.vod_state,
        scheduled_at=held.scheduled_at,
        begun_at=held.begun_at,
        started_at=held.started_at,
        interrupted_at=held.interrupted_at,
        ended_at=held.ended_at,
        ending_at=held.ending_at,
        clip_at=held.clip_at,
        observed_since=held.observed_since if held.observed == observed(channel) else None,
        has_key=endpoint is not None and held.key_hash == key_hash(endpoint),
        failures=held.failures,
        is_retired=generation(held) < held.generation,
        has_input=endpoint is not None,
        channel=channel,
        clip=clip,
    )
    return seen, endpoint


def clip(held: Held, number: int, until: datetime) -> str | None:
    """Ask for a clip of the whole event. Raises VendorFailure."""
    assert held.started_at, "it was live"
    folder = recording_folder(held.playback_id)
    return live_stream.create_clip(_name(held), _clip_name(number), held.started_at, until, folder)


def _name(held: Held) -> str:
    return channel_name(held.stream_id, generation(held))


def _clip_name(number: int) -> str:
    return f"vod-{number}"


CALLS: Mapping[Step, Callable[[Held], str | None]] = {
    Step.CREATE_INPUT: lambda held: live_stream.create_input(_name(held)),
    Step.CREATE_CHANNEL: lambda held: live_stream.create_channel(
        _name(held), _name(held), live_folder(held.playback_id)
    ),
    Step.START: lambda held: live_stream.start(_name(held)),
    Step.STOP: lambda held: live_stream.stop(_name(held)),
    Step.DELETE_CHANNEL: lambda held: live_stream.delete_channel(_name(held)),
    Step.DELETE_INPUT: lambda held: live_stream.delete_input(_name(held)),
}
