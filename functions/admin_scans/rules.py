"""The outcome of a decision about a flagged scan, and the order in which several are decided. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from shared.values.problems import NotAllowed, Problem
from shared.values.states import FlagStatus

Decision = Literal["clear", "confirm"]
STATUS: dict[Decision, str] = {"clear": "cleared", "confirm": "confirmed"}
BULK_MAX = 100


class ScanDecided(Problem):
    """Another decision was made before; `decision` tells which."""

    status, title = 409, "Another decision about this scan was taken before."


class OwnScan(NotAllowed):
    """The scan is by an account of the admin's own, or its comps would bring the admin a match."""

    title = "Somebody else must decide this: it is about you."


@dataclass(frozen=True)
class Flagged:
    """A flagged scan, locked; `is_own` if the deciding admin would profit from what it won."""

    scan_id: UUID
    member_id: UUID
    is_own: bool
    status: str


def check(found: Flagged, decision: Decision) -> bool:
    """Whether the decision has to be carried out; False if it was made before. Raises ScanDecided, OwnScan."""
    if found.is_own:
        raise OwnScan
    if found.status == STATUS[decision]:
        return False
    if found.status != FlagStatus.OPEN:
        raise ScanDecided(decision=found.status)
    return True


def ordered(found: Sequence[Flagged]) -> list[Flagged]:
    """The scans by member, so that two admins who decide at once lock rows in the same order and cannot deadlock."""
    return sorted(found, key=lambda flagged: (flagged.member_id, flagged.scan_id))
