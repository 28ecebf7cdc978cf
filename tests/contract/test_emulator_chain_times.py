"""The port tells the age of a node's newest and newest finalized block."""

from datetime import UTC, datetime, timedelta

import pytest

from emulators.chain.node import ChainNode
from shared import config
from shared.ports.polygon import chain


def test_of_two_nodes_the_one_that_lags_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [ChainNode(block_time_seconds=None), ChainNode(block_time_seconds=None)]
    start = int(datetime.now(UTC).timestamp()) + 100
    try:
        for node, ahead in zip(nodes, (0, 1000), strict=True):
            node.start()
            for block in range(4):
                node.rpc("evm_setNextBlockTimestamp", [start + ahead + 10 * block])
                node.mine()
        monkeypatch.setenv("RPC_URLS", ",".join(node.url for node in nodes))
        config.read.cache_clear()
        chain.connect.cache_clear()

        times = chain.connect().block_times()
    finally:
        for node in nodes:
            node.stop()
        config.read.cache_clear()
        chain.connect.cache_clear()

    newest = datetime.fromtimestamp(start + 30, UTC)
    assert (times.latest, times.finalized) == (newest, newest - timedelta(seconds=20))
