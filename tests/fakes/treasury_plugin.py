"""Gives a test of reconciliation and snapshots a `two_nodes`: the chain of `payout_driver` as two nodes tell it; and
`source`, the chain from which treasuries are topped up.
"""

import pytest

from shared.ports import stargate
from shared.ports.polygon import nodes
from tests.fakes.bridge import FakeSource
from tests.fakes.nodes import FakeNodes
from tests.fakes.payout_driver import PayoutDriver

pytest_plugins = ["tests.fakes.payout_plugin"]


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> FakeSource:
    """The source chain of top-ups."""
    made = FakeSource()
    monkeypatch.setattr(stargate, "connect", lambda: made.bridge)
    return made


@pytest.fixture
def two_nodes(payout_driver: PayoutDriver, source: FakeSource, monkeypatch: pytest.MonkeyPatch) -> FakeNodes:
    """Two nodes; whatever the treasury was minted has come to it in the first block."""
    assert source
    made = FakeNodes(payout_driver.chain)
    monkeypatch.setattr(nodes, "connect", lambda: made.port)
    return made
