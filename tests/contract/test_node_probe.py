"""A deployment asks each node for all that functions will ask: the local node can answer it, and each lack is named."""

from collections.abc import Iterator
from typing import Any

import pytest

from emulators.chain.node import CHAIN_ID, ChainNode
from shared import config
from shared.ports.polygon import node_probe
from tests.fault.rpc_proxy import Fault, RpcProxy


@pytest.fixture(scope="module")
def chain() -> Iterator[ChainNode]:
    """Some hundred blocks deep, so that the accounts of its first ones are forgotten."""
    node = ChainNode(block_time_seconds=None)
    node.start()
    node.deploy_usdt()
    node.mine(200)
    yield node
    node.stop()


@pytest.fixture
def proxy(chain: ChainNode, monkeypatch: pytest.MonkeyPatch) -> Iterator[RpcProxy]:
    made = RpcProxy(chain.url)
    made.start()
    monkeypatch.setenv("RPC_URLS", made.url)
    monkeypatch.setenv("RPC_NODES_MIN", "1")
    config.read.cache_clear()
    yield made
    made.stop()
    config.read.cache_clear()


def faults(chain: ChainNode) -> list[str]:
    return node_probe.faults(CHAIN_ID, chain.usdt)


def test_a_pruned_node_answers_everything(chain: ChainNode, proxy: RpcProxy) -> None:
    assert proxy
    assert faults(chain) == []


@pytest.mark.parametrize(
    ("method", "altered", "said"),
    [
        ("eth_chainId", "0x13882", "it is on chain 80002, CHAIN_ID is 137"),
        ("eth_call", "0x12", "it has 18 decimals"),
        ("eth_getBlockReceipts", None, "with its receipts"),
        ("eth_maxPriorityFeePerGas", "nonsense", "Fees are told"),
        ("eth_getLogs", {}, "the logs are no list"),
    ],
)
def test_what_a_node_cannot_answer_is_named(
    chain: ChainNode, proxy: RpcProxy, method: str, altered: Any, said: str
) -> None:
    proxy.altered = {method: lambda _: altered}

    (fault,) = faults(chain)

    assert fault.startswith("node 1: ")
    assert said in fault


def test_another_token_is_named(chain: ChainNode, proxy: RpcProxy) -> None:
    assert proxy
    assert any("The token is USDT" in fault for fault in node_probe.faults(CHAIN_ID, "0x" + "1" * 40))
    assert faults(chain) == []


def test_a_node_that_is_silent_and_one_that_is_missing_are_named(
    chain: ChainNode, proxy: RpcProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RPC_NODES_MIN", "2")
    config.read.cache_clear()
    proxy.always = {"eth_getLogs": Fault.PAGE_502}

    found = faults(chain)

    assert found[0] == "1 nodes are configured, RPC_NODES_MIN is 2"
    assert "Logs of many blocks" in found[1]
