"""A web server whose every answer is the same page, whatever was asked."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing of a connection that whoever asks has ended."""


@contextmanager
def web_page(
    status: int, body: bytes, *, seconds: float = 0.0, connections: list[object] | None = None
) -> Iterator[str]:
    """Serve this page; its pieces come one after another over so many seconds. Notes each connection that is made."""

    class Page(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            if connections is not None:
                connections.append(self.client_address)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(OSError):  # whoever asks does not wait for all of it
                for piece in _pieces(body, 10 if seconds else 1):
                    self.wfile.write(piece)
                    sleep(seconds / 10)

        def log_message(self, *_: object) -> None: ...

    server = _Server(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _pieces(body: bytes, number: int) -> Sequence[bytes]:
    size = max(1, -(-len(body) // number))
    return [body[start : start + size] for start in range(0, len(body), size)]
