"""Turns what was read into the figures of the alerts, and judges nodes. Ages are whole seconds, never below zero."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.values import finality
from shared.values.incidents import Cause, CriticalKind, NodeCondition

ACCESS_KEY_LIFE = timedelta(days=120)  # a new version is made each quarter; this long after the last, one is missing
MICRO_PER_USDT = 10**6
WEI_PER_MILLI = 10**15
HEAD_AGE_SECONDS_MAX = 60  # a block comes each two seconds
BLOCKS_BEHIND_MAX = 30  # below another node; a minute
BLOCKS_BETWEEN_ANSWERS_MAX = 5  # a block may come between two answers of one node
PEERS_MIN = 2  # our nodes are each other's peers, so that one is nobody from outside
ALL_NODES = "all nodes"
# What is read from the tables, and what the nodes show, minute by minute.
TABLE_KINDS = frozenset(
    {CriticalKind.TREASURY_PAUSED, CriticalKind.DISCREPANCY, CriticalKind.QUARANTINE, CriticalKind.STOLEN_KEY}
)
NODE_KINDS = frozenset(
    {
        CriticalKind.NODE_SILENT,
        CriticalKind.NODE_BEHIND,
        CriticalKind.PEERS_LOST,
        CriticalKind.FINALITY_STALLED,
        CriticalKind.FINALITY_DISPUTED,
    }
)


def age_seconds(since: datetime | None, now: datetime) -> int:
    """The age in seconds; 0 if `since` is None."""
    return max(0, int((now - since).total_seconds())) if since else 0


def days_left(created_at: datetime | None, now: datetime) -> int:
    """The days for which the newest signing key of access tokens may still be used; negative if it is overdue, or
    missing.
    """
    return (created_at + ACCESS_KEY_LIFE - now).days if created_at else -1


def whole_usdt(micro: int) -> int:
    """Whole USDT, rounded down, so that an alert on a minimum is never late."""
    return micro // MICRO_PER_USDT


def milli_coins(wei: int) -> int:
    """Thousandths of the chain's own coin, rounded down."""
    return wei // WEI_PER_MILLI


def of_node(node: NodeCondition, highest: int | None, now: datetime) -> list[Cause]:
    """The critical causes that one node shows. `highest` is the highest block that any node tells."""
    if node.height is None or node.head_at is None:
        return [Cause(CriticalKind.NODE_SILENT, node.name, f"It tells nothing: {node.fault}.", now)]
    found = [
        (CriticalKind.NODE_BEHIND, _behind(node.height, node.head_at, highest, now, is_syncing=node.is_syncing)),
        (CriticalKind.PEERS_LOST, _alone(node.peers)),
        (CriticalKind.FINALITY_STALLED, _stalled(node.head_at, node.finalized_at)),
        (CriticalKind.FINALITY_DISPUTED, _impossible(node.height, node.finalized)),
    ]
    return [Cause(kind, node.name, detail, now) for kind, detail in found if detail]


def of_nodes(nodes: Sequence[NodeCondition], now: datetime) -> list[Cause]:
    """The critical causes that all nodes show, each on its own and compared with each other."""
    highest = max((node.height for node in nodes if node.height is not None), default=None)
    found = [cause for node in nodes for cause in of_node(node, highest, now)]
    hashes = {node.final_hash: node for node in nodes if node.final_hash}
    if len(hashes) > 1:
        detail = f"Block {next(iter(hashes.values())).compared_at} is final, and the nodes have different ones."
        found.append(Cause(CriticalKind.FINALITY_DISPUTED, ALL_NODES, detail, now))
    return found


def unseen(nodes: Sequence[NodeCondition]) -> set[tuple[str, str]]:
    """The causes, by kind and subject, that the nodes did not let us see now: a silent node may be behind, or not."""
    dark = [node.name for node in nodes if node.height is None]
    kinds = NODE_KINDS - {CriticalKind.NODE_SILENT}
    found = {(kind.value, name) for kind in kinds for name in dark}
    if len([node for node in nodes if node.final_hash]) < min(len(nodes), 2):
        found.add((CriticalKind.FINALITY_DISPUTED.value, ALL_NODES))
    return found


def blocks_behind(node: NodeCondition, nodes: Sequence[NodeCondition]) -> int | None:
    """How many blocks a node is below the highest of all; None if it tells no height."""
    heights = [other.height for other in nodes if other.height is not None]
    return None if node.height is None else max(heights) - node.height


def _behind(height: int, head_at: datetime, highest: int | None, now: datetime, *, is_syncing: bool | None) -> str:
    age = age_seconds(head_at, now)
    if is_syncing:
        return f"It synchronises: its newest block is {height}, {age} seconds old."
    if age > HEAD_AGE_SECONDS_MAX:
        return f"Its newest block, {height}, is {age} seconds old."
    if highest is not None and highest - height > BLOCKS_BEHIND_MAX:
        return f"Its newest block is {height}, another node's is {highest}."
    return ""


def _alone(peers: int | None) -> str:
    """A node that does not tell its peers is not judged by them."""
    return "" if peers is None or peers >= PEERS_MIN else f"It has {peers} peers; our other node is one of them."


def _stalled(head_at: datetime, finalized_at: datetime | None) -> str:
    if finalized_at is None:
        return "It tells no finalized block."
    lag = age_seconds(finalized_at, head_at)
    return f"Its finalized block is {lag} seconds behind its head." if finality.is_stalled(lag) else ""


def _impossible(height: int, finalized: int | None) -> str:
    """A final block above the head cannot be; some blocks may come between two answers."""
    if finalized is None or finalized <= height + BLOCKS_BETWEEN_ANSWERS_MAX:
        return ""
    return f"It calls block {finalized} final, and its head is {height}."
