"""Proposals of members, as rows."""

from datetime import datetime
from uuid import UUID

from functions.governance.models import OwnProposal, ProposalDraft
from functions.governance.rules import OPEN_MAX
from shared.db import Tx
from shared.values.states import ProposalStatus
from shared.web.paging import Position


def insert(tx: Tx, proposal_id: UUID, member_id: UUID, draft: ProposalDraft, now: datetime) -> bool:
    """Store a proposal in the member's first free slot; False if there is none, or another request was faster."""
    return bool(
        tx.run(
            """
            INSERT INTO governance_proposals (id, member_id, slot, type, title, body, created_at)
            SELECT :id, :member_id, min(free.slot), :type, :title, :body, :now
            FROM generate_series(1, :slots) AS free (slot)
            WHERE NOT EXISTS (SELECT FROM governance_proposals p
                              WHERE p.member_id = :member_id AND p.slot = free.slot AND p.status = 'open')
            HAVING min(free.slot) IS NOT NULL
            ON CONFLICT (member_id, slot) WHERE status = 'open' DO NOTHING
            """,
            id=proposal_id,
            member_id=member_id,
            type=draft.type,
            title=draft.title,
            body=draft.body,
            slots=OPEN_MAX,
            now=now,
        )
    )


def page(tx: Tx, member_id: UUID, after: Position | None, limit: int) -> list[OwnProposal]:
    """The member's proposals, newest first, after a position."""
    return tx.all(
        OwnProposal,
        """
        SELECT p.id, p.type, p.title, p.body, p.status, p.created_at, p.decided_at, p.note,
               CASE WHEN v.opened_at IS NOT NULL THEN v.id END AS vote_id
        FROM governance_proposals p LEFT JOIN governance_votes v ON v.id = p.vote_id
        WHERE p.member_id = :member_id
          AND (CAST(:at AS timestamptz) IS NULL OR (p.created_at, p.id) < (:at, CAST(:id AS uuid)))
        ORDER BY p.created_at DESC, p.id DESC LIMIT :limit
        """,
        member_id=member_id,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def find(tx: Tx, member_id: UUID, proposal_id: UUID) -> OwnProposal | None:
    """A proposal of the member."""
    return tx.first(
        OwnProposal,
        """
        SELECT p.id, p.type, p.title, p.body, p.status, p.created_at, p.decided_at, p.note,
               CASE WHEN v.opened_at IS NOT NULL THEN v.id END AS vote_id
        FROM governance_proposals p LEFT JOIN governance_votes v ON v.id = p.vote_id
        WHERE p.id = :id AND p.member_id = :member_id
        """,
        id=proposal_id,
        member_id=member_id,
    )


def withdraw(tx: Tx, member_id: UUID, proposal_id: UUID, now: datetime) -> ProposalStatus | None:
    """Withdraw an open proposal of the member, and return what it is then; None if they have no such proposal."""
    tx.run(
        """
        UPDATE governance_proposals SET status = 'withdrawn', decided_at = :now
        WHERE id = :id AND member_id = :member_id AND status = 'open'
        """,
        id=proposal_id,
        member_id=member_id,
        now=now,
    )
    return tx.scalar_or_none(
        ProposalStatus,
        "SELECT status FROM governance_proposals WHERE id = :id AND member_id = :member_id",
        id=proposal_id,
        member_id=member_id,
    )
