"""Votes: drafts are written, changed and discarded; a draft is opened; an open vote may be closed early."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID, uuid4

from functions.admin_governance import rules, vote_store
from functions.admin_governance.common import Operations, api
from functions.admin_governance.models import AdminVote, AdminVoteDetail, AdminVoteQuery, VoteClosing, VoteDraft
from functions.admin_governance.vote_store import Held, VoteRow
from shared import events
from shared.db import Tx
from shared.social.events import TendVote, VoteChanged
from shared.social.votes import GRACE, VoteNotOpen
from shared.values.fields import Listing
from shared.values.problems import NotFound
from shared.values.states import VoteStatus
from shared.web import audit, paging
from shared.web.audit import Action
from shared.web.http import Client, IfMatch
from shared.web.paging import Position

DRAFT, ACTIVE = VoteStatus.DRAFT, VoteStatus.ACTIVE


@api.post("/v1/admin/governance/votes", status=201)
def create_vote(tx: Tx, admin: Operations, body: VoteDraft, client: Client, now: datetime) -> AdminVote:
    """Write a draft of a vote."""
    rules.check_labels(body.options)
    identity = uuid4()
    vote_store.insert(tx, identity, body, admin.id, now)
    audit.record(tx, admin, client, Action("vote.create", "vote", identity, body.model_dump(mode="json")), now)
    return shown(found(tx, identity))


@api.get("/v1/admin/governance/votes")
def list_admin_votes(tx: Tx, admin: Operations, query: AdminVoteQuery) -> Listing[AdminVote]:
    """List votes, newest first."""
    rows = vote_store.page(tx, query.status, paging.after(query.cursor), query.limit + 1)
    some, cursor = paging.page(rows, query.limit, lambda row: Position(row.created_at, row.id))
    return Listing[AdminVote](items=[shown(row) for row in some], next_cursor=cursor)


@api.get("/v1/admin/governance/votes/{vote_id}")
def get_admin_vote(tx: Tx, admin: Operations, vote_id: UUID) -> AdminVoteDetail:
    """Return one vote with its diary."""
    row = found(tx, vote_id)
    return AdminVoteDetail.model_validate({**vars(row), "diary": vote_store.diary(tx, vote_id)})


@api.put("/v1/admin/governance/votes/{vote_id}", problems=(rules.VoteIsFixed,))
def change_vote(
    tx: Tx, admin: Operations, vote_id: UUID, body: VoteDraft, version: IfMatch, client: Client, now: datetime
) -> AdminVote:
    """Give the version of a draft that was read another content."""
    rules.check_labels(body.options)
    held = _draft(tx, vote_id)
    version.check(held.revision)
    before = found(tx, vote_id)
    vote_store.change(tx, vote_id, body)
    changes = {"before": _recorded(before), "after": without_words(body.model_dump(mode="json"), before.proposal_id)}
    return _changed(tx, admin, held, "change", changes, client=client, now=now)


@api.post("/v1/admin/governance/votes/{vote_id}/discard", problems=(rules.VoteIsFixed,))
def discard_vote(tx: Tx, admin: Operations, vote_id: UUID, client: Client, now: datetime) -> AdminVote:
    """Discard a draft: it is never opened. Harmless twice."""
    held = _held(tx, vote_id)
    if held.status is VoteStatus.DISCARDED:
        return shown(found(tx, vote_id))
    if held.status is not DRAFT:
        raise rules.VoteIsFixed
    vote_store.move(tx, vote_id, VoteStatus.DISCARDED)
    return _changed(tx, admin, held, "discard", {}, client=client, now=now)


@api.post("/v1/admin/governance/votes/{vote_id}/open", problems=(rules.VoteIsFixed,))
def open_vote(tx: Tx, admin: Operations, vote_id: UUID, version: IfMatch, client: Client, now: datetime) -> AdminVote:
    """Have the version of a draft that was read opened: within seconds its electors are fixed. Harmless twice."""
    held = _held(tx, vote_id)
    if held.status in (VoteStatus.OPENING, ACTIVE):
        return shown(found(tx, vote_id))
    if held.status is not DRAFT:
        raise rules.VoteIsFixed
    version.check(held.revision)
    vote_store.move(tx, vote_id, VoteStatus.OPENING)
    events.enqueue(tx, now, TendVote(vote_id=vote_id), name=f"vote-open-{vote_id}")
    return _changed(tx, admin, held, "open", {}, client=client, now=now)


@api.post("/v1/admin/governance/votes/{vote_id}/close", problems=(VoteNotOpen,))
def close_vote(tx: Tx, admin: Operations, vote_id: UUID, body: VoteClosing, client: Client, now: datetime) -> AdminVote:
    """Close a vote before its time: it takes no more ballots from now on. Once its time is over, it closes as it would
    without this. Harmless twice.
    """
    held = _held(tx, vote_id)
    if held.status in (VoteStatus.CLOSING, VoteStatus.CLOSED):
        return shown(found(tx, vote_id))
    if held.status is not ACTIVE:
        raise VoteNotOpen
    assert held.closes_at, "it was opened"
    if now >= held.closes_at:
        due = max(now, held.closes_at + GRACE)
        events.enqueue(tx, now, TendVote(vote_id=vote_id), name=f"vote-close-late-{vote_id}", deliver_at=due)
        return shown(found(tx, vote_id))
    vote_store.close_early(tx, vote_id, now)
    events.emit(tx, now, VoteChanged(vote_id=vote_id))
    events.enqueue(tx, now, TendVote(vote_id=vote_id), name=f"vote-close-early-{vote_id}")
    return _changed(tx, admin, held, "close", {"reason": body.reason}, client=client, now=now)


def found(tx: Tx, vote_id: UUID) -> VoteRow:
    """The vote. Raises NotFound."""
    row = vote_store.find(tx, vote_id)
    if row is None:
        raise NotFound
    return row


def shown(row: VoteRow) -> AdminVote:
    """The vote as admins see it."""
    return AdminVote.model_validate(vars(row))


def without_words(said: Mapping[str, object], proposal_id: UUID | None) -> dict[str, object]:
    """Return what the audit log keeps of a draft: not the words of a proposal, which go with its author's account."""
    if proposal_id is None:
        return dict(said)
    kept = {name: value for name, value in said.items() if name not in {"title", "description"}}
    return {"proposal_id": str(proposal_id), **kept}


def _held(tx: Tx, vote_id: UUID) -> Held:
    """The vote, locked. Raises NotFound."""
    held = vote_store.lock(tx, vote_id)
    if held is None:
        raise NotFound
    return held


def _draft(tx: Tx, vote_id: UUID) -> Held:
    """The draft, locked. Raises NotFound, VoteIsFixed."""
    held = _held(tx, vote_id)
    if held.status is not DRAFT:
        raise rules.VoteIsFixed
    return held


def _changed(
    tx: Tx, admin: Operations, held: Held, act: str, changes: Mapping[str, object], *, client: Client, now: datetime
) -> AdminVote:
    """Audit what was done, and return the vote."""
    told = {"status_before": held.status.value, **changes}
    audit.record(tx, admin, client, Action(f"vote.{act}", "vote", held.id, told), now)
    return shown(found(tx, held.id))


def _recorded(row: VoteRow) -> dict[str, object]:
    """The fields of a vote that people set, for the audit log."""
    said: dict[str, object] = {
        "type": row.type,
        "title": row.title,
        "description": row.description,
        "options": [option["label"] for option in row.options],
        "seconds": row.seconds,
        "quorum_percent": row.quorum_percent,
    }
    return without_words(said, row.proposal_id)
