"""The read-only port speaks to a real node, and takes no nonsense for an answer."""

import json
from collections.abc import Iterator

import pytest
from eth_account import Account

from emulators.chain.node import ChainNode
from shared.ports.polygon.failures import TooMuch, WrongChain
from shared.ports.polygon.nodes import Holding, Nodes
from shared.ports.polygon.rpc import Node
from tests.fakes.pages import web_page

OWNER_NOTHING = "0x3333333333333333333333333333333333333333"
TREASURY = "0x4444444444444444444444444444444444444444"
WALLET = "0x5555555555555555555555555555555555555555"


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
    with pytest.raises(WrongChain, match="137"):
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


def test_a_token_that_looks_alike_and_a_transfer_of_zero_are_no_money(chain: ChainNode, nodes: Nodes) -> None:
    ours, stranger = chain.usdt, Account.create()
    alike = chain.deploy_usdt()  # the same code, name and symbol at another address
    chain.mint(WALLET, 500_000_000)
    chain.usdt = ours
    chain.fund_gas(stranger.address, 10**18)
    chain.send_usdt(stranger, WALLET, 0)
    chain.mine()
    chain.mint(WALLET, 3_000_000)
    head = chain.head()

    assert [it.amount_micro for it in chain.transfers() if it.recipient == WALLET] == [0, 3_000_000]
    for recipient in (WALLET, None):
        found = nodes.movements(ours, recipient=recipient, first=0, last=head)
        assert [it.amount_micro for it in found if it.recipient == WALLET] == [3_000_000]
    assert [it.amount_micro for it in nodes.movements(alike, first=0, last=head)] == [500_000_000]


def test_a_node_that_is_away_is_part_of_the_answer(chain: ChainNode) -> None:
    look = Nodes([Node(chain.url), Node("http://127.0.0.1:9")]).look(chain.usdt, [TREASURY])

    assert (look.block, look.agreed) == (None, None)
    assert look.views[0].holdings
    assert look.views[1].fault


def test_a_refusal_is_told_from_silence() -> None:
    refusal = [
        {"jsonrpc": "2.0", "id": 0, "error": {"code": -32005, "message": "query returned more than 10000 results"}}
    ]
    with web_page(200, json.dumps(refusal).encode()) as url, pytest.raises(TooMuch, match="more than 10000"):
        Nodes([Node(url)]).movements(TREASURY, sender=TREASURY, first=0, last=9)
