"""Bodies, queries and replies of the operations on votes."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from shared.social.votes import VoteOption, VoteOutcome, VoteText, VoteTitle, VoteType
from shared.values.fields import DIGITS, Body, Page, Query, Reply, Shape
from shared.values.tiers import Tier

RECEIPTS_MAX = 1_000  # on a page


class VoteQuery(Page):
    """Votes, newest first; all of them, or those of a status."""

    status: Literal["active", "closing", "closed"] | None = None


class BallotDraft(Body):
    """The number of the option that the member chooses."""

    option: Annotated[int, Field(ge=1, le=20)]


class ReceiptQuery(Query):
    """Receipts of a closed vote after the last one of the previous page."""

    limit: Annotated[int, DIGITS, Field(ge=1, le=RECEIPTS_MAX)] = RECEIPTS_MAX
    after: Annotated[str, Shape(r"^([0-9a-f]{32}|[0-9a-f]{64})$", "the next_cursor of the page before")] | None = None


class ProposalDraft(Body):
    """A proposal of a whale: the question, and which kind of vote that would be."""

    type: VoteType
    title: VoteTitle
    body: VoteText


class VoteBallot(Reply):
    """A member's own ballot. After the close everybody can find its receipt in the published list."""

    vote_id: UUID
    option: int
    receipt: str
    cast_at: datetime


class MemberVote(Reply):
    """A vote, with the totals so far, and the member's own part in it. Electors are those of `tier_min` or higher at
    `opened_at`; `quorum_percent` of them must vote for an outcome. `content_digest` is the SHA-256 of what is put to
    the vote, as docs/votes.md says, and `digest` that of the same with the electors' ids, which only we know; both in
    hexadecimal. A vote is `closing` when it takes no more ballots and its outcome is not published yet.
    """

    id: UUID
    type: VoteType
    tier_min: Tier
    title: str
    description: str
    options: list[VoteOption]
    status: Literal["active", "closing", "closed"]
    seconds: int
    quorum_percent: int
    opened_at: datetime
    closes_at: datetime
    closed_early_at: datetime | None
    closed_at: datetime | None
    electors: int
    content_digest: str
    digest: str
    outcome: VoteOutcome | None
    is_elector: bool
    ballot: VoteBallot | None


class PublishedBallot(Reply):
    """One ballot of a closed vote: its receipt, and what it was cast for. Whose it is, only its owner knows."""

    receipt: str
    option: int


class OwnProposal(Reply):
    """A proposal of the member. `vote_id` is the vote that it became, once that is opened; `note` is what the admin
    says who has decided.
    """

    id: UUID
    type: VoteType
    title: str
    body: str
    status: Literal["open", "accepted", "declined", "withdrawn"]
    created_at: datetime
    decided_at: datetime | None
    note: str | None
    vote_id: UUID | None
