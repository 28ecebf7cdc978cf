"""Each Polygon node is looked at on its own: a real one tells how it is, and nonsense or a refusal is told as such."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from emulators.chain.node import ChainNode
from shared.ports.polygon import condition
from shared.ports.polygon.rpc import Node
from shared.values.incidents import NodeCondition
from tests.fakes.pages import web_page

HASH = f"0x{'a' * 64}"
AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOT_SERVED = {"error": {"code": -32601, "message": "the method does not exist/is not available"}}


def block(number: int, at: datetime = AT) -> dict[str, str]:
    return {"number": hex(number), "hash": HASH, "timestamp": hex(int(at.timestamp()))}


def answers(**other: Any) -> bytes:
    """One answer to each question, as a node that is well gives it, but for those that are given."""
    told = {"head": "0x64", "latest": block(100), "finalized": block(98), "syncing": False, "peers": "0x19"} | other
    made = [it if isinstance(it, dict) and "error" in it else {"result": it} for it in told.values()]
    return json.dumps([{"jsonrpc": "2.0", "id": place} | it for place, it in enumerate(made)]).encode()


def seen(body: bytes) -> NodeCondition:
    with web_page(200, body) as url:
        (found,) = condition.look([Node(url)])
    return found


WELL = NodeCondition("node 1", 100, AT, 98, AT, peers=25, is_syncing=False)


@pytest.mark.parametrize(
    ("other", "wanted"),
    [
        ({}, {}),
        ({"peers": NOT_SERVED}, {"peers": None}),
        ({"syncing": NOT_SERVED}, {"is_syncing": None}),
        ({"syncing": {"currentBlock": "0x1"}}, {"is_syncing": True}),
        ({"finalized": None}, {"finalized": None, "finalized_at": None}),
        ({"finalized": NOT_SERVED}, {"finalized": None, "finalized_at": None}),
        ({"finalized": block(500)}, {"finalized": 500}),  # a lie, which people are told of
        ({"head": "0x65"}, {"height": 101}),  # a block came between the two answers
    ],
)
def test_what_a_node_does_not_tell_is_missing_and_the_rest_is_there(
    other: dict[str, Any], wanted: dict[str, Any]
) -> None:
    assert vars(seen(answers(**other))) == vars(WELL) | wanted


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"<html>502</html>", "JSONDecodeError"),
        (answers(head=NOT_SERVED), "it refuses: the method does not exist"),
        (answers(latest=NOT_SERVED), "it refuses"),
        (answers(latest=None), "TypeError"),
        (answers(head="100"), "no quantity"),
        (answers(head="0xffffffffffff"), "an absurd number"),
        (answers(peers="many"), "no quantity"),
        (answers(finalized={"number": "0x1"}), "KeyError"),
        (answers(latest={"number": "0x64", "timestamp": "0xffffffffffffffffff"}), "Error"),
    ],
)
def test_nonsense_and_refusals_are_no_condition(body: bytes, fault: str) -> None:
    found = seen(body)
    assert found.fault
    assert fault in found.fault
    assert vars(found) == vars(NodeCondition("node 1", fault=found.fault))


def test_a_silent_node_hides_no_other_and_the_provider_s_key_is_told_to_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with web_page(200, answers()) as url:
        silent, well = condition.look([Node("http://127.0.0.1:9/v2/the-key"), Node(url)])
    assert silent.fault
    assert "the-key" not in silent.fault
    assert well.height == 100
    monkeypatch.setattr(condition, "LOOK_SECONDS_MAX", 0.0)
    with web_page(200, answers()) as url:
        assert all(found.fault for found in condition.look([Node(url)] * 2))


def test_a_real_node_tells_its_height_and_finality() -> None:
    chain = ChainNode(block_time_seconds=None)
    chain.start()
    try:
        chain.mine(20)
        one, other = condition.look([Node(chain.url)] * 2)
        assert (one.height, one.finalized) == (chain.head(), chain.head("finalized"))
        assert one.final_hash == other.final_hash is not None
        assert one.compared_at == one.finalized
        assert one.fault is None
        assert one.is_syncing in (False, None)
    finally:
        chain.stop()
