"""A loopback HTTP server that starts in a thread and stops within a bound, even if its clients hang."""

import json
import logging
import socket
import ssl
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

STOP_SECONDS_MAX = 2.0
IDLE_SECONDS_MAX = 60.0
POLL_SECONDS = 0.02
READ_BYTES = 256 * 1024

log = logging.getLogger(__name__)


class HttpServer(ThreadingHTTPServer):
    """Serves one handler class on a free port from a daemon thread; each connection has a daemon thread of its own."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(POLL_SECONDS,), daemon=True)

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.server_port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        with self._lock:
            for connection in self._open:
                _hang_up(connection)
        self._thread.join(STOP_SECONDS_MAX)

    def get_request(self) -> tuple[Any, Any]:
        """Take a connection. Its TLS handshake follows with the first read, in the connection's own thread."""
        connection, address = super().get_request()
        if self._tls:
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log an error of the emulator; a client that went away is not one."""
        del request, client_address
        error = sys.exception()
        if not isinstance(error, OSError):
            log.error("an emulator failed to answer: %s", "".join(traceback.format_exception(error)))


class Handler(BaseHTTPRequestHandler):
    """One request: its target in parts, its body within a bound, and answers that keep the connection usable."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS_MAX
    wbufsize = -1
    disable_nagle_algorithm = True

    def parse_request(self) -> bool:
        parsed = super().parse_request()
        if parsed:
            target = urlsplit(self.path)
            self.target_path = target.path
            self.query = dict(parse_qsl(target.query, keep_blank_values=True))
            self.body_left = int(self.headers.get("content-length") or 0)
        return parsed

    def body_pieces(self) -> Iterator[bytes]:
        """The body as it arrives, in pieces of at most READ_BYTES."""
        while self.body_left > 0:
            piece = self.rfile.read(min(READ_BYTES, self.body_left))
            if not piece:
                raise ConnectionResetError("the body ended early")
            self.body_left -= len(piece)
            yield piece

    def body(self) -> bytes:
        return b"".join(self.body_pieces())

    def answer(
        self, status: int, content: bytes = b"", content_type: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_head(status, len(content), content_type, headers)
        if self.command != "HEAD":
            self.wfile.write(content)

    def answer_json(self, status: int, value: object, headers: Mapping[str, str] | None = None) -> None:
        self.answer(status, json.dumps(value).encode(), "application/json", headers)

    def send_head(
        self, status: int, content_bytes: int, content_type: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        """Send status line and headers; closes the connection if the body was not read, as it would seem a request."""
        self.send_response(status, _phrase(status))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if content_type:
            self.send_header("content-type", content_type)
        self.send_header("content-length", str(content_bytes))
        if self.body_left > 0:
            self.send_header("connection", "close")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Does nothing: requests carry bodies, keys and addresses that must not be logged."""


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it was closed already


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
