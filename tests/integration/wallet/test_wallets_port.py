"""The light port to the nodes: one batch each, and whatever is wrong with an answer means that nothing is known."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from emulators.http_server import Handler, HttpServer
from shared.ports.polygon import rpc
from shared.ports.polygon.failures import ChainUnreachable, NodesDiffer
from shared.ports.polygon.wallets import Balance, SentTransaction, Wallets
from tests.fakes.wallet_driver import RECIPIENT
from tests.platform import NO_NODE, USDT

SENDER = "0x52908400098527886E0F7030069857D2E4169EE7"
ANSWERS: dict[str, Any] = {
    "eth_chainId": "0x89",
    "eth_blockNumber": "0x64",
    "eth_getBalance": "0xde0b6b3a7640000",
    "eth_getTransactionCount": "0x7",
    "eth_getBlockByNumber": {"baseFeePerGas": "0x6fc23ac00"},
    "eth_maxPriorityFeePerGas": "0x6fc23ac00",
    "balance": "0x" + f"{5_000_000:064x}",
    "blocked": "0x" + "0" * 64,
}


@dataclass
class Node:
    """Answers from a table; `whole` replaces the body, `calls` are the batches that came."""

    answers: dict[str, Any] = field(default_factory=lambda: dict(ANSWERS))
    whole: Callable[[list[dict[str, Any]]], bytes] | None = None
    calls: list[list[dict[str, Any]]] = field(default_factory=list)

    def body(self, batch: list[dict[str, Any]]) -> bytes:
        self.calls.append(batch)
        if self.whole:
            return self.whole(batch)
        told = [{"jsonrpc": "2.0", "id": call["id"], "result": self.answers[_name(call)]} for call in batch]
        return json.dumps(told[::-1]).encode()  # in any order, as the specification allows


def _name(call: dict[str, Any]) -> str:
    if call["method"] != "eth_call":
        return str(call["method"])
    return "balance" if call["params"][0]["data"].startswith("0x70a08231") else "blocked"


class _NodeHandler(Handler):
    node: Node

    def do_POST(self) -> None:  # noqa: N802 - the name is the base class's
        self.answer(200, self.node.body(json.loads(self.body())), "application/json")


@pytest.fixture
def both() -> Iterator[tuple[Node, Node, Wallets]]:
    made = (Node(), Node())
    with ExitStack() as stop:
        urls = []
        for node in made:
            server = HttpServer(type("BoundNodeHandler", (_NodeHandler,), {"node": node}))
            server.start()
            stop.callback(server.stop)
            urls.append(server.url)
        yield *made, Wallets([rpc.Node(url) for url in urls])


def test_of_two_nodes_the_more_careful_answer_counts(both: tuple[Node, Node, Wallets]) -> None:
    first, second, wallets = both
    second.answers |= {
        "eth_blockNumber": "0x60", "eth_getBalance": "0x1", "eth_getTransactionCount": "0x9",
        "eth_getBlockByNumber": {"baseFeePerGas": "0x77359400000"}, "balance": "0x" + f"{4_000_000:064x}",
        "blocked": "0x" + f"{1:064x}",
    }  # fmt: skip
    found = wallets.outlook(USDT, SENDER, RECIPIENT)

    assert (found.block_number, found.balance_micro, found.gas_wei, found.next_nonce) == (0x60, 4_000_000, 1, 9)
    assert (found.base_fee_wei, found.sender_blocked, found.recipient_blocked) == (0x77359400000, True, True)
    assert [len(first.calls), len(second.calls)] == [1, 1]


def test_a_balance_is_read_at_a_block_that_every_node_has(both: tuple[Node, Node, Wallets]) -> None:
    first, second, wallets = both
    second.answers["eth_blockNumber"] = "0x60"

    assert wallets.balance(USDT, SENDER) == Balance(5_000_000, 0x60)
    assert [batch[0]["params"][1] for node in (first, second) for batch in node.calls[1:]] == ["0x60", "0x60"]


def test_nodes_that_differ_are_not_believed(both: tuple[Node, Node, Wallets]) -> None:
    _, second, wallets = both
    second.answers["balance"] = "0x" + f"{6_000_000:064x}"
    with pytest.raises(NodesDiffer, match="differ"):
        wallets.balance(USDT, SENDER)
    second.answers["eth_chainId"] = "0x1"
    with pytest.raises(NodesDiffer, match="chains"):
        wallets.outlook(USDT, SENDER, RECIPIENT)


def test_nonsense_is_no_answer(both: tuple[Node, Node, Wallets]) -> None:
    _, second, wallets = both
    error = {"jsonrpc": "2.0", "id": 0, "error": {"code": -32603, "message": "Internal error"}}
    bodies = {
        "a page": b"<html><h1>502 Bad Gateway</h1></html>",
        "nothing": b"",
        "half": b'[{"jsonrpc"',
        "null": b"null",
        "one error for all": json.dumps(error).encode(),
        "an error in the list": json.dumps([error]).encode(),
        "an empty list": b"[]",
        "null as a result": json.dumps([{"id": number, "result": None} for number in range(9)]).encode(),
        "words as a result": json.dumps([{"id": number, "result": "0xwords"} for number in range(9)]).encode(),
        "no block": json.dumps([{"id": number, "result": "0x1"} for number in range(9)]).encode(),
    }
    for name, body in bodies.items():
        second.whole = lambda _, body=body: body
        with pytest.raises(ChainUnreachable):
            wallets.outlook(USDT, SENDER, RECIPIENT)
        assert second.calls, name


SENT = {
    "from": SENDER, "nonce": "0x7", "to": USDT, "value": "0x0", "input": "0xa9059cbb", "gas": "0x1", "type": "0x0",
    "blockNumber": None,
}  # fmt: skip
HASH = "0x" + "ab" * 32


def test_a_sent_transaction_is_what_every_node_says_but_for_its_fees(both: tuple[Node, Node, Wallets]) -> None:
    first, second, wallets = both
    first.answers["eth_getTransactionByHash"] = SENT
    second.answers["eth_getTransactionByHash"] = SENT | {"gas": "0x2", "blockNumber": "0x64", "to": USDT.lower()}

    found = wallets.sent(HASH)

    data = bytes.fromhex("a9059cbb")
    assert found == SentTransaction(137, SENDER.lower(), 7, USDT.lower(), 0, data)
    assert [node.calls[0][1]["params"] for node in (first, second)] == [[HASH], [HASH]]
    second.answers["eth_getTransactionByHash"] = SENT | {"to": None}
    with pytest.raises(NodesDiffer, match="different stories"):
        wallets.sent(HASH)


def test_a_transaction_that_a_node_has_not_heard_of_is_not_there(both: tuple[Node, Node, Wallets]) -> None:
    first, second, wallets = both
    first.answers["eth_getTransactionByHash"], second.answers["eth_getTransactionByHash"] = SENT, None
    assert wallets.sent(HASH) is None


@pytest.mark.parametrize("lie", [7, "0x1", [], {}, SENT | {"nonce": "many"}, SENT | {"input": "0xgg"}])
def test_nonsense_is_no_transaction(both: tuple[Node, Node, Wallets], lie: object) -> None:
    for node in both[:2]:
        node.answers["eth_getTransactionByHash"] = lie
    with pytest.raises(ChainUnreachable):
        both[2].sent(HASH)


def test_a_node_that_is_not_there_is_silent() -> None:
    with pytest.raises(ChainUnreachable):
        Wallets([rpc.Node(NO_NODE)]).balance(USDT, SENDER)
