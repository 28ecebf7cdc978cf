"""Refusals of votes and proposals, and which ballots are accepted (docs/votes.md). Pure."""

from dataclasses import dataclass
from datetime import datetime

from shared.social.votes import VoteNotOpen
from shared.values.problems import NotFound, NotValid, Problem
from shared.values.states import VoteStatus

OPEN_MAX = 3  # proposals of a member that wait for a decision; the schema has as many slots


class NotAnElector(Problem):
    """Electors are fixed when a vote is opened: those whose tier was high enough at that moment."""

    status, title = 403, "You are no elector of this vote."


class BallotAlreadyCast(Problem):
    """A ballot is final; `option` is what the member has chosen."""

    status, title = 409, "You have cast your ballot for another option."


class BallotsNotPublished(Problem):
    """The receipts of a vote are published when it is closed."""

    status, title = 409, "This vote is not closed yet: its receipts are published then."


class ProposalsAreForWhales(Problem):
    """Members of other tiers cannot propose votes."""

    status, title = 403, "Only Whales can propose votes."


class TooManyProposals(Problem):
    """Three proposals of the member wait for a decision."""

    status, title = 409, "Three of your proposals are open: wait for a decision, or withdraw one."


class ProposalNotAllowed(Problem):
    """The proposal has something that nobody may write here; what it is, is not told."""

    status, title = 422, "This cannot be proposed."


@dataclass(frozen=True)
class Booth:
    """A vote that somebody wants to cast a ballot in. `options` are the numbers of its options."""

    status: VoteStatus
    closes_at: datetime | None
    options: list[int]

    @property
    def is_public(self) -> bool:
        """True from its opening on; before that no member knows of it."""
        return self.closes_at is not None


def refusal(booth: Booth | None, option: int, *, is_elector: bool) -> Problem | None:
    """Why nobody's ballot, or not this member's, or not for this option, is taken; None if it may be, in time."""
    if booth is None or not booth.is_public:
        return NotFound()
    if not is_elector:
        return NotAnElector()
    if option not in booth.options:
        return NotValid(errors=[{"field": "/option", "message": "is no option of this vote"}])
    return None


def too_late(booth: Booth, arrived_at: datetime) -> Problem | None:
    """VoteNotOpen, unless the ballot arrived while the vote was open and is taken before it is closed."""
    assert booth.closes_at, "it was opened"
    if booth.status is VoteStatus.ACTIVE and arrived_at < booth.closes_at:
        return None
    return VoteNotOpen()
