"""Two nodes are asked everything: where they differ nothing is taken for true, and one that lags is only waited for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.ports.polygon.chain import DEEP_BLOCKS, Chain, Heads, SendOutcome
from shared.ports.polygon.failures import ChainUnreachable, StateGone, WrongChain
from shared.ports.polygon.rpc import Call, Node, RpcError

HASH = "0x" + "ab" * 32
BLOCK_HASH = "0x" + "01" * 32
OTHER_HASH = "0x" + "02" * 32
TOKEN = "0x" + "cc" * 20
BLOCK = 50


def mined(**other: object) -> dict[str, Any]:
    made = {"transactionHash": HASH, "blockNumber": hex(BLOCK), "blockHash": BLOCK_HASH, "status": "0x1", "logs": []}
    return made | other


@dataclass
class Stub(Node):
    """A node whose answers a test holds in its hand."""

    head: int = 70
    finalized: int = 66
    lag: int = 8
    receipt: dict[str, Any] | None = field(default_factory=mined)
    block_hash: str = BLOCK_HASH
    answers: dict[str, Any] = field(default_factory=dict)

    def ask(self, calls: Sequence[Call]) -> list[Any]:
        return [self._answer(method, parameters) for method, parameters in calls]

    def _answer(self, method: str, parameters: list[Any]) -> Any:
        if method in self.answers:
            return self.answers[method]
        answers: dict[str, Callable[[], Any]] = {
            "eth_blockNumber": lambda: hex(self.head),
            "eth_getBlockByNumber": lambda: self._block(str(parameters[0])),
            "eth_getTransactionReceipt": lambda: self.receipt,
        }
        return answers[method]()

    def _block(self, tag: str) -> dict[str, str] | None:
        number = {"latest": self.head, "finalized": self.finalized}.get(tag) or int(tag, 16)
        moment = 1_000 - (self.lag if tag == "finalized" else 0)
        if number > self.head:
            return None
        return {"number": hex(number), "hash": self.block_hash, "timestamp": hex(moment)}


def test_what_both_have_is_there_with_the_lower_heads_and_the_longer_lag() -> None:
    look = Chain([Stub(), Stub(head=68, finalized=60, lag=90)]).observe([HASH])

    assert look.receipts[HASH].block_number == BLOCK
    assert look.heads == Heads(68, 60, 90)
    assert not look.disputed


@pytest.mark.parametrize(
    "second",
    [
        Stub(receipt=None),
        Stub(receipt=mined(blockHash=OTHER_HASH)),
        Stub(receipt=mined(status="0x0")),
        Stub(block_hash=OTHER_HASH),
    ],
    ids=["no receipt", "another block", "another end", "another chain"],
)
def test_where_they_differ_nothing_is_there_and_it_is_a_dispute(second: Stub) -> None:
    for nodes in ([Stub(), second], [second, Stub()]):
        look = Chain(nodes).observe([HASH])
        assert look.receipts == {}
        assert look.disputed == {HASH}


def test_a_node_that_has_not_come_so_far_is_waited_for_without_a_dispute() -> None:
    look = Chain([Stub(), Stub(head=BLOCK - 1, finalized=BLOCK - 5, receipt=None)]).observe([HASH])

    assert look.receipts == {}
    assert look.disputed == frozenset()


def test_what_nobody_has_is_nowhere() -> None:
    look = Chain([Stub(receipt=None), Stub(receipt=None)]).observe([HASH])

    assert (look.receipts, look.disputed) == ({}, frozenset())


@pytest.mark.parametrize("nonsense", [RpcError("internal"), "0x", {}, [], 7, {"blockNumber": "0x1"}])
def test_nonsense_is_no_answer(nonsense: object) -> None:
    with pytest.raises(ChainUnreachable):
        Chain([Stub(), Stub(answers={"eth_getTransactionReceipt": nonsense})]).observe([HASH])


OTHER_TRANSACTION = "0x" + "ba" * 32


def log(**other: object) -> dict[str, Any]:
    made = {"address": TOKEN, "topics": ["0x" + "1" * 64], "data": "0x", "transactionHash": HASH}
    return made | {"blockNumber": hex(BLOCK), "blockHash": BLOCK_HASH} | other


@pytest.mark.parametrize(
    "receipt",
    [
        mined(transactionHash=OTHER_TRANSACTION),
        mined(logs=[log(), log(transactionHash=OTHER_TRANSACTION)]),
        mined(logs=[log(blockNumber=hex(BLOCK + 1))]),
    ],
    ids=["of another transaction", "with its log", "with a log of another block"],
)
def test_a_receipt_that_was_not_asked_for_is_no_receipt(receipt: dict[str, Any]) -> None:
    for nodes in ([Stub(), Stub(receipt=receipt)], [Stub(receipt=receipt)] * 2):
        with pytest.raises(ChainUnreachable):
            Chain(nodes).observe([HASH])


def test_a_block_that_was_not_asked_for_is_no_block() -> None:
    class Elsewhere(Stub):
        def _block(self, tag: str) -> dict[str, str] | None:
            return super()._block(hex(BLOCK - 1) if tag == hex(BLOCK) else tag)

    with pytest.raises(ChainUnreachable):
        Chain([Stub(), Elsewhere()]).observe([HASH])


@pytest.mark.parametrize("absurd", [2**64, 2**41, 20_000])
def test_a_number_of_transactions_that_cannot_be_is_no_answer(absurd: int) -> None:
    nodes = [Stub(answers={"eth_getTransactionCount": hex(count)}) for count in (9, absurd)]

    with pytest.raises(ChainUnreachable):
        Chain(nodes).used_nonces(TOKEN)


def test_accounts_that_are_forgotten_are_no_count_and_balances_are_those_of_a_hundred_blocks_ago() -> None:
    class Full(Stub):
        def _answer(self, method: str, parameters: list[Any]) -> Any:
            at = str(parameters[-1]) if parameters else ""
            if method in ("eth_call", "eth_getTransactionCount"):
                balances = {"latest": hex(9), hex(self.head - DEEP_BLOCKS): hex(7)}
                return balances.get(at, RpcError("missing trie node 5bd5 (path ) state 0x12 is not available"))
            return super()._answer(method, parameters)

    chain = Chain([Full(head=400), Full(head=405)])

    assert chain.token_balance(TOKEN, TOKEN) == 7
    for ask in (chain.final_nonces, lambda it: chain.used_nonces_at(it, 5)):
        with pytest.raises(StateGone):
            ask(TOKEN)


def test_one_node_on_another_chain_is_one_too_many() -> None:
    with pytest.raises(WrongChain):
        Chain([Stub(answers={"eth_chainId": "0x89"}), Stub(answers={"eth_chainId": "0x13882"})]).require(137)


def test_balances_are_the_lower_used_nonces_the_higher_and_final_ones_the_lower() -> None:
    nodes = [
        Stub(answers={"eth_call": hex(count), "eth_getTransactionCount": hex(count), "eth_getBalance": hex(count)})
        for count in (7, 9)
    ]
    chain = Chain(nodes)

    assert (chain.token_balance(TOKEN, TOKEN), chain.gas_balance(TOKEN)) == (7, 7)
    assert (chain.used_nonces(TOKEN), chain.final_nonces(TOKEN)) == (9, 7)
    assert chain.blocked(TOKEN, [TOKEN]) == {TOKEN}


def test_the_best_answer_to_a_sending_counts() -> None:
    low = Stub(answers={"eth_sendRawTransaction": RpcError("nonce too low")})
    taken = Stub(answers={"eth_sendRawTransaction": HASH})

    assert [sent.outcome for sent in Chain([low, taken]).send([b"\x02", b"\x02"])] == [SendOutcome.ACCEPTED] * 2
    assert [sent.outcome for sent in Chain([low, low]).send([b"\x02"])] == [SendOutcome.NONCE_TOO_LOW]


class Token(Stub):
    """A node whose token answers paused() and isBlocked() as it is told."""

    def __init__(self, paused: object, blocked: object = "0x0") -> None:
        super().__init__()
        self.told = {"0x5c975abb": paused, "0xfbac3951": blocked}

    def _answer(self, method: str, parameters: list[Any]) -> Any:
        assert method == "eth_call"
        return self.told[parameters[0]["data"][:10]]


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([Token("0x0"), Token("0x0")], ""),
        ([Token("0x0"), Token("0x1")], "paused"),
        ([Token("0x0", "0x1"), Token("0x0")], "blocked the treasury's key"),
        ([Token(RpcError("execution reverted")), Token("0x0")], ""),  # a token that cannot be paused
        ([Token(RpcError("execution reverted"), "0x1")], "blocked the treasury's key"),
    ],
    ids=["moves", "one says paused", "one says blocked", "has no paused()", "has no paused() and blocks"],
)
def test_a_token_that_moves_nothing_is_told_by_any_node(nodes: Sequence[Node], words: str) -> None:
    reason = Chain(nodes).halted(TOKEN, TOKEN)

    assert words in reason
    assert bool(reason) == bool(words)


@pytest.mark.parametrize("told", [RpcError("header not found"), None, "0x"])
def test_no_answer_is_not_taken_for_a_token_that_moves(told: object) -> None:
    for node in (Token(told), Token("0x0", told), Token("0x0", RpcError("execution reverted"))):
        with pytest.raises(ChainUnreachable):
            Chain([node]).halted(TOKEN, TOKEN)
