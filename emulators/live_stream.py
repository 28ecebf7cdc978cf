"""A local Google Live Stream: inputs, channels, clips and operations of the v1 REST API, without any picture.

`POST|GET …/inputs`, `POST|GET …/channels`, `:start`, `:stop`, `POST|GET …/channels/<c>/clips`, `DELETE` of inputs and
channels, `GET …/operations/<o>`; errors are Google's, {"error": {"code", "message", "status"}}. What exists is refused
with ALREADY_EXISTS, what does not fit a state with FAILED_PRECONDITION. An operation is done when it has been asked
about `steps` times, which a test sets. `POST /encoder/<channel>/on` and `/off` are the host's encoder: a running
channel gets a picture or loses it. `break_next` has operations fail, in a sentence. Files are names only: a channel
writes its manifest, a clip copies it, and what a channel has written goes with the channel. `clips_of_stopped` says
whether a stopped channel can be clipped, of which Google says nothing.
https://cloud.google.com/livestream/docs/reference/rest

Differs from Google: no picture, no segments, one page of a list, no regions.
"""

import collections
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from emulators.vendor import Answered, VendorError, VendorHandler, VendorStandIn
from emulators.webhooks import Webhooks
from shared.values.live import ChannelState

PATH = re.compile(r"/v1/projects/[^/]+/locations/[^/]+/(.+)")
STATUSES = {
    HTTPStatus.BAD_REQUEST: "FAILED_PRECONDITION",
    HTTPStatus.UNAUTHORIZED: "UNAUTHENTICATED",
    HTTPStatus.FORBIDDEN: "PERMISSION_DENIED",
    HTTPStatus.NOT_FOUND: "NOT_FOUND",
    HTTPStatus.CONFLICT: "ALREADY_EXISTS",
    HTTPStatus.UNPROCESSABLE_ENTITY: "INVALID_ARGUMENT",
    HTTPStatus.TOO_MANY_REQUESTS: "RESOURCE_EXHAUSTED",
}
MANIFEST = "main.m3u8"
RUNNING = (ChannelState.AWAITING_INPUT, ChannelState.STREAMING)


@dataclass
class KnownChannel:
    """A channel; `clips` are the states of its clips by name."""

    input_id: str
    asked: Mapping[str, Any]
    state: ChannelState = ChannelState.STOPPED
    clips: dict[str, str] = field(default_factory=dict)
    clips_asked: dict[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass
class KnownOperation:
    """An operation that ends once it has been asked about so many times."""

    left: int
    ends: Callable[[], object]
    error: str | None = None


class LiveStreamStandIn(VendorStandIn):
    """The server; `settings` is how the port finds it. `steps` is how often an operation is not done yet."""

    def __init__(self) -> None:
        super().__init__(Webhooks("live_stream", "POST", lambda _: {}))
        self.steps = 0
        self.begun: list[str] = []
        self.inputs: dict[str, str] = {}
        self.channels: dict[str, KnownChannel] = {}
        self.operations: dict[str, KnownOperation] = {}
        self.files: set[str] = set()
        self.clips_of_stopped = True
        self._broken: dict[str, collections.deque[str]] = {}

    @property
    def settings(self) -> dict[str, str]:
        return {"LIVE_STREAM_URL": self.url, "HLS_BUCKET": "local-hls"}

    def forget(self) -> None:
        for kept in (self.begun, self.inputs, self.channels, self.operations, self.files, self._broken):
            kept.clear()
        self.steps, self.clips_of_stopped = 0, True

    def break_next(self, act: str, *errors: str) -> None:
        """Have the next operations of this kind (create, start, stop, clip, delete) fail, one with each error."""
        with self.lock:
            self._broken.setdefault(act, collections.deque()).extend(errors)

    def encode(self, channel_id: str, *, on: bool) -> None:
        """Have the host's encoder send its picture, or be gone."""
        with self.lock:
            channel = self._channel(channel_id)
            if channel.state in RUNNING:
                channel.state = ChannelState.STREAMING if on else ChannelState.AWAITING_INPUT
                self.files.add(f"{channel.asked['output']['uri']}{MANIFEST}")

    def do(self, method: str, path: str, query: Mapping[str, str], asked: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a call. Raises VendorError."""
        with self.lock:
            parts = path.split("/")
            if method == "GET":
                return self._shown(parts)
            return self._made(parts, query, asked) if method == "POST" else self._deleted(parts)

    def _made(self, path: list[str], query: Mapping[str, str], asked: Mapping[str, Any]) -> dict[str, Any]:
        match path:
            case ["inputs"]:
                return self._make_input(query["inputId"])
            case ["channels"]:
                return self._make_channel(query["channelId"], asked)
            case ["channels", act] if ":" in act:
                return self._act(*act.split(":", 1))
            case ["channels", channel_id, "clips"]:
                return self._make_clip(channel_id, query["clipId"], asked)
        raise VendorError(HTTPStatus.NOT_FOUND, "no such method")

    def _deleted(self, path: list[str]) -> dict[str, Any]:
        match path:
            case ["inputs", input_id]:
                return self._delete_input(input_id)
            case ["channels", channel_id]:
                return self._delete_channel(channel_id)
        raise VendorError(HTTPStatus.NOT_FOUND, "no such method")

    def _shown(self, path: list[str]) -> dict[str, Any]:
        match path:
            case ["operations", name]:
                return self._operation(name)
            case ["inputs", input_id] if input_id in self.inputs:
                return {"name": input_id, "type": "RTMP_PUSH", "uri": f"rtmp://127.0.0.1/live/{self.inputs[input_id]}"}
            case ["channels"]:
                return {"channels": [_shown_channel(name, each) for name, each in self.channels.items()]}
            case ["channels", channel_id]:
                return _shown_channel(channel_id, self._channel(channel_id))
            case ["channels", channel_id, "clips", clip_id] if clip_id in self._channel(channel_id).clips:
                return {"name": clip_id, "state": self._channel(channel_id).clips[clip_id]}
        raise VendorError(HTTPStatus.NOT_FOUND, "there is none")

    def _channel(self, channel_id: str) -> KnownChannel:
        found = self.channels.get(channel_id)
        if found is None:
            raise VendorError(HTTPStatus.NOT_FOUND, "no such channel")
        return found

    def _make_input(self, input_id: str) -> dict[str, Any]:
        if input_id in self.inputs:
            raise VendorError(HTTPStatus.CONFLICT, "there is one")
        return self._begin(f"create {input_id}", lambda: self.inputs.setdefault(input_id, secrets.token_hex(16)))

    def _make_channel(self, channel_id: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        if channel_id in self.channels:
            raise VendorError(HTTPStatus.CONFLICT, "there is one")
        input_id = str(asked["inputAttachments"][0]["input"]).rpartition("/")[2]
        if input_id not in self.inputs or not str(asked["output"]["uri"]).startswith("gs://"):
            raise VendorError(HTTPStatus.UNPROCESSABLE_ENTITY, "no such input, or no place for the files")
        made = KnownChannel(input_id, asked)
        return self._begin(f"create {channel_id}", lambda: self.channels.setdefault(channel_id, made))

    def _act(self, channel_id: str, act: str) -> dict[str, Any]:
        channel = self._channel(channel_id)
        if act not in ("start", "stop"):
            raise VendorError(HTTPStatus.NOT_FOUND, "no such method")
        fits = channel.state is ChannelState.STOPPED if act == "start" else channel.state in RUNNING
        if not fits:
            raise VendorError(HTTPStatus.BAD_REQUEST, f"the channel is {channel.state}")
        before, then = channel.state, ChannelState.AWAITING_INPUT if act == "start" else ChannelState.STOPPED
        channel.state = ChannelState.STARTING if act == "start" else ChannelState.STOPPING

        def end() -> None:
            channel.state = then

        def undo() -> None:
            channel.state = before

        return self._begin(f"{act} {channel_id}", end, undo)

    def _make_clip(self, channel_id: str, clip_id: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        channel = self._channel(channel_id)
        if clip_id in channel.clips:
            raise VendorError(HTTPStatus.CONFLICT, "there is one")
        if channel.state not in RUNNING and not self.clips_of_stopped:
            raise VendorError(HTTPStatus.BAD_REQUEST, f"the channel is {channel.state}")
        channel.clips_asked[clip_id] = asked
        channel.clips[clip_id] = "CREATING"

        def end() -> None:
            channel.clips[clip_id] = "SUCCEEDED"
            self.files.add(f"{asked['outputUri']}{MANIFEST}")

        return self._begin(f"clip {channel_id}", end, lambda: channel.clips.update({clip_id: "FAILED"}))

    def _delete_input(self, input_id: str) -> dict[str, Any]:
        if input_id not in self.inputs:
            raise VendorError(HTTPStatus.NOT_FOUND, "no such input")
        if any(each.input_id == input_id for each in self.channels.values()):
            raise VendorError(HTTPStatus.BAD_REQUEST, "a channel uses it")
        return self._begin(f"delete {input_id}", lambda: self.inputs.pop(input_id, None))

    def _delete_channel(self, channel_id: str) -> dict[str, Any]:
        if self._channel(channel_id).state is not ChannelState.STOPPED:
            raise VendorError(HTTPStatus.BAD_REQUEST, "the channel runs")

        def end() -> None:
            gone = self.channels.pop(channel_id)
            self.files = {name for name in self.files if not name.startswith(gone.asked["output"]["uri"])}

        return self._begin(f"delete {channel_id}", end)

    def _begin(self, what: str, end: Callable[[], object], undo: Callable[[], object] = lambda: None) -> dict[str, Any]:
        """Begin an operation; one that is broken ends by undoing what it has begun."""
        broken = self._broken.get(what.partition(" ")[0])
        error = broken.popleft() if broken else None
        name = f"operation-{secrets.token_hex(8)}"
        self.begun.append(what)
        self.operations[name] = KnownOperation(self.steps, undo if error else end, error)
        if not self.steps:
            self.operations[name].ends()
        return {"name": f"projects/local/locations/local/operations/{name}", "done": False}

    def _operation(self, name: str) -> dict[str, Any]:
        found = self.operations.get(name)
        if found is None:
            raise VendorError(HTTPStatus.NOT_FOUND, "no such operation")
        if found.left:
            found.left -= 1
            if found.left:
                return {"name": name, "done": False}
            found.ends()
        told: dict[str, Any] = {"error": {"code": 8, "message": found.error}} if found.error else {"response": {}}
        return {"name": name, "done": True, **told}


class _LiveStreamHandler(VendorHandler):
    stand_in: LiveStreamStandIn

    def do_DELETE(self) -> None:  # noqa: N802 - the name is the base class's
        self._serve()

    def authorised(self) -> bool:
        return True

    def error_body(self, status: int, code: str) -> Mapping[str, Any]:
        return {"error": {"code": status, "message": code, "status": STATUSES.get(HTTPStatus(status), "INTERNAL")}}

    def done(self, asked: Mapping[str, Any]) -> Answered:
        found = PATH.fullmatch(self.target_path)
        if found is None:
            raise VendorError(HTTPStatus.NOT_FOUND, "no such path")
        return HTTPStatus.OK, self.stand_in.do(self.command, found[1], self.query, asked)

    def operate(self, raw: bytes) -> None:
        del raw
        match self.target_path.strip("/").split("/"):
            case ["encoder", channel_id, ("on" | "off") as wanted]:
                try:
                    self.stand_in.encode(channel_id, on=wanted == "on")
                    self.answer_json(HTTPStatus.OK, {})
                except VendorError as error:
                    self.answer_json(error.status, self.error_body(error.status, error.code))
            case _:
                self.answer_json(HTTPStatus.NOT_FOUND, {"error": "there is no such page"})


LiveStreamStandIn.handler = _LiveStreamHandler


def _shown_channel(channel_id: str, channel: KnownChannel) -> dict[str, Any]:
    return {"name": f"projects/local/locations/local/channels/{channel_id}", "streamingState": channel.state.value}
