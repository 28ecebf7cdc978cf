"""An error of a node never has the provider's key in it: events, logs and admins show it."""

import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from shared.ports.polygon.rpc import Call, ChainUnreachable, Node

CALL: Call = ("eth_chainId", [])


class _Refusing(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the requests out of the test's output."""


@pytest.fixture
def refusing() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), _Refusing)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def told_of(url: str) -> str:
    with pytest.raises(ChainUnreachable) as raised:
        Node(url).ask([CALL])
    return "".join(traceback.format_exception(raised.value))


def test_the_key_is_not_told_when_nobody_listens() -> None:
    told = told_of("http://name:word@127.0.0.1:1/v2/key-in-path?key=key-in-query")
    assert "127.0.0.1" in told
    assert not [secret for secret in ("word@", "key-in-path", "key-in-query") if secret in told]


def test_the_key_is_not_told_when_the_provider_refuses(refusing: int) -> None:
    told = told_of(f"http://127.0.0.1:{refusing}/v2/key-in-path?key=key-in-query")
    assert "403" in told
    assert not [secret for secret in ("key-in-path", "key-in-query") if secret in told]
