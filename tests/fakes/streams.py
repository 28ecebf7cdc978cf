"""An admin who schedules streams, members who watch them, and the clock between."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from pg8000.dbapi import Connection

from emulators.live_stream import KnownChannel, LiveStreamStandIn
from shared import clock
from shared.social.live_names import channel_name
from shared.values.tiers import Tier
from tests import factories
from tests.client import Answer, FunctionClient
from tests.clock import moved_clock
from tests.fakes.profile_client import ProfileClient
from tests.operations.streams import EVENTS, event

STREAMING = "/v1/streaming"
ROUNDS_MAX = 100


@dataclass(frozen=True)
class Events:
    """The platform as an admin of live events sees it."""

    client: Callable[..., FunctionClient]
    sql: Connection
    admin: FunctionClient
    jobs: ProfileClient
    folder: Path

    def member(self, tier: Tier = Tier.STANDARD) -> FunctionClient:
        return self.client(factories.member(permanent_tier=tier).token)

    def create(self, **other: object) -> Answer:
        return self.admin.post(EVENTS, event(**other))

    def made(self, **other: object) -> dict[str, Any]:
        """A stream that was scheduled."""
        answer = self.create(**other)
        assert answer.status == 201, answer.body
        return dict(answer.body)

    def put(self, path: str, body: object, revision: int | None = 1) -> Answer:
        headers = {"Content-Type": "application/json"}
        if revision is not None:
            headers["If-Match"] = f'"{revision}"'
        return self.admin.send("PUT", f"{EVENTS}/{path}", json.dumps(body).encode(), headers)

    def move(self, stream: str, starts: str, revision: int = 1, **other: object) -> Answer:
        return self.put(f"{stream}/time", {"starts": starts, **other}, revision)

    def cancel(self, stream: str) -> Answer:
        return self.admin.post(f"{EVENTS}/{stream}/cancel", {"reason": "The host is ill."})

    def at(self, moment: str | datetime) -> AbstractContextManager[None]:
        """The block in which the product's clock begins at this moment, which is to come."""
        wanted = moment if isinstance(moment, datetime) else datetime.fromisoformat(moment)
        return moved_clock(self.folder, wanted - clock.now())

    @property
    def google(self) -> LiveStreamStandIn:
        return self.jobs.platform.vendors.live_stream

    def channel(self, stream: str, generation: int = 1) -> KnownChannel:
        """The channel of a stream at Live Stream."""
        return self.google.channels[channel_name(UUID(stream), generation)]

    def encode(self, stream: str, *, on: bool) -> None:
        """Have the host's encoder send its picture, or be gone."""
        self.google.encode(channel_name(UUID(stream), 1), on=on)

    def act(self, stream: str, act: str, body: object = None) -> Answer:
        return self.admin.post(f"{EVENTS}/{stream}/{act}", body)

    def run(self, *, times: int = 1) -> None:
        """Deliver the tasks that are due, and those of streams that wait for a moment, until none is left."""
        for _ in range(ROUNDS_MAX):
            self.sql.execute_simple("UPDATE outbox SET deliver_at = NULL WHERE function = 'stream_control'")
            if not self.jobs.run_tasks(times=times):
                return
        raise AssertionError("the tasks do not end")

    def watch(self) -> None:
        """Let the minute's schedule run, and what it has ordered."""
        assert self.jobs.invoker.schedule("stream_control", "watch") == 204
        self.jobs.run_tasks()

    def state(self, stream: str) -> dict[str, Any]:
        """The stream's row: it can be read whatever the clock says, when no token is good any more."""
        ((row,),) = self.sql.execute_unnamed("SELECT to_jsonb(s) FROM live_streams s WHERE id = $1", (stream,)).rows
        return dict(row)

    def ready(self, **other: object) -> str:
        """A stream that waits for the host's picture."""
        made = str(self.made(**other)["id"])
        assert self.act(made, "start").status == 200
        self.run()
        assert self.state(made)["status"] == "ready"
        return made

    def live(self, **other: object) -> str:
        """A stream that is live."""
        made = self.ready(**other)
        self.encode(made, on=True)
        self.look(made)
        assert self.state(made)["status"] == "live"
        return made

    def look(self, stream: str) -> None:
        """Have a stream looked at now."""
        self.sql.execute_unnamed(
            "UPDATE live_stream_inputs SET look_at = '2000-01-01Z' WHERE stream_id = $1 AND look_at IS NOT NULL",
            (stream,),
        )
        self.watch()

    def one(self, query: str) -> Any:
        ((value,),) = self.sql.execute_simple(query).rows
        return value

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.sql.execute_simple(query).rows]
