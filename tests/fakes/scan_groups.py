"""Scans that arrive together and share one transaction."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from functions.scans import main
from functions.scans.main import ScanSubmission
from functions.scans.receipts import ScanReceipt
from shared import db
from shared.auth import Member
from shared.values.problems import Problem
from shared.values.tiers import Tier
from shared.web.http import Client
from shared.web.signatures import Asked
from tests import factories

UNKNOWN = "ZZZZ-ZZZZ-ZZZZ"
RANKS = ("standard", "vip", "high_roller", "whale")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


_numbers = itertools.count(1)


@dataclass(frozen=True)
class Step:
    """A member tries a code. Both are positions in lists; the position after the last code means an unknown code."""

    member: int
    code: int


def scan_together(members: Sequence[Member], made: Sequence[str], group: Sequence[Step]) -> list[ScanReceipt | Problem]:
    """Scan the group in one transaction and return what each scan is answered."""
    asked = [
        Asked(
            members[step.member],
            ScanSubmission(code=[*made, UNKNOWN][step.code]),
            Client(f"2001:db8::{members[step.member].number:x}", "tests"),
            0.0,
        )
        for step in group
    ]
    return db.atomically(lambda tx: main.submit(tx, asked, NOW))


def member_of_rank(rank: int) -> Member:
    """Return a new member whose permanent tier is RANKS[rank]."""
    somebody = factories.member(permanent_tier=Tier(RANKS[rank]))
    number = next(_numbers)
    return Member(
        id=somebody.id,
        number=number,
        username="x",
        status="active",
        role=None,
        permanent_tier=Tier(RANKS[rank]),
        quarter_tier=Tier.STANDARD,
        session_id=uuid4(),
    )
