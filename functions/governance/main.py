"""HTTP: votes of the members (docs/votes.md).

Ballots that arrive together are cast together, in one transaction; each gets the answer that it would have got alone.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from flask import Request, Response

from functions.governance import casting, proposal_store, rules, store
from functions.governance.models import (
    BallotDraft,
    MemberVote,
    OwnProposal,
    ProposalDraft,
    PublishedBallot,
    ReceiptQuery,
    VoteBallot,
    VoteQuery,
)
from functions.governance.store import VoteRow
from shared.api import Api
from shared.auth import Member
from shared.db import Tx
from shared.social import text, votes, words
from shared.social.votes import ProposalDecided, VoteNotOpen
from shared.values.fields import Listing, Page
from shared.values.problems import NotFound, Problem
from shared.values.states import ProposalStatus
from shared.values.tiers import Tier
from shared.web import paging
from shared.web.paging import Position
from shared.web.signatures import Asked

api = Api("governance")


def governance(request: Request) -> Response:
    return api.handle(request)


@api.get("/v1/governance/votes")
def list_votes(tx: Tx, member: Member, query: VoteQuery) -> Listing[MemberVote]:
    """List the votes that were opened, newest first."""
    rows = store.page(tx, member.id, query.status, paging.after(query.cursor), query.limit + 1)
    shown, cursor = paging.page(rows, query.limit, lambda row: Position(row.opened_at, row.id))
    return Listing[MemberVote](items=[_shown(row) for row in shown], next_cursor=cursor)


@api.get("/v1/governance/votes/{vote_id}")
def get_vote(tx: Tx, member: Member, vote_id: UUID) -> MemberVote:
    """Return one vote with its totals, and the member's own ballot."""
    found = store.find(tx, member.id, vote_id)
    if found is None:
        raise NotFound
    return _shown(found)


@api.put("/v1/governance/votes/{vote_id}/ballot", problems=(rules.BallotAlreadyCast, rules.NotAnElector, VoteNotOpen))
def cast_ballot(tx: Tx, group: Sequence[Asked[Member, BallotDraft]], now: datetime) -> list[VoteBallot | Problem]:
    """Cast a ballot. It is final; the same one again gets the same receipt."""
    return casting.cast(tx, group, now)


@api.get("/v1/governance/votes/{vote_id}/ballots", problems=(rules.BallotsNotPublished,))
def list_receipts(tx: Tx, member: Member, vote_id: UUID, query: ReceiptQuery) -> Listing[PublishedBallot]:
    """List the ballots of a closed vote by their receipts, so that everybody can count them and find their own."""
    is_closed = store.is_closed(tx, vote_id)
    if is_closed is None:
        raise NotFound
    if not is_closed:
        raise rules.BallotsNotPublished
    rows = store.published(tx, vote_id, query.after, query.limit + 1)
    shown = rows[: query.limit]
    more = len(rows) > query.limit
    return Listing[PublishedBallot](items=shown, next_cursor=shown[-1].receipt if more else None)


@api.post(
    "/v1/governance/proposals",
    status=201,
    problems=(rules.ProposalNotAllowed, rules.ProposalsAreForWhales, rules.TooManyProposals),
)
def create_proposal(tx: Tx, member: Member, body: ProposalDraft, now: datetime) -> OwnProposal:
    """Propose a vote. Admins decide whether it becomes one."""
    if member.tier is not Tier.WHALE:
        raise rules.ProposalsAreForWhales
    if words.are_in(text.skeleton(f"{body.title}\n{body.body}")):
        raise rules.ProposalNotAllowed
    identity = uuid4()
    # Each try that another request has overtaken leaves one free slot less, or one more.
    if not any(proposal_store.insert(tx, identity, member.id, body, now) for _ in range(rules.OPEN_MAX)):
        raise rules.TooManyProposals
    return _own(tx, member, identity)


@api.get("/v1/governance/proposals")
def list_proposals(tx: Tx, member: Member, page: Page) -> Listing[OwnProposal]:
    """List the member's own proposals, newest first."""
    rows = proposal_store.page(tx, member.id, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.created_at, row.id))
    return Listing[OwnProposal](items=list(shown), next_cursor=cursor)


@api.post("/v1/governance/proposals/{proposal_id}/withdraw", problems=(ProposalDecided,))
def withdraw_proposal(tx: Tx, member: Member, proposal_id: UUID, now: datetime) -> OwnProposal:
    """Withdraw an own proposal that was not decided yet. Harmless twice."""
    status = proposal_store.withdraw(tx, member.id, proposal_id, now)
    if status is None:
        raise NotFound
    if status is not ProposalStatus.WITHDRAWN:
        raise ProposalDecided(status_now=status.value)
    return _own(tx, member, proposal_id)


def _own(tx: Tx, member: Member, proposal_id: UUID) -> OwnProposal:
    found = proposal_store.find(tx, member.id, proposal_id)
    assert found, "it is the member's"
    return found


def _shown(row: VoteRow) -> MemberVote:
    ballot = None
    if row.option is not None and row.receipt is not None and row.cast_at is not None:
        ballot = VoteBallot(vote_id=row.id, option=row.option, receipt=row.receipt, cast_at=row.cast_at)
    shown = {name: value for name, value in vars(row).items() if name not in {"option", "receipt", "cast_at"}}
    return MemberVote.model_validate({**shown, "content_digest": _content_digest(row), "ballot": ballot})


def _content_digest(row: VoteRow) -> str:
    labels = [option["label"] for option in row.options]
    content = votes.content(
        row.id, row.type, row.title, row.description, labels, seconds=row.seconds, quorum_percent=row.quorum_percent
    )
    return hashlib.sha256(content).hexdigest()
