"""Proposals as admins see them and decide about them, as rows."""

from datetime import datetime
from uuid import UUID

from functions.admin_governance.models import AdminProposal
from shared.db import Tx
from shared.values.states import ProposalStatus
from shared.web.paging import Position


def page(tx: Tx, status: str | None, after: Position | None, limit: int) -> list[AdminProposal]:
    """Proposals after a position, newest first."""
    return tx.all(
        AdminProposal,
        """
        SELECT p.id, p.member_id, m.username, p.type, p.title, p.body, p.status, p.created_at, p.decided_at,
               p.decided_by, p.note, p.vote_id
        FROM governance_proposals p JOIN members m ON m.id = p.member_id
        WHERE (CAST(:status AS text) IS NULL OR p.status = :status)
          AND (CAST(:at AS timestamptz) IS NULL OR (p.created_at, p.id) < (:at, CAST(:id AS uuid)))
        ORDER BY p.created_at DESC, p.id DESC LIMIT :limit
        """,
        status=status,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def find(tx: Tx, proposal_id: UUID) -> AdminProposal | None:
    """A proposal by its id; None if there is none."""
    return tx.first(
        AdminProposal,
        """
        SELECT p.id, p.member_id, m.username, p.type, p.title, p.body, p.status, p.created_at, p.decided_at,
               p.decided_by, p.note, p.vote_id
        FROM governance_proposals p JOIN members m ON m.id = p.member_id WHERE p.id = :id
        """,
        id=proposal_id,
    )


def lock(tx: Tx, proposal_id: UUID) -> ProposalStatus | None:
    """The status of the proposal, which is locked until the commit; None if there is no such proposal."""
    return tx.scalar_or_none(
        ProposalStatus,
        "SELECT status FROM governance_proposals WHERE id = :id FOR NO KEY UPDATE",
        id=proposal_id,
    )


def decide(
    tx: Tx, proposal_id: UUID, status: ProposalStatus, admin_id: UUID, note: str | None, *, vote_id: UUID | None,
    now: datetime,
) -> None:  # fmt: skip
    """Record what was decided about a proposal, which is locked."""
    tx.run_later(
        """
        UPDATE governance_proposals
        SET status = :status, decided_at = :now, decided_by = :admin_id, note = :note, vote_id = :vote_id
        WHERE id = :id
        """,
        id=proposal_id,
        status=status.value,
        admin_id=admin_id,
        note=note,
        vote_id=vote_id,
        now=now,
    )
