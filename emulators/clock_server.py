"""`POST /v1/test-clock/advance {to}`: goes on towards a time, schedule by schedule. The local gateway passes it on.

It is no function and not in openapi.yaml, so that nothing can deploy it. One request works for PORTION_SECONDS at most
and says how far it has come; the same request again continues. A client or a connection that dies in the middle leaves
a clock that stands between two steps, with everything done that was due before.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from emulators.advancing import Advance, Stopped
from emulators.cloud import PROJECT
from emulators.http_server import Handler, HttpServer
from shared.values import encoding
from shared.values.fields import Body, Moment
from shared.values.problems import (
    CONTENT_TYPE,
    BodyTooLarge,
    ContentTypeNotSupported,
    MethodNotAllowed,
    NotFound,
    NotValid,
    Problem,
)
from shared.web.http import parse_body

PATH = "/v1/test-clock/advance"
PORTION_SECONDS = 20.0
AHEAD_MAX = timedelta(days=366)  # of one request, from the present time of the clock
BODY_BYTES_MAX = 4096


class ClockAdvance(Body):
    """The time to which the clock shall go."""

    to: Moment


class ClockOnlyGoesForward(Problem):
    """The time is over: what has happened is written down with its time."""

    status, title = 409, "The clock only goes forward."


class ClockIsAdvancing(Problem):
    """Another request moves the clock at this moment."""

    status, title = 409, "The clock is being advanced already."


class DatabaseNotLocal(Problem):
    """The database was set up for another project than that of the local stack, or does not say for which."""

    status, title = 409, "Only the clock of a local stack is moved, with the database that it has made."


class DeliveriesNotKnown(Problem):
    """Google's Pub/Sub emulator cannot say when its messages are delivered."""

    status, title = 409, "Start the stack with the embedded Pub/Sub to advance its clock."


class NotSettled(Problem):
    """Something that was due does not end; the clock stands where it was reached."""

    status, title, passing = 503, "Something that is due does not end.", True


@dataclass(frozen=True)
class Rules:
    """The facts that allow the clock to be moved: the database's project, and whether Pub/Sub can be waited for."""

    project: Callable[[], str | None]
    can_wait: bool

    def check(self) -> None:
        """Check the facts. Raises DeliveriesNotKnown, DatabaseNotLocal."""
        if not self.can_wait:
            raise DeliveriesNotKnown
        project = self.project()
        if project != PROJECT:
            raise DatabaseNotLocal(f"The database was set up for {project or 'a project that it does not name'}.")


class ClockServer:
    """The operation behind a loopback port, from `start` to `stop`."""

    def __init__(self, advance: Advance, rules: Rules, portion_seconds: float = PORTION_SECONDS) -> None:
        self._advance = advance
        self._rules = rules
        self._portion_seconds = portion_seconds
        self._one = threading.Lock()
        self._towards: datetime | None = None  # what the last request asked for: to continue it is never too late
        self._server = HttpServer(type("BoundClockHandler", (_ClockHandler,), {"clock": self}))

    @property
    def url(self) -> str:
        return self._server.url

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        """Break off an advance after the call that is under way, and wait for that."""
        self._advance.stop()
        with self._one:
            self._server.stop()

    def go_on(self, raw: bytes) -> dict[str, object]:
        """Do a portion of what the body asks for; returns the reply. Raises a Problem."""
        to = parse_body(raw, ClockAdvance).to
        if not self._one.acquire(blocking=False):
            raise ClockIsAdvancing
        try:
            self._rules.check()
            if to != self._towards:
                _check(to, self._advance.now())
            self._towards = to
            made = self._advance.go_on(to, self._portion_seconds)
        except TimeoutError as late:
            raise NotSettled(str(late), headers={"Retry-After": "5"}) from None
        except Stopped:
            raise NotSettled("The stack is ending.", headers={"Retry-After": "5"}) from None
        finally:
            self._one.release()
        return asdict(made)


def _check(to: datetime, now: datetime) -> None:
    """Check the time asked for. Raises ClockOnlyGoesForward, NotValid."""
    if to < now:
        raise ClockOnlyGoesForward(f"It is {now:%Y-%m-%dT%H:%M:%SZ} here.")
    if to > now + AHEAD_MAX:
        raise NotValid(errors=[{"field": "/to", "message": f"is more than {AHEAD_MAX.days} days ahead"}])


class _ClockHandler(Handler):
    clock: ClockServer

    def _serve(self) -> None:
        """Answer with the progress, or with a problem document."""
        try:
            self._answer(200, self.clock.go_on(self._sent()), "application/json", {})
        except Problem as problem:
            self._answer(problem.status, problem.document(), CONTENT_TYPE, problem.headers)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815 - the base class's names

    def _sent(self) -> bytes:
        """The body. Raises NotFound, MethodNotAllowed, ContentTypeNotSupported, BodyTooLarge."""
        if self.target_path != PATH:
            raise NotFound
        if self.command != "POST":
            raise MethodNotAllowed(headers={"Allow": "POST"})
        if "content-type" not in self.headers or self.headers.get_content_type() != "application/json":
            raise ContentTypeNotSupported("Send application/json.", headers={"Accept": "application/json"})
        if self.body_left > BODY_BYTES_MAX:
            raise BodyTooLarge(f"At most {BODY_BYTES_MAX} bytes are taken here.")
        return self.body()

    def _answer(self, status: int, document: Mapping[str, object], kind: str, headers: Mapping[str, str]) -> None:
        self.answer(status, encoding.dump(document), kind, headers)
