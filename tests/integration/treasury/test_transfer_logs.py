"""A treasury's logs are read with few questions, since each costs an answer of every node."""

from collections import Counter

from shared import db
from shared.payouts import transfer_logs, treasuries
from tests.fakes.nodes import FakeNodes

pytest_plugins = ["tests.fakes.payout_plugin", "tests.fakes.treasury_plugin"]


def test_each_node_is_asked_once_for_the_last_block_of_a_range(two_nodes: FakeNodes) -> None:
    two_nodes.finish()
    last = two_nodes.port.finalized().number
    key = db.atomically(treasuries.keys)[0]
    two_nodes.questions.clear()

    assert transfer_logs.read_up_to(key, last, two_nodes.port) is None

    assert Counter(two_nodes.questions) == {"eth_getLogs": 2 * 2, "eth_getBlockByNumber": 2}
