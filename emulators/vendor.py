"""The frame of the shop's vendors' stand-ins: a loopback server, faults that a test asks for, webhooks, timers.

A fault takes the place of the next call of the vendor's API; the pages and commands for operators have none.
"""

import collections
import enum
import functools
import json
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from emulators.http_server import Handler, HttpServer
from emulators.webhooks import Webhooks

TIMEOUT_SECONDS = 120.0  # longer than any client of ours waits
LATER_SECONDS = 2.0
PAGE = b"<html>Oops</html>"


class Fault(enum.Enum):
    """The faults of a call. DONE ones do what was asked, the others do not."""

    UNANSWERED = "the connection ends without an answer"
    DONE_UNANSWERED = "done, and the connection ends without an answer"
    DONE_LATER = "done after `later_seconds`, and the connection ends at once"
    TIMEOUT = "no answer"
    DONE_TIMEOUT = "done, and no answer"
    NONSENSE = "a 200 with a page of somebody on the way"
    DONE_NONSENSE = "done, and a 200 with a page of somebody on the way"
    FOREIGN_NOT_FOUND = "a 404 with a page of somebody on the way"
    INTERNAL_ERROR = "500"
    DONE_INTERNAL_ERROR = "done, and 500"
    TOO_MANY_REQUESTS = "429"
    UNAUTHORIZED = "401"
    FORBIDDEN = "403"
    REFUSED = "422 in the vendor's own words"


DONE = frozenset(fault for fault in Fault if fault.name.startswith("DONE_"))
STATUSES = {
    Fault.INTERNAL_ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
    Fault.DONE_INTERNAL_ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
    Fault.TOO_MANY_REQUESTS: HTTPStatus.TOO_MANY_REQUESTS,
    Fault.UNAUTHORIZED: HTTPStatus.UNAUTHORIZED,
    Fault.FORBIDDEN: HTTPStatus.FORBIDDEN,
    Fault.REFUSED: HTTPStatus.UNPROCESSABLE_ENTITY,
}
PAGES = {
    Fault.NONSENSE: HTTPStatus.OK,
    Fault.DONE_NONSENSE: HTTPStatus.OK,
    Fault.FOREIGN_NOT_FOUND: HTTPStatus.NOT_FOUND,
}

Answered = tuple[int, Mapping[str, Any] | list[Any]]


class VendorError(Exception):
    """Raised to answer with an error in the vendor's shape."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = int(status)
        self.code = code


class VendorStandIn(ABC):
    """The server of one vendor. A subclass names its handler and keeps what was done under `lock`."""

    handler: ClassVar[type["VendorHandler"]]

    def __init__(self, webhooks: Webhooks) -> None:
        self.webhooks = webhooks
        self.later_seconds = LATER_SECONDS
        self.lock = threading.RLock()
        self._faults: collections.deque[Fault | None] = collections.deque()
        self._timers: list[threading.Timer] = []
        self._stopping = threading.Event()
        self._server: HttpServer | None = None

    @property
    def url(self) -> str:
        """The value for the vendor's URL setting."""
        if self._server is None:
            raise RuntimeError(f"{type(self).__name__} is not running")
        return self._server.url

    def start(self) -> None:
        self._server = HttpServer(type("BoundHandler", (self.handler,), {"stand_in": self}), self.tls())
        self._server.start()
        self.webhooks.start()

    def tls(self) -> ssl.SSLContext | None:
        """How its connections are secured; None for plain HTTP."""
        return None

    def stop(self) -> None:
        self._stopping.set()
        self.cancel_timers()
        if self._server is not None:
            self._server.stop()
            self._server = None
            self.webhooks.stop()

    @property
    @abstractmethod
    def settings(self) -> dict[str, str]:
        """The settings with which the port finds the stand-in."""

    @abstractmethod
    def forget(self) -> None:
        """Forget everything that was done; `lock` is held."""

    def clear(self) -> None:
        """Forget everything that was done, what was to be done later, the faults and the webhooks."""
        with self.lock:
            self.cancel_timers()
            self._faults.clear()
            self.later_seconds = LATER_SECONDS
            self.webhooks.clear()
            self.forget()

    def mend(self) -> None:
        """Have no more calls fail."""
        with self.lock:
            self._faults.clear()

    def fail_next(self, count: int, fault: Fault, *, after: int = 0) -> None:
        """Ask for a fault of the next `count` calls, once `after` calls went well and earlier faults are over."""
        with self.lock:
            self._faults.extend([None] * after + [fault] * count)

    def next_fault(self) -> Fault | None:
        with self.lock:
            return self._faults.popleft() if self._faults else None

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        """Act after so many seconds, unless the stand-in is stopped or cleared before."""
        timer = threading.Timer(seconds, act)
        timer.daemon = True
        with self.lock:
            self._timers = [each for each in self._timers if each.is_alive()] + [timer]
            timer.start()

    def cancel_timers(self) -> None:
        """Drop what was to be done later."""
        with self.lock:
            for timer in self._timers:
                timer.cancel()
            self._timers.clear()

    def wait_for_nothing(self) -> None:
        """Wait until any client of ours has gone, or until the stop."""
        self._stopping.wait(TIMEOUT_SECONDS)


class VendorHandler(Handler, ABC):
    """One call. A subclass says who may call, what is done, and how an error is written."""

    stand_in: Any

    def is_for_operators(self) -> bool:
        """True for a page or a command that the real vendor has elsewhere, if at all."""
        return not self.target_path.startswith("/v1/")

    @abstractmethod
    def authorised(self) -> bool:
        """True when the call shows the right key."""

    @abstractmethod
    def done(self, asked: Mapping[str, Any]) -> Answered:
        """Do what is asked and return the answer. Raises VendorError."""

    def operate(self, raw: bytes) -> None:
        """Answer a call of an operator."""
        del raw
        self.answer_json(HTTPStatus.NOT_FOUND, {"error": "there is no such page"})

    def error_body(self, status: int, code: str) -> Mapping[str, Any]:
        """The body of an error in the vendor's shape."""
        del status
        return {"error": {"code": code, "message": code.replace("_", " ")}}

    def own_fault(self, asked: Mapping[str, Any]) -> Fault | None:
        """The fault that the call itself asks for, by a card's token, say."""
        del asked
        return None

    def do_GET(self) -> None:  # noqa: N802 - the name is the base class's
        self._serve()

    def do_POST(self) -> None:  # noqa: N802 - the name is the base class's
        self._serve()

    def _serve(self) -> None:
        raw = self.body()
        if self.is_for_operators():
            self.operate(raw)
            return
        try:
            asked = _object(raw)
            fault = self._refusal() or self.stand_in.next_fault() or self.own_fault(asked)
            if fault is None:
                self.answer_json(*self.done(asked))
                return
            if fault is Fault.DONE_LATER:
                self.stand_in.later(self.stand_in.later_seconds, functools.partial(self._do, asked))
            elif fault in DONE:
                self._do(asked)
            self._fail(fault)
        except VendorError as error:
            self.answer_json(error.status, self.error_body(error.status, error.code))

    def _refusal(self) -> Fault | None:
        return None if self.authorised() else Fault.UNAUTHORIZED

    def _do(self, asked: Mapping[str, Any]) -> None:
        """Do what is asked; nobody is told how it went."""
        try:
            self.done(asked)
        except VendorError:
            return

    def _fail(self, fault: Fault) -> None:
        if fault in PAGES:
            self.answer(PAGES[fault], PAGE, "text/html")
        elif fault in STATUSES:
            status = STATUSES[fault]
            headers = {"retry-after": "7"} if fault is Fault.TOO_MANY_REQUESTS else {}
            self.answer_json(status, self.error_body(status, fault.name.lower()), headers)
        else:
            self.close_connection = True
            if fault in (Fault.TIMEOUT, Fault.DONE_TIMEOUT):
                self.stand_in.wait_for_nothing()


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw or b"{}")
    except ValueError:
        raise VendorError(HTTPStatus.BAD_REQUEST, "no_json") from None
    if not isinstance(value, dict):
        raise VendorError(HTTPStatus.BAD_REQUEST, "no_object")
    return value
