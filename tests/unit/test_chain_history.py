"""The transactions of an address are found by the logs, blocks and receipts of nodes, and only those asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.ports.polygon.chain import Chain, NonceUse
from shared.ports.polygon.failures import ChainUnreachable, TooMuch
from shared.ports.polygon.questions import COIN, FEE_TOPIC, TRANSFER_TOPIC, padded
from shared.ports.polygon.rpc import Call, Node, RpcError

HASH = "0x" + "ab" * 32
BLOCK_HASH = "0x" + "01" * 32
TOKEN = "0x" + "cc" * 20
KEY = "0x" + "Ee" * 20
SOMEBODY = "0x" + "dd" * 20
BLOCK = 50


def transaction(**other: object) -> dict[str, Any]:
    made = {"hash": HASH, "from": KEY.lower(), "to": TOKEN, "nonce": "0x3", "gas": "0x5", "gasPrice": "0x7"}
    return made | other


def receipt(**other: object) -> dict[str, Any]:
    made = {"transactionHash": HASH, "blockNumber": hex(BLOCK), "blockHash": BLOCK_HASH, "status": "0x1", "logs": []}
    return made | other


def transfer(**other: object) -> dict[str, Any]:
    topics = [TRANSFER_TOPIC, "0x" + padded(KEY), "0x" + padded(SOMEBODY)]
    made = {"address": TOKEN, "topics": topics, "data": "0x5", "blockNumber": hex(BLOCK), "transactionIndex": "0x0"}
    return made | {"transactionHash": HASH} | other


def fee(**other: object) -> dict[str, Any]:
    topics = [FEE_TOPIC, "0x" + padded(COIN), "0x" + padded(KEY), "0x" + padded(SOMEBODY)]
    return transfer(address=COIN, topics=topics) | other


@dataclass
class Stub(Node):
    """A node with one transaction in one block."""

    sent: dict[str, Any] = field(default_factory=transaction)
    logs: dict[str, Any] = field(default_factory=lambda: {TOKEN: [transfer()], COIN: []})
    by_hash: dict[str, Any] | None = field(default_factory=receipt)
    of_block: Any = field(default_factory=lambda: [receipt()])
    block_hash: str = BLOCK_HASH
    block_number: int | None = None
    blocks_max: int = 100

    def ask(self, calls: Sequence[Call]) -> list[Any]:
        return [getattr(self, method)(*parameters) for method, parameters in calls]

    def eth_getLogs(self, wanted: dict[str, Any]) -> Any:  # noqa: N802 - as the method is called
        if int(wanted["toBlock"], 16) - int(wanted["fromBlock"], 16) >= self.blocks_max:
            return RpcError("exceed maximum block range")
        return self.logs[wanted["address"]]

    def eth_getTransactionByBlockNumberAndIndex(self, _number: str, _index: str) -> Any:  # noqa: N802 - as the JSON-RPC method is called
        return self.sent

    def eth_getBlockByNumber(self, number: str, _whole: bool) -> Any:  # noqa: N802 - as the JSON-RPC method is called
        here = [self.sent] if int(number, 16) == BLOCK else []
        told = number if self.block_number is None else hex(self.block_number)
        return {"number": told, "hash": self.block_hash, "transactions": here}

    def eth_getTransactionReceipt(self, _hash: str) -> Any:  # noqa: N802 - as the JSON-RPC method is called
        return self.by_hash

    def eth_getBlockReceipts(self, _number: str) -> Any:  # noqa: N802 - as the JSON-RPC method is called
        return self.of_block


USE = NonceUse(3, HASH, BLOCK)


def by_logs(*nodes: Node) -> set[NonceUse]:
    return Chain(nodes).sent_by_logs(TOKEN, KEY, BLOCK - 10, BLOCK + 10)


def test_a_transaction_is_met_by_a_log_of_the_token_or_of_its_fee_at_any_node() -> None:
    assert by_logs(Stub()) == {USE}
    assert by_logs(Stub(logs={TOKEN: [], COIN: [fee()]})) == {USE}
    assert by_logs(Stub(logs={TOKEN: [], COIN: []}), Stub()) == {USE}
    assert by_logs(Stub(logs={TOKEN: [], COIN: []})) == set()


def test_a_transfer_from_the_key_in_somebody_elses_transaction_used_none_of_its_nonces() -> None:
    assert by_logs(Stub(sent=transaction(**{"from": SOMEBODY}))) == set()


@pytest.mark.parametrize(
    "log",
    [
        transfer(address=SOMEBODY),
        transfer(blockNumber=hex(BLOCK + 11)),
        transfer(topics=[TRANSFER_TOPIC, "0x" + padded(SOMEBODY), "0x" + padded(KEY)]),
        RpcError("internal"),
        {},
    ],
    ids=["another token", "another block", "another sender", "an error", "nothing"],
)
def test_a_log_that_was_not_asked_for_is_no_answer(log: Any) -> None:
    with pytest.raises(ChainUnreachable):
        by_logs(Stub(logs={TOKEN: [log], COIN: []}))


@pytest.mark.parametrize("told", [{}, "", "0x", 7, None])
def test_what_is_no_list_is_not_taken_for_no_logs(told: Any) -> None:
    with pytest.raises(ChainUnreachable):
        by_logs(Stub(logs={TOKEN: told, COIN: []}))


def test_too_many_blocks_at_once_are_refused_and_not_silence() -> None:
    with pytest.raises(TooMuch, match="range"):
        Chain([Stub(blocks_max=5)]).sent_by_logs(TOKEN, KEY, 1, 6)


def test_whole_blocks_tell_of_every_transaction_of_the_key() -> None:
    assert Chain([Stub()]).sent_in(KEY, BLOCK - 1, BLOCK + 1) == {USE}
    assert Chain([Stub()]).sent_in(SOMEBODY, BLOCK - 1, BLOCK + 1) == set()


def test_another_block_than_the_one_that_was_asked_for_is_no_answer() -> None:
    for ask in (
        lambda nodes: Chain(nodes).sent_in(KEY, BLOCK, BLOCK),
        lambda nodes: Chain(nodes).transaction_of(KEY, 3, BLOCK),
    ):
        with pytest.raises(ChainUnreachable):
            ask([Stub(block_number=BLOCK - 1)])


def test_an_absurd_nonce_is_no_answer() -> None:
    with pytest.raises(ChainUnreachable):
        by_logs(Stub(sent=transaction(nonce=hex(2**64))))


def test_what_used_a_nonce_is_known_when_every_node_tells_the_same() -> None:
    found = Chain([Stub(), Stub()]).transaction_of(KEY, 3, BLOCK)

    assert found
    assert (found.hash, found.nonce, found.gas_limit, found.receipt.block_hash) == (HASH, 3, 5, BLOCK_HASH)
    for other in (
        Stub(by_hash=receipt(status="0x0")),
        Stub(sent=transaction(nonce="0x4")),
        Stub(block_hash="0x" + "02" * 32),
        Stub(by_hash=None, of_block=None),
    ):
        assert Chain([Stub(), other]).transaction_of(KEY, 3, BLOCK) is None


def test_a_receipt_is_found_in_its_block_when_the_node_has_forgotten_the_hash() -> None:
    assert Chain([Stub(), Stub(by_hash=None)]).transaction_of(KEY, 3, BLOCK)


def test_a_receipt_of_another_transaction_is_none_of_this() -> None:
    with pytest.raises(ChainUnreachable):
        Chain([Stub(by_hash=receipt(transactionHash="0x" + "ba" * 32))]).transaction_of(KEY, 3, BLOCK)
