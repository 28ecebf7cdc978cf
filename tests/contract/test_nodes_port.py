"""The read-only port speaks to a real node, and takes no nonsense for an answer."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from emulators.chain.node import ChainNode
from shared.ports.polygon.nodes import Holding, Node, NodeRefused, Nodes, NodesDiffer, NodeSilent

OWNER_NOTHING = "0x3333333333333333333333333333333333333333"
TREASURY = "0x4444444444444444444444444444444444444444"


@pytest.fixture(scope="module")
def chain() -> Iterator[ChainNode]:
    """With 70 USDT and 2 POL of a treasury's on it, some blocks deep."""
    node = ChainNode(block_time_seconds=None)
    node.start()
    node.deploy_usdt()
    node.mint(TREASURY, 50_000_000)
    node.mint(TREASURY, 20_000_000)
    node.fund_gas(TREASURY, 2 * 10**18)
    node.mine(5)
    yield node
    node.stop()


@pytest.fixture
def nodes(chain: ChainNode) -> Nodes:
    """The same node twice, as two."""
    return Nodes([Node(chain.url), Node(chain.url)])


@contextmanager
def web_page(status: int, body: bytes) -> Iterator[str]:
    """A server that answers everything with this; its address."""

    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_balances_are_read_at_one_final_block_from_every_node(chain: ChainNode, nodes: Nodes) -> None:
    look = nodes.look(chain.usdt, [TREASURY, OWNER_NOTHING])

    assert look.block
    assert look.block.number == chain.head("finalized")
    assert look.agreed == {TREASURY: Holding(70_000_000, 2 * 10**18), OWNER_NOTHING: Holding(0, 0)}
    assert [(view.number, view.latest, view.fault) for view in look.views] == [
        (1, chain.head(), None),
        (2, chain.head(), None),
    ]
    assert nodes.balance(chain.usdt, TREASURY, look.block.number) == 70_000_000
    assert nodes.gas_price_wei() > 0
    nodes.require(137)
    with pytest.raises(NodesDiffer, match="137"):
        nodes.require(1)


def test_transfers_are_read_by_direction_and_range(chain: ChainNode, nodes: Nodes) -> None:
    every = [it for it in chain.transfers() if it.recipient.lower() == TREASURY]
    head = chain.head()

    found = nodes.movements(chain.usdt, recipient=TREASURY, first=0, last=head)

    assert [(it.transaction_hash, it.log_index, it.block_number, it.amount_micro) for it in found] == [
        (it.transaction_hash, it.log_index, it.block_number, it.amount_micro) for it in every
    ]
    assert nodes.movements(chain.usdt, sender=TREASURY, first=0, last=head) == []
    last = every[-1].block_number
    assert len(nodes.movements(chain.usdt, recipient=TREASURY, first=last, last=last)) == 1


def test_a_node_that_is_away_is_part_of_the_answer(chain: ChainNode) -> None:
    look = Nodes([Node(chain.url), Node("http://127.0.0.1:9")]).look(chain.usdt, [TREASURY])

    assert (look.block, look.agreed) == (None, None)
    assert look.views[0].holdings
    assert look.views[1].fault


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (502, b"<html>Bad Gateway</html>"),
        (200, b""),
        (200, b"null"),
        (200, b'[{"jsonrpc": "2.0", "id": 0, "result": "0x1"'),
        (200, b'{"jsonrpc": "2.0", "id": null, "error": {"code": -32603, "message": "internal"}}'),
        (200, b'[{"jsonrpc": "2.0", "id": 7, "result": "0x1"}]'),
        (200, b'[{"jsonrpc": "2.0", "id": 0, "result": null}]'),
        (200, b'[{"jsonrpc": "2.0", "id": 0, "result": "many"}]'),
    ],
)
def test_what_is_no_answer_is_silence(status: int, body: bytes) -> None:
    with web_page(status, body) as url, pytest.raises(NodeSilent):
        Nodes([Node(url)]).gas_price_wei()


def test_a_refusal_is_told_from_silence() -> None:
    refusal = [
        {"jsonrpc": "2.0", "id": 0, "error": {"code": -32005, "message": "query returned more than 10000 results"}}
    ]
    with web_page(200, json.dumps(refusal).encode()) as url, pytest.raises(NodeRefused, match="more than 10000"):
        Nodes([Node(url)]).movements(TREASURY, sender=TREASURY, first=0, last=9)
