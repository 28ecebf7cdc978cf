"""The one way to ask a node: over either carrier, whatever is not one answer to each call is no answer at all."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from shared.ports.polygon import rpc
from shared.ports.polygon.by_web3 import KeptOpen
from shared.ports.polygon.failures import ChainUnreachable, NodeRefused, TooMuch
from shared.ports.polygon.rpc import Call, Carrier, Node, RpcError, by_urllib, within
from tests.fakes.pages import web_page

ASKED: list[Call] = [("eth_chainId", []), ("eth_blockNumber", [])]
carriers = pytest.mark.parametrize("carrier", [lambda: by_urllib, KeptOpen], ids=["urllib", "web3"])
MakesCarrier = Callable[[], Carrier]


def batch(*answers: dict[str, Any]) -> bytes:
    return json.dumps([{"jsonrpc": "2.0"} | answer for answer in answers]).encode()


ONE, TWO = {"id": 0, "result": "0x1"}, {"id": 1, "result": "0x2"}
REFUSED = {"id": 1, "error": {"code": -32005, "message": "more than 10000 results"}}


@carriers
def test_answers_in_any_order_are_those_of_their_calls(carrier: MakesCarrier) -> None:
    with web_page(200, batch(TWO, ONE)) as url:
        node = Node(url, carrier())
        assert [node.ask(ASKED) for _ in range(2)] == [["0x1", "0x2"]] * 2
        assert node.results(ASKED) == ["0x1", "0x2"]


@carriers
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (502, b"<html>Bad Gateway</html>"),
        (502, batch(ONE, TWO)),
        (200, b""),
        (200, b"null"),
        (200, b"7"),
        (200, b"[" * 100_000),
        (200, b"\xff\xfe"),
        (200, batch(ONE, TWO)[:-9]),
        (200, b'{"jsonrpc": "2.0", "id": null, "error": {"code": -32603, "message": "internal"}}'),
        (200, batch(ONE)),
        (200, batch(ONE, ONE)),
        (200, batch(ONE, TWO, TWO)),
        (200, batch({"id": 7, "result": "0x1"}, {"id": 8, "result": "0x2"})),
        (200, batch({"id": "0", "result": "0x1"}, {"id": "1", "result": "0x2"})),
        (200, batch({"id": 0}, TWO)),
        (200, b'[7, {"jsonrpc": "2.0", "id": 1, "result": "0x2"}]'),
    ],
)
@pytest.mark.filterwarnings("ignore:Received batch response with missing:RuntimeWarning")
def test_what_is_no_answer_to_each_call_is_silence(carrier: MakesCarrier, status: int, body: bytes) -> None:
    with web_page(status, body) as url, pytest.raises(ChainUnreachable) as raised:
        Node(url, carrier()).ask(ASKED)
    assert not isinstance(raised.value, NodeRefused)


@carriers
def test_a_refusal_is_told_from_silence(carrier: MakesCarrier) -> None:
    with web_page(200, batch(ONE, REFUSED)) as url:
        node = Node(url, carrier())
        assert node.ask(ASKED) == ["0x1", RpcError("more than 10000 results")]
        for kind in (NodeRefused, TooMuch):
            with pytest.raises(kind, match="more than 10000"):
                node.results(ASKED, kind)


@carriers
def test_nothing_found_is_an_answer_only_where_it_may_be_one(carrier: MakesCarrier) -> None:
    with web_page(200, batch(ONE, {"id": 1, "result": None})) as url:
        node = Node(url, carrier())
        assert node.ask(ASKED) == ["0x1", None]
        with pytest.raises(ChainUnreachable, match="empty"):
            node.results(ASKED)


@carriers
def test_an_answer_that_does_not_end_is_not_read_to_its_end(
    carrier: MakesCarrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc, "ANSWER_BYTES_MAX", 50_000)
    with (
        web_page(200, batch(ONE, {"id": 1, "result": "0x" + "1" * 50_000})) as url,
        pytest.raises(ChainUnreachable, match="more than 50000 bytes"),
    ):
        Node(url, carrier()).ask(ASKED)


@carriers
def test_a_time_limit_is_for_all_questions_and_for_an_answer_that_drips(carrier: MakesCarrier) -> None:
    with web_page(200, batch(ONE, TWO), seconds=6.0) as url:
        node = Node(url, carrier())
        started = time.monotonic()
        with within(0.7):
            for _ in range(3):
                with pytest.raises(ChainUnreachable):
                    node.ask(ASKED)
        assert time.monotonic() - started < 3.0


def test_web3_keeps_a_connection_open_from_one_request_to_the_next() -> None:
    for carrier, opened in ((KeptOpen(), 1), (by_urllib, 3)):
        connections: list[object] = []
        with web_page(200, batch(ONE, TWO), connections=connections) as url:
            node = Node(url, carrier)
            for _ in range(3):
                node.ask(ASKED)
        assert len(connections) == opened
