"""An HTTP endpoint for deliveries: it stores what it receives and answers as it is told."""

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message as Headers
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

WAIT_SECONDS_MAX = 10.0
HANG_UP = 0  # instead of a status: the connection ends without an answer


@dataclass(frozen=True)
class Received:
    """One request; `at` is in monotonic seconds."""

    at: float
    method: str
    path: str
    headers: Headers
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document


@dataclass
class Endpoint:
    """The endpoint, a context manager; `answer` gives the status for a request and may take its time."""

    answer: Callable[[Received], int] = lambda _: 204
    received: list[Received] = field(default_factory=list)
    answering: int = 0
    answering_most: int = 0
    url: str = ""

    def __enter__(self) -> Self:
        self._changed = threading.Condition()
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait_for(self, count: int, seconds_max: float = WAIT_SECONDS_MAX) -> list[Received]:
        """All requests, once there are at least `count`."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.received) >= count, seconds_max):
                raise TimeoutError(f"{len(self.received)} of {count} requests came within {seconds_max} s")
            return list(self.received)

    def handle(self, method: str, path: str, headers: Headers, body: bytes) -> int:
        request = Received(time.monotonic(), method, path, headers, body)
        with self._changed:
            self.received.append(request)
            self.answering += 1
            self.answering_most = max(self.answering_most, self.answering)
            self._changed.notify_all()
        try:
            return self.answer(request)
        finally:
            with self._changed:
                self.answering -= 1


def in_turn(*statuses: int) -> Callable[[Received], int]:
    """An `answer` that gives the statuses one after the other, and the last one for ever."""
    left = list(statuses)
    lock = threading.Lock()

    def answer(_: Received) -> int:
        with lock:
            return left.pop(0) if len(left) > 1 else left[0]

    return answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.endpoint = endpoint

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a sender that hangs up, which is the subject of some tests."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        status = self.server.endpoint.handle(self.command, self.path, self.headers, body)
        if status == HANG_UP:
            self.close_connection = True
            return
        try:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
        except OSError:
            self.close_connection = True  # the sender has given up

    do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Write no log line."""
