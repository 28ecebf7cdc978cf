"""Gives a test of reconciliation and snapshots a `two_nodes`: the payout desk's chain as two nodes tell it."""

import pytest

from shared.ports.polygon import nodes
from tests.fakes.nodes import FakeNodes
from tests.fakes.payout_desk import Desk

pytest_plugins = ["tests.fakes.payout_plugin"]


@pytest.fixture
def two_nodes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> FakeNodes:
    """Two nodes; whatever the treasury was minted has come to it in the first block."""
    made = FakeNodes(desk.chain)
    monkeypatch.setattr(nodes, "connect", lambda: made.port)
    return made
