"""The rules of vaulting and withdrawing chips. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.values.problems import Problem

CHIPS_MAX = 1_000_000  # of one request


class ChipsNotEnough(Problem):
    """There are fewer chips that may be vaulted, or withdrawn; `available` says how many there are."""

    status, title = 409, "You have not so many chips there."


class WeekCapReached(Problem):
    """More chips than count in a week would be active; `room` says how many more there may be."""

    status, title = 409, "So many chips do not count this week."


@dataclass(frozen=True)
class Lot:
    """Vaulted chips of one moment, of which so many are left."""

    id: UUID
    left: int


def taken(lots: Sequence[Lot], chips: int) -> Sequence[Lot]:
    """Take chips from the lots in their order; returns what is taken of each. The lots must have enough."""
    parts: list[Lot] = []
    for lot in lots:
        part = min(lot.left, chips)
        if part:
            parts.append(Lot(lot.id, part))
        chips -= part
    assert chips == 0, "the caller has compared them"
    return parts
