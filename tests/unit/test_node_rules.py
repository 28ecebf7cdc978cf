"""A node is judged by bounds: what is just within them is well, and one more is told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.platform_watch import rules
from shared.values.incidents import CriticalKind, NodeCondition

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
WELL = NodeCondition("node 1", 1000, NOW, 998, NOW, peers=25, is_syncing=False, compared_at=998, final_hash="0xaa")
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("well", "ill", "kind"),
    [
        ({"head_at": NOW - 60 * SECOND}, {"head_at": NOW - 61 * SECOND}, CriticalKind.NODE_BEHIND),
        ({"height": 970, "finalized": 968}, {"height": 969, "finalized": 967}, CriticalKind.NODE_BEHIND),
        ({"is_syncing": None}, {"is_syncing": True}, CriticalKind.NODE_BEHIND),
        ({"peers": 2}, {"peers": 1}, CriticalKind.PEERS_LOST),
        ({"peers": None}, {"peers": 0}, CriticalKind.PEERS_LOST),
        ({"finalized_at": NOW - 60 * SECOND}, {"finalized_at": NOW - 61 * SECOND}, CriticalKind.FINALITY_STALLED),
        ({"finalized": 1000}, {"finalized": None, "finalized_at": None}, CriticalKind.FINALITY_STALLED),
        ({"finalized": 1005}, {"finalized": 1006}, CriticalKind.FINALITY_DISPUTED),
    ],
)
def test_it_is_well_within_its_bound_and_told_beyond(
    well: dict[str, Any], ill: dict[str, Any], kind: CriticalKind
) -> None:
    other = replace(WELL, name="node 2")
    assert rules.of_nodes([replace(WELL, **well), other], NOW) == []
    assert [(it.kind, it.subject) for it in rules.of_nodes([replace(WELL, **ill), other], NOW)] == [(kind, "node 1")]


def test_another_final_block_concerns_all_nodes_and_is_not_known_while_only_one_tells() -> None:
    other = replace(WELL, name="node 2", final_hash="0xbb")
    (cause,) = rules.of_nodes([WELL, other], NOW)
    assert cause.key == ("finality_disputed", "all nodes")
    silent = NodeCondition("node 2", fault="it is switched off")
    assert [it.key for it in rules.of_nodes([WELL, silent], NOW)] == [("node_silent", "node 2")]
    assert rules.unseen([WELL, other]) == set()
    assert rules.unseen([WELL, silent]) == {
        *((kind.value, "node 2") for kind in rules.NODE_KINDS - {CriticalKind.NODE_SILENT}),
        cause.key,
    }
    assert rules.unseen([WELL]) == set() == rules.unseen([])
