"""Operations on proposals of whales: an admin makes a draft of a vote of one, or declines it."""

from datetime import datetime
from uuid import UUID, uuid4

from functions.admin_governance import proposal_store, rules, vote_store
from functions.admin_governance.common import Operations, api
from functions.admin_governance.models import (
    AdminProposal,
    AdminVote,
    ProposalAcceptance,
    ProposalQuery,
    ProposalRefusal,
    VoteDraft,
)
from functions.admin_governance.votes import found, shown, without_words
from shared.db import Tx
from shared.messages import notifications
from shared.social.votes import ProposalDecided
from shared.values.fields import Listing
from shared.values.problems import NotFound
from shared.values.states import ProposalStatus
from shared.web import audit, paging
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.paging import Position


@api.get("/v1/admin/governance/proposals")
def list_admin_proposals(tx: Tx, admin: Operations, query: ProposalQuery) -> Listing[AdminProposal]:
    """List what whales have proposed, newest first."""
    rows = proposal_store.page(tx, query.status, paging.after(query.cursor), query.limit + 1)
    some, cursor = paging.page(rows, query.limit, lambda row: Position(row.created_at, row.id))
    return Listing[AdminProposal](items=list(some), next_cursor=cursor)


@api.post("/v1/admin/governance/proposals/{proposal_id}/accept", status=201, problems=(ProposalDecided,))
def accept_proposal(
    tx: Tx, admin: Operations, proposal_id: UUID, body: ProposalAcceptance, client: Client, now: datetime
) -> AdminVote:
    """Make a draft of a vote of a proposal, and tell its author. The draft is opened like any other one."""
    rules.check_labels(body.options)
    proposal = _open(tx, proposal_id)
    identity = uuid4()
    draft = VoteDraft(
        type=proposal.type,
        title=proposal.title,
        description=proposal.body,
        options=body.options,
        seconds=body.seconds,
        quorum_percent=body.quorum_percent,
    )
    vote_store.insert(tx, identity, draft, admin.id, now)
    accepted = ProposalStatus.ACCEPTED
    proposal_store.decide(tx, proposal_id, accepted, admin.id, body.note, vote_id=identity, now=now)
    changes = {"vote_id": str(identity), "note": body.note}
    audit.record(tx, admin, client, Action("proposal.accept", "proposal", proposal_id, changes), now)
    made = without_words(draft.model_dump(mode="json"), proposal_id)
    audit.record(tx, admin, client, Action("vote.create", "vote", identity, made), now)
    _tell(tx, proposal, "proposal_accepted", now)
    return shown(found(tx, identity))


@api.post("/v1/admin/governance/proposals/{proposal_id}/decline", problems=(ProposalDecided,))
def decline_proposal(
    tx: Tx, admin: Operations, proposal_id: UUID, body: ProposalRefusal, client: Client, now: datetime
) -> AdminProposal:
    """Decline a proposal, and tell its author why."""
    proposal = _open(tx, proposal_id)
    declined = ProposalStatus.DECLINED
    proposal_store.decide(tx, proposal_id, declined, admin.id, body.note, vote_id=None, now=now)
    audit.record(tx, admin, client, Action("proposal.decline", "proposal", proposal_id, {"note": body.note}), now)
    _tell(tx, proposal, "proposal_declined", now)
    return _found(tx, proposal_id)


def _open(tx: Tx, proposal_id: UUID) -> AdminProposal:
    """The proposal, which is open, and locked. Raises NotFound, ProposalDecided."""
    status = proposal_store.lock(tx, proposal_id)
    if status is None:
        raise NotFound
    if status is not ProposalStatus.OPEN:
        raise ProposalDecided(status_now=status.value)
    return _found(tx, proposal_id)


def _found(tx: Tx, proposal_id: UUID) -> AdminProposal:
    proposal = proposal_store.find(tx, proposal_id)
    assert proposal, "proposals are never deleted"
    return proposal


def _tell(tx: Tx, proposal: AdminProposal, code: str, now: datetime) -> None:
    """Tell the author what was decided; why stands in the list of their proposals."""
    data = {"proposal_id": str(proposal.id)}
    note = notifications.note(proposal.member_id, code, data, f"proposal:{proposal.id}")
    notifications.notify(tx, note, now)
