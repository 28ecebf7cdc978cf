"""Google Live Stream: inputs that take a picture by RTMP, channels that make HLS of it, and clips of what was live.

LIVE_STREAM_URL (https://livestream.googleapis.com unless given), LIVE_STREAM_LOCATION (us-central1), HLS_BUCKET,
GOOGLE_CLOUD_PROJECT; to a loopback address no credentials are sent. The role is roles/livestream.editor.
https://cloud.google.com/livestream/docs/reference/rest/v1/projects.locations.channels

Each call that changes something begins a long-running operation and returns its name, to be recorded before anybody
waits for it. Names are ours: what is made twice is refused as there already, and so made once. A channel that runs
costs money whether it gets a picture or not.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from shared.ports import google_sessions, vendors
from shared.ports.vendors import KEYS_WRONG, VendorMisconfigured, VendorRefused, VendorSilent
from shared.values.live import RETENTION, ChannelState, ClipState

if TYPE_CHECKING:
    import requests

URL_DEFAULT = "https://livestream.googleapis.com"
LOCATION_DEFAULT = "us-central1"
SEGMENT_SECONDS = 6
SEGMENTS_MAX = 5  # in the list that players of the live picture read
CHANNELS_MAX = 100  # on the page that is read
MANIFEST = "main.m3u8"
MANIFEST_KEY = "hls"
THERE_ALREADY, NOT_THERE = "already_exists", "not_found"
RENDITIONS = (("high", 1920, 1080, 5_000_000), ("middle", 1280, 720, 2_500_000), ("low", 640, 360, 800_000))
FRAME_RATE = 30
MESSAGE_LENGTH_MAX = 200  # of a sentence of Google's, as we keep it
CODES = (  # google.rpc.Code, by number
    *("ok", "cancelled", "unknown", "invalid_argument", "deadline_exceeded", "not_found", "already_exists"),
    *("permission_denied", "resource_exhausted", "failed_precondition", "aborted", "out_of_range", "unimplemented"),
    *("internal", "unavailable", "data_loss", "unauthenticated"),
)
CLIP_STATES = {"SUCCEEDED": ClipState.READY, "FAILED": ClipState.FAILED}  # all others are on their way


@dataclass(frozen=True)
class Endpoint:
    """Where an encoder sends its picture: the address, and the key, which is a secret."""

    address: str
    key: str = field(repr=False)


@dataclass(frozen=True)
class Operation:
    """A long-running operation; `error` is the service's code and sentence when it has failed."""

    is_done: bool
    error: str | None


class LiveStreamRefused(VendorRefused):
    """Raised when Google refuses a call; the message is its code and the beginning of its sentence."""

    def __init__(self, code: str, message: object) -> None:
        super().__init__(code)
        self.told = _told(code, message)

    def __str__(self) -> str:
        return self.told


def create_input(input_id: str) -> str | None:
    """Have an input made; returns the operation, None if there is one of this name. Raises VendorFailure."""
    body = {"type": "RTMP_PUSH", "tier": "HD"}
    return _begun(lambda: _ask("POST", f"inputs?inputId={quote(input_id)}", body), THERE_ALREADY)


def get_input(input_id: str) -> Endpoint | None:
    """The input's endpoint; None if there is no input of this name. Raises VendorFailure."""
    body = _got(f"inputs/{quote(input_id)}")
    if body is None:
        return None
    address, _, key = str(body.get("uri", "")).rpartition("/")
    if not urlsplit(address).scheme.startswith("rtmp") or not key:
        raise VendorSilent("the input has no address")
    return Endpoint(address, vendors.identifier(key))


def create_channel(channel_id: str, input_id: str, folder: str) -> str | None:
    """Have a channel made that writes HLS of the input's picture below `folder` of the bucket; returns the operation,
    None if there is a channel of this name. Raises VendorFailure.
    """
    body = _channel(_path(f"inputs/{input_id}"), _in_bucket(folder))
    return _begun(lambda: _ask("POST", f"channels?channelId={quote(channel_id)}", body), THERE_ALREADY)


def get_channel(channel_id: str) -> ChannelState | None:
    """The state of the channel; None if there is no channel of this name. Raises VendorFailure."""
    body = _got(f"channels/{quote(channel_id)}")
    return None if body is None else _state(body)


def list_channels() -> dict[str, ChannelState]:
    """The channels that there are, at most CHANNELS_MAX, and what each does. Raises VendorFailure."""
    body = _accepted(_ask("GET", f"channels?pageSize={CHANNELS_MAX}"))
    try:
        return {str(each["name"]).rpartition("/")[2]: _state(each) for each in body.get("channels", [])}
    except (KeyError, TypeError) as error:
        raise vendors.misunderstood(error) from None


def start(channel_id: str) -> str:
    """Have a stopped channel run; returns the operation. Raises VendorFailure."""
    return _operation_name(_accepted(_ask("POST", f"channels/{quote(channel_id)}:start", {})))


def stop(channel_id: str) -> str:
    """Have a channel stop that runs; returns the operation. Raises VendorFailure."""
    return _operation_name(_accepted(_ask("POST", f"channels/{quote(channel_id)}:stop", {})))


def create_clip(channel_id: str, clip_id: str, since: datetime, until: datetime, folder: str) -> str | None:
    """Have a clip made of what the channel has shown between two moments, below `folder` of the bucket; returns the
    operation, None if there is a clip of this name. Raises VendorFailure.
    """
    body = {
        "outputUri": _in_bucket(folder),
        "slices": [{"timeSlice": {"markinTime": _time(since), "markoutTime": _time(until)}}],
        "clipManifests": [{"manifestKey": MANIFEST_KEY}],
    }
    where = f"channels/{quote(channel_id)}/clips?clipId={quote(clip_id)}"
    return _begun(lambda: _ask("POST", where, body), THERE_ALREADY)


def get_clip(channel_id: str, clip_id: str) -> ClipState | None:
    """How far the clip is; None if there is no clip of this name. Raises VendorFailure."""
    body = _got(f"channels/{quote(channel_id)}/clips/{quote(clip_id)}")
    if body is None:
        return None
    return CLIP_STATES.get(str(body.get("state")), ClipState.MAKING)


def delete_channel(channel_id: str) -> str | None:
    """Have a stopped channel deleted, and with it all files that it has written. Files of clips in another folder
    stay. Returns the operation, None if it is gone. Raises VendorFailure.
    """
    return _begun(lambda: _ask("DELETE", f"channels/{quote(channel_id)}?force=true"), NOT_THERE)


def delete_input(input_id: str) -> str | None:
    """Have an input deleted that no channel uses; returns the operation, None if it is gone. Raises VendorFailure."""
    return _begun(lambda: _ask("DELETE", f"inputs/{quote(input_id)}"), NOT_THERE)


def get_operation(name: str) -> Operation | None:
    """How far an operation is; None if the service does not know it any more. Raises VendorFailure."""
    body = _got(f"operations/{quote(name.rpartition('/')[2])}")
    if body is None:
        return None
    error = body.get("error")
    return Operation(body.get("done") is True, _failure(error) if isinstance(error, dict) else None)


def _begun(ask: Callable[[], vendors.RawAnswer], harmless: str) -> str | None:
    """The operation that a call has begun; None when the service refuses because it was done before."""
    try:
        return _operation_name(_accepted(ask()))
    except VendorRefused as refused:
        if refused.reason != harmless:
            raise
        return None


def _got(path: str) -> Mapping[str, Any] | None:
    """The thing at this path; None if there is none."""
    try:
        return _accepted(_ask("GET", path))
    except VendorRefused as refused:
        if refused.reason != NOT_THERE:
            raise
        return None


def _ask(method: str, path: str, body: object = None) -> vendors.RawAnswer:
    from google.auth.exceptions import GoogleAuthError

    base = os.environ.get("LIVE_STREAM_URL", URL_DEFAULT)
    try:
        answer = vendors.send(method, f"{base}/v1/{_path(path)}", {}, body, session_for=_session)
    except GoogleAuthError as error:
        raise VendorSilent(type(error).__name__) from None
    if answer.status in KEYS_WRONG:
        raise VendorMisconfigured(str(answer.status))
    return answer


def _session(url: str) -> "AbstractContextManager[requests.Session]":
    return google_sessions.authorized(url, google_sessions.CLOUD_PLATFORM)


def _accepted(answer: vendors.RawAnswer) -> Mapping[str, Any]:
    """The answer's body. Raises VendorRefused for Google's own refusal, VendorSilent for another."""
    body = vendors.json_object(answer.content, str(answer.status))
    if answer.status == HTTPStatus.OK:
        return body
    error = body.get("error")
    if not isinstance(error, dict) or not isinstance(error.get("status"), str):
        raise VendorSilent(str(answer.status))
    raise LiveStreamRefused(vendors.slug(error["status"]), error.get("message"))


def _failure(error: Mapping[str, Any]) -> str:
    """The code and sentence of an operation's google.rpc.Status."""
    code = error.get("code")
    name = CODES[code] if isinstance(code, int) and 0 <= code < len(CODES) else vendors.UNCLEAR
    return _told(name, error.get("message"))


def _told(code: str, message: object) -> str:
    """A code with the beginning of a sentence, as it is stored and logged."""
    sentence = "".join(each for each in message if each.isprintable()) if isinstance(message, str) else ""
    return f"{code}: {sentence[:MESSAGE_LENGTH_MAX]}" if sentence else code


def _operation_name(body: Mapping[str, Any]) -> str:
    try:
        return vendors.identifier(body["name"])
    except (KeyError, ValueError) as error:
        raise vendors.misunderstood(error) from None


def _state(body: Mapping[str, Any]) -> ChannelState:
    said = body.get("streamingState")
    return ChannelState(said) if said in set(ChannelState) else ChannelState.UNKNOWN


def _path(path: str) -> str:
    location = os.environ.get("LIVE_STREAM_LOCATION", LOCATION_DEFAULT)
    return f"projects/{os.environ['GOOGLE_CLOUD_PROJECT']}/locations/{location}/{path}"


def _in_bucket(folder: str) -> str:
    return f"gs://{os.environ['HLS_BUCKET']}/{folder}"


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _channel(input_name: str, output: str) -> dict[str, object]:
    """A channel that makes three renditions of a picture, in segments of six seconds, and keeps them for clips."""
    videos = [
        {
            "key": f"video-{name}",
            "videoStream": {
                "h264": {
                    "widthPixels": width,
                    "heightPixels": height,
                    "frameRate": FRAME_RATE,
                    "bitrateBps": bits,
                    "gopDuration": "2s",
                }
            },
        }
        for name, width, height, bits in RENDITIONS
    ]
    audio = {"key": "audio", "audioStream": {"codec": "aac", "channelCount": 2, "bitrateBps": 160_000}}
    streams = [str(each["key"]) for each in (*videos, audio)]
    muxes = [
        {
            "key": f"mux-{name}",
            "elementaryStreams": [name],
            "segmentSettings": {"segmentDuration": f"{SEGMENT_SECONDS}s"},
        }
        for name in streams
    ]
    return {
        "inputAttachments": [{"key": "encoder", "input": input_name}],
        "output": {"uri": output},
        "elementaryStreams": [*videos, audio],
        "muxStreams": muxes,
        "manifests": [
            {
                "key": MANIFEST_KEY,
                "fileName": MANIFEST,
                "type": "HLS",
                "muxStreams": [f"mux-{name}" for name in streams],
                "maxSegmentCount": SEGMENTS_MAX,
            }
        ],
        "retentionConfig": {"retentionWindowDuration": f"{int(RETENTION.total_seconds())}s"},
    }
