"""An error of a node never has the provider's key in it: events, logs and admins show it."""

import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from shared.ports.polygon.by_web3 import KeptOpen
from shared.ports.polygon.failures import ChainUnreachable
from shared.ports.polygon.rpc import Call, Carrier, Node, by_urllib

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


@pytest.fixture(params=[lambda: by_urllib, KeptOpen], ids=["urllib", "web3"])
def carrier(request: pytest.FixtureRequest) -> Carrier:
    made: Carrier = request.param()
    return made


def told_of(url: str, carrier: Carrier) -> str:
    with pytest.raises(ChainUnreachable) as raised:
        Node(url, carrier).ask([CALL])
    return "".join(traceback.format_exception(raised.value))


def test_the_key_is_not_told_when_nobody_listens(carrier: Carrier) -> None:
    told = told_of("http://name:word@127.0.0.1:1/v2/key-in-path?key=key-in-query", carrier)
    assert "ChainUnreachable" in told
    assert not [secret for secret in ("word", "key-in-path", "key-in-query") if secret in told]


def test_the_key_is_not_told_when_the_provider_refuses(refusing: int, carrier: Carrier) -> None:
    told = told_of(f"http://127.0.0.1:{refusing}/v2/key-in-path?key=key-in-query", carrier)
    assert "403" in told
    assert not [secret for secret in ("key-in-path", "key-in-query") if secret in told]


@pytest.mark.parametrize(
    "answer",
    ["no key v2/key-in-path", [{"id": 0, "error": {"message": "no key v2/key-in-path"}}]],
    ids=["of everything", "of a call"],
)
def test_the_key_is_not_told_when_the_provider_repeats_it(answer: object) -> None:
    node = Node("https://node.example/v2/key-in-path", lambda *_: answer)
    try:
        (told,) = map(str, node.ask([CALL]))
    except ChainUnreachable as failure:
        told = str(failure)
    assert "no key …" in told
