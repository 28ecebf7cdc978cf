"""What becomes of a flagged scan, and in which order several are decided. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from shared.problems import NotAllowed, Problem

Decision = Literal["clear", "confirm"]
STATUS: dict[Decision, str] = {"clear": "cleared", "confirm": "confirmed"}
BULK_MAX = 100


class ScanDecided(Problem):
    """Somebody has decided otherwise before; `decision` tells how."""

    status, title = 409, "Another decision about this scan was taken before."


class OwnScan(NotAllowed):
    """An admin's own scan, or one whose prize brings them a match."""

    title = "Somebody else must decide this: it is about you."


@dataclass(frozen=True)
class Flagged:
    """A flagged scan, locked; `affiliate_id` earns a match of what it won."""

    scan_id: UUID
    member_id: UUID
    affiliate_id: UUID | None
    status: str


def check(found: Flagged, decision: Decision, admin_id: UUID) -> bool:
    """True when there is something to do, False when it was decided so before. Raises ScanDecided, OwnScan."""
    if admin_id in (found.member_id, found.affiliate_id):
        raise OwnScan
    if found.status == STATUS[decision]:
        return False
    if found.status != "open":
        raise ScanDecided(decision=found.status)
    return True


def ordered(found: Sequence[Flagged]) -> list[Flagged]:
    """By member: two that decide at once never wait for each other in a ring."""
    return sorted(found, key=lambda flagged: (flagged.member_id, flagged.scan_id))
