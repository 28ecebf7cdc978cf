"""Gives a test of reconciliation and snapshots a `two_nodes`: the chain of `payout_driver` as two nodes tell it."""

import pytest

from shared.ports.polygon import nodes
from tests.fakes.nodes import FakeNodes
from tests.fakes.payout_driver import PayoutDriver

pytest_plugins = ["tests.fakes.payout_plugin"]


@pytest.fixture
def two_nodes(payout_driver: PayoutDriver, monkeypatch: pytest.MonkeyPatch) -> FakeNodes:
    """Two nodes; whatever the treasury was minted has come to it in the first block."""
    made = FakeNodes(payout_driver.chain)
    monkeypatch.setattr(nodes, "connect", lambda: made.port)
    return made
