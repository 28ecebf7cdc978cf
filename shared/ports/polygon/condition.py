"""Polygon's nodes one by one, as they answer now: height, peers, sync, finality. One that fails hides no other."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from shared.ports.polygon.answers import count, hash_of, height, made_at, reading
from shared.ports.polygon.failures import ChainUnreachable
from shared.ports.polygon.questions import HEAD_NUMBER, the_block
from shared.ports.polygon.rpc import Call, Node, RpcError, configured, within
from shared.values.incidents import NodeCondition

LOOK_SECONDS_MAX = 20.0  # for all nodes together
PEERS: Call = ("net_peerCount", [])
SYNCING: Call = ("eth_syncing", [])


def look(nodes: Sequence[Node]) -> list[NodeCondition]:
    """The condition of each node, in the order of RPC_URLS. Never raises: what a node does not tell is missing."""
    with within(LOOK_SECONDS_MAX):
        seen = [_condition(node, f"node {place}") for place, node in enumerate(nodes, start=1)]
        told = [condition.finalized for condition in seen if condition.finalized is not None]
        if len(told) > 1:
            seen = [_compared(node, condition, min(told)) for node, condition in zip(nodes, seen, strict=True)]
    return seen


@cache
def connect() -> Sequence[Node]:
    """The configured nodes, also when they are fewer than must agree before money counts as moved."""
    return [Node(url) for url in configured().urls]


def _condition(node: Node, name: str) -> NodeCondition:
    try:
        return _read(node.ask([HEAD_NUMBER, the_block("latest"), the_block("finalized"), SYNCING, PEERS]), name)
    except ChainUnreachable as error:
        return NodeCondition(name, fault=str(error) or type(error).__name__)


def _read(told: Sequence[Any], name: str) -> NodeCondition:
    """The condition that the answers tell. Some providers refuse to count peers or to say whether they synchronise, and
    a node without milestones has no finalized block; without a head it tells nothing. Raises ChainUnreachable.
    """
    for answer in told[:2]:
        if isinstance(answer, RpcError):
            raise ChainUnreachable(f"it refuses: {answer.message}")
    head, latest, finalized, syncing, peers = (None if isinstance(it, RpcError) else it for it in told)
    with reading():
        return NodeCondition(
            name,
            height=max(count(head), height(latest)),
            head_at=made_at(latest),
            finalized=None if finalized is None else height(finalized),
            finalized_at=None if finalized is None else made_at(finalized),
            peers=None if peers is None else count(peers),
            is_syncing=None if syncing is None else syncing is not False,
        )


def _compared(node: Node, condition: NodeCondition, number: int) -> NodeCondition:
    """The same condition with the hash of a block that all nodes call finalized; without it if the node lacks it."""
    if condition.fault is not None:
        return condition
    try:
        return replace(condition, compared_at=number, final_hash=hash_of(node.result(the_block(number)), number))
    except ChainUnreachable:
        return condition
