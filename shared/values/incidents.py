"""Values of critical events: their kinds, the section of the runbook for each, and what is seen of a node. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

SUBJECT_MAX = 100  # characters that are stored


class CriticalKind(StrEnum):
    """The kinds of what people must hear of at once."""

    TREASURY_PAUSED = "treasury_paused"
    DISCREPANCY = "discrepancy"
    QUARANTINE = "quarantine"
    STOLEN_KEY = "stolen_key"
    CERTIFICATE = "certificate"
    DEAD_LETTERS = "dead_letters"
    NODE_SILENT = "node_silent"
    NODE_BEHIND = "node_behind"
    PEERS_LOST = "peers_lost"
    FINALITY_STALLED = "finality_stalled"
    FINALITY_DISPUTED = "finality_disputed"


# The section that says what people do. A section of docs/alerts.md has the name of its kind.
RUNBOOKS: Mapping[CriticalKind, str] = {kind: f"docs/alerts.md#{kind.value.replace('_', '-')}" for kind in CriticalKind}


@dataclass(frozen=True)
class Cause:
    """The cause of a critical event: what it is about, in words, and since when it lasts."""

    kind: CriticalKind
    subject: str
    detail: str
    since: datetime

    @property
    def key(self) -> tuple[str, str]:
        """The kind and the subject, cut as it is stored, which tell the cause from others."""
        return self.kind.value, self.subject[:SUBJECT_MAX]


@dataclass(frozen=True)
class NodeCondition:
    """One Polygon node as it answers now. What it does not tell is None; `fault` says why it tells nothing at all.

    `final_hash` is its hash of the newest block that all nodes call finalized, whose number is `compared_at`.
    """

    name: str
    height: int | None = None
    head_at: datetime | None = None
    finalized: int | None = None
    finalized_at: datetime | None = None
    peers: int | None = None
    is_syncing: bool | None = None
    compared_at: int | None = None
    final_hash: str | None = None
    fault: str | None = None
