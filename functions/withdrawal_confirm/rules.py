"""When has a withdrawal ended, and how? Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

DEPTH_MIN = 10
SENT_FOR = timedelta(hours=24)  # what no block has taken by then is not sent any more


@dataclass(frozen=True)
class Heads:
    """How far the chain has come: the nodes' lowest head and lowest finalized block."""

    latest: int
    finalized: int

    @property
    def final(self) -> int:
        """The newest block that is finalized and ten deep: what it holds stays."""
        return min(self.finalized, self.latest - DEPTH_MIN)


def has_lapsed(signed_at: datetime, now: datetime) -> bool:
    """It has been offered to the nodes for long enough."""
    return now - signed_at >= SENT_FOR
