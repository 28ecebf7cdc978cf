"""Bodies, queries and replies of the operations of admins on votes and proposals."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from functions.admin_governance import rules
from shared.social.votes import VoteOption, VoteOutcome, VoteText, VoteTitle, VoteType
from shared.values.fields import LINE, Body, Page, Reason, Reply, Versioned
from shared.values.tiers import Tier

OptionLabel = Annotated[str, StringConstraints(min_length=1, max_length=100), LINE]
OptionLabels = Annotated[list[OptionLabel], Field(min_length=rules.OPTIONS_MIN, max_length=rules.OPTIONS_MAX)]
Seconds = Annotated[int, Field(ge=rules.SECONDS_MIN, le=rules.SECONDS_MAX)]
Percent = Annotated[int, Field(ge=0, le=100)]


class VoteDraft(Body):
    """A vote before it is opened. The type says which tier may vote; it is open for `seconds`; an outcome needs the
    ballots of `quorum_percent` of the electors.
    """

    type: VoteType
    title: VoteTitle
    description: VoteText
    options: OptionLabels
    seconds: Seconds = rules.SECONDS_DEFAULT
    quorum_percent: Percent = 0


class VoteClosing(Body):
    """Why a vote is closed before its time."""

    reason: Reason


class ProposalAcceptance(Body):
    """The draft that a proposal becomes, as far as the proposal does not say it, and a word to the whale."""

    options: OptionLabels
    seconds: Seconds = rules.SECONDS_DEFAULT
    quorum_percent: Percent = 0
    note: Reason | None = None


class ProposalRefusal(Body):
    """Why a proposal does not become a vote; whoever has proposed it reads this."""

    note: Reason


class AdminVoteQuery(Page):
    """Votes, newest first; all of them, or those of a status."""

    status: Literal["draft", "opening", "active", "closing", "closed", "discarded"] | None = None


class ProposalQuery(Page):
    """Proposals, newest first; all of them, or those of a status."""

    status: Literal["open", "accepted", "declined", "withdrawn"] | None = None


class VoteDiaryEntry(Reply):
    """An act of an admin on a vote; `reason` is what they said to it."""

    at: datetime
    act: str
    reason: str | None
    username: str | None


class AdminVote(Versioned):
    """A vote with its totals so far. The ETag is the revision in quotes."""

    id: UUID
    type: VoteType
    tier_min: Tier
    title: str
    description: str
    options: list[VoteOption]
    seconds: int
    quorum_percent: int
    status: Literal["draft", "opening", "active", "closing", "closed", "discarded"]
    created_by: UUID
    created_at: datetime
    opened_at: datetime | None
    closes_at: datetime | None
    closed_early_at: datetime | None
    closed_at: datetime | None
    electors: int | None
    digest: str | None
    outcome: VoteOutcome | None
    proposal_id: UUID | None


class AdminVoteDetail(AdminVote):
    """A vote with its diary: what admins have done to it, oldest first."""

    diary: list[VoteDiaryEntry]


class AdminProposal(Reply):
    """A proposal of a whale, and what was decided. `vote_id` is the draft that it became."""

    id: UUID
    member_id: UUID
    username: str | None
    type: VoteType
    title: str
    body: str
    status: Literal["open", "accepted", "declined", "withdrawn"]
    created_at: datetime
    decided_at: datetime | None
    decided_by: UUID | None
    note: str | None
    vote_id: UUID | None
