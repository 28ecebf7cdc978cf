"""One example request for each operation on streams, in a function of its name."""

import json
from collections.abc import Mapping
from datetime import timedelta

from shared import clock
from shared.auth import Role
from shared.credentials import totp
from tests import factories
from tests.client import FunctionClient
from tests.fakes import stream_rows
from tests.operations.requests import Request, as_json
from tests.operations.scene import Scene

EVENTS = "/v1/admin/streaming/events"


def wall(days: int, time: str = "20:00") -> str:
    """A time of the wall clock, so many days from now."""
    return f"{(clock.now() + timedelta(days=days)).date().isoformat()}T{time}"


def event(**other: object) -> dict[str, object]:
    """A body of a live event, in two days."""
    return {
        "title": "The Friday Table",
        "description": "Poker, with guests.",
        "host_name": "Jack Spade",
        "tier_min": "standard",
        "channel_id": None,
        "starts": wall(2),
        "time_zone": "America/New_York",
        **other,
    }


def made(admin: FunctionClient, **other: object) -> str:
    """The path of a stream that the admin has scheduled."""
    return f"{EVENTS}/{admin.post(EVENTS, event(**other)).body['id']}"


def versioned(admin: FunctionClient, path: str, body: Mapping[str, object], other: Mapping[str, object]) -> Request:
    """A change of the first version, and another one of the same."""
    first, second = (json.dumps(sent).encode() for sent in (body, other))
    return Request(admin, path, first, version='"1"', other=Request(admin, path, second, version='"1"'))


def create_stream(scene: Scene) -> Request:
    return as_json(scene.member(Role.OPERATIONS), EVENTS, event(), event(title="Another"))


def change_stream(scene: Scene) -> Request:
    admin = scene.member(Role.OPERATIONS)
    body = {name: value for name, value in event().items() if name not in ("starts", "time_zone")}
    return versioned(admin, made(admin), body | {"title": "New"}, body | {"title": "Newer"})


def move_stream(scene: Scene) -> Request:
    admin = scene.member(Role.OPERATIONS)
    return versioned(admin, f"{made(admin)}/time", {"starts": wall(3)}, {"starts": wall(4)})


def cancel_stream(scene: Scene) -> Request:
    admin = scene.member(Role.OPERATIONS)
    return as_json(admin, f"{made(admin)}/cancel", {"reason": "The host is ill."}, {"reason": "Nobody came."})


def start_stream(scene: Scene) -> Request:
    admin = scene.member(Role.OPERATIONS)
    first, second = (f"{made(admin)}/start" for _ in range(2))
    return Request(admin, first, other=Request(admin, second))


def stop_stream(scene: Scene) -> Request:
    who = factories.member(role=Role.OPERATIONS)
    first, second = (f"{EVENTS}/{stream_rows.started(who, clock.now(), 'live')}/stop" for _ in range(2))
    return Request(scene.client(who.token), first, other=Request(scene.client(who.token), second))


def show_stream_key(scene: Scene) -> Request:
    return _with_code(scene, "key")


def renew_stream_key(scene: Scene) -> Request:
    return _with_code(scene, "key/renew")


def set_stream_overlay(scene: Scene) -> Request:
    admin = scene.member(Role.OPERATIONS)
    return versioned(admin, f"{made(admin)}/overlay", {"text": "Soon"}, {"text": None})


def note_presence(scene: Scene) -> Request:
    first, second = (stream_rows.stream(factories.member(), clock.now(), "live") for _ in range(2))
    member = scene.member()
    return Request(member, f"/v1/streaming/{first}/presence", other=Request(member, f"/v1/streaming/{second}/presence"))


def _with_code(scene: Scene, act: str) -> Request:
    """A request about a stream that is ready, with a code of the admin's app, and another one about the same."""
    who = factories.member(role=Role.OPERATIONS)
    secret, step = factories.second_factor(who), totp.step_of(clock.now())
    first, second = ({"totp": totp.code(secret, step + later)} for later in (0, 1))
    stream = stream_rows.started(who, clock.now(), "ready")
    return as_json(scene.client(who.token), f"{EVENTS}/{stream}/{act}", first, second)
