"""Things that members, admins and the closing of votes share: kinds of votes, the tier of each, fields of bodies, and
what is sealed at the opening.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Literal
from uuid import UUID

from pydantic import StringConstraints

from shared.values.fields import LINE, LINES, Reply
from shared.values.problems import Problem
from shared.values.tiers import Tier

VoteType = Literal["flavor", "loyalty", "corporate"]
TIER_MIN: Mapping[VoteType, Tier] = {"flavor": Tier.VIP, "loyalty": Tier.HIGH_ROLLER, "corporate": Tier.WHALE}
GRACE = timedelta(seconds=5)  # after the end of a vote; ballots that arrived in time are in the database by then

VoteTitle = Annotated[str, StringConstraints(min_length=1, max_length=200), LINE]
VoteText = Annotated[str, StringConstraints(min_length=1, max_length=5_000), LINES]


class VoteNotOpen(Problem):
    """The vote is not open yet, or takes no ballots any more."""

    status, title = 409, "This vote is not open."


class ProposalDecided(Problem):
    """The proposal was accepted, declined or withdrawn; `status_now` tells which."""

    status, title = 409, "This proposal is not open any more."


class VoteOption(Reply):
    """One of the answers of a vote, and how many ballots it has so far."""

    option: int
    label: str
    ballots: int


class OptionTotal(Reply):
    """The ballots of an option, as they were counted."""

    option: int
    ballots: int


class VoteOutcome(Reply):
    """The count at the close of a vote. `turnout` goes from 0 to 1. There is a winner when enough electors
    have voted and one option has the most ballots; `tie` lists the options that share the most.
    """

    totals: list[OptionTotal]
    ballots: int
    electors: int
    turnout: float
    quorum_met: bool
    winner: int | None
    tie: list[int]


def content(
    vote_id: UUID, kind: str, title: str, description: str, options: Sequence[str], *, seconds: int, quorum_percent: int
) -> bytes:
    """Return what is put to the vote as the bytes that both digests begin with: JSON, sorted names, no blanks."""
    said = {
        "id": str(vote_id),
        "type": kind,
        "title": title,
        "description": description,
        "options": list(options),
        "seconds": seconds,
        "quorum_percent": quorum_percent,
    }
    return json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
