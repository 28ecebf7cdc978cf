"""Votes as admins write and see them, as rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from functions.admin_governance.models import VoteDiaryEntry, VoteDraft
from shared.db import Tx
from shared.social import vote_locks
from shared.social.votes import TIER_MIN, VoteType
from shared.values.states import VoteStatus
from shared.values.tiers import Tier
from shared.web.paging import Position

DIARY_MAX = 200


@dataclass(frozen=True)
class VoteRow:
    """A vote with its options."""

    revision: int
    id: UUID
    type: VoteType
    tier_min: Tier
    title: str
    description: str
    options: list[dict[str, Any]]
    seconds: int
    quorum_percent: int
    status: VoteStatus
    created_by: UUID
    created_at: datetime
    opened_at: datetime | None
    closes_at: datetime | None
    closed_early_at: datetime | None
    closed_at: datetime | None
    electors: int | None
    digest: str | None
    outcome: dict[str, Any] | None
    proposal_id: UUID | None


@dataclass(frozen=True)
class Held:
    """A vote that is about to be changed, locked."""

    id: UUID
    status: VoteStatus
    revision: int
    closes_at: datetime | None


def insert(tx: Tx, vote_id: UUID, draft: VoteDraft, admin_id: UUID, now: datetime) -> None:
    """Store a draft with its options."""
    tx.run_later(
        """
        INSERT INTO governance_votes (id, type, tier_min, title, description, seconds, quorum_percent, created_by,
                                      created_at)
        VALUES (:id, :type, :tier_min, :title, :description, :seconds, :quorum_percent, :admin_id, :now)
        """,
        id=vote_id,
        type=draft.type,
        tier_min=TIER_MIN[draft.type].value,
        title=draft.title,
        description=draft.description,
        seconds=draft.seconds,
        quorum_percent=draft.quorum_percent,
        admin_id=admin_id,
        now=now,
    )
    _insert_options(tx, vote_id, draft.options)


def change(tx: Tx, vote_id: UUID, draft: VoteDraft) -> None:
    """Give a draft, which is locked, another content."""
    tx.run_later(
        """
        UPDATE governance_votes
        SET type = :type, tier_min = :tier_min, title = :title, description = :description, seconds = :seconds,
            quorum_percent = :quorum_percent, revision = revision + 1
        WHERE id = :id
        """,
        id=vote_id,
        type=draft.type,
        tier_min=TIER_MIN[draft.type].value,
        title=draft.title,
        description=draft.description,
        seconds=draft.seconds,
        quorum_percent=draft.quorum_percent,
    )
    tx.run_later("DELETE FROM governance_options WHERE vote_id = :vote_id", vote_id=vote_id)
    _insert_options(tx, vote_id, draft.options)


def lock(tx: Tx, vote_id: UUID) -> Held | None:
    """The vote, locked until the commit."""
    vote_locks.hold(tx, vote_id)
    return tx.first(
        Held,
        "SELECT id, status, revision, closes_at FROM governance_votes WHERE id = :id FOR NO KEY UPDATE",
        id=vote_id,
    )


def move(tx: Tx, vote_id: UUID, status: VoteStatus) -> None:
    """Give a vote, which is locked, another status."""
    tx.run_later(
        "UPDATE governance_votes SET status = :status, revision = revision + 1 WHERE id = :id",
        id=vote_id,
        status=status.value,
    )


def close_early(tx: Tx, vote_id: UUID, now: datetime) -> None:
    """Take no more ballots from now on; the vote is locked."""
    tx.run_later(
        """
        UPDATE governance_votes SET status = 'closing', closed_early_at = :now, revision = revision + 1 WHERE id = :id
        """,
        id=vote_id,
        now=now,
    )


def find(tx: Tx, vote_id: UUID) -> VoteRow | None:
    """A vote by its id; None if there is none."""
    return tx.first(
        VoteRow,
        """
        SELECT v.revision, v.id, v.type, v.tier_min, v.title, v.description, o.options, v.seconds, v.quorum_percent,
               v.status, v.created_by, v.created_at, v.opened_at, v.closes_at, v.closed_early_at, v.closed_at,
               v.electors, encode(v.digest, 'hex') AS digest, v.outcome,
               (SELECT p.id FROM governance_proposals p WHERE p.vote_id = v.id) AS proposal_id
        FROM governance_votes v
        CROSS JOIN LATERAL (
            SELECT jsonb_agg(jsonb_build_object('option', option, 'label', label, 'ballots', ballots) ORDER BY option)
                   AS options
            FROM governance_options WHERE vote_id = v.id) AS o
        WHERE v.id = :id
        """,
        id=vote_id,
    )


def page(tx: Tx, status: str | None, after: Position | None, limit: int) -> list[VoteRow]:
    """Votes after a position, newest first."""
    return tx.all(
        VoteRow,
        """
        SELECT v.revision, v.id, v.type, v.tier_min, v.title, v.description, o.options, v.seconds, v.quorum_percent,
               v.status, v.created_by, v.created_at, v.opened_at, v.closes_at, v.closed_early_at, v.closed_at,
               v.electors, encode(v.digest, 'hex') AS digest, v.outcome,
               (SELECT p.id FROM governance_proposals p WHERE p.vote_id = v.id) AS proposal_id
        FROM governance_votes v
        CROSS JOIN LATERAL (
            SELECT jsonb_agg(jsonb_build_object('option', option, 'label', label, 'ballots', ballots) ORDER BY option)
                   AS options
            FROM governance_options WHERE vote_id = v.id) AS o
        WHERE (CAST(:status AS text) IS NULL OR v.status = :status)
          AND (CAST(:at AS timestamptz) IS NULL OR (v.created_at, v.id) < (:at, CAST(:id AS uuid)))
        ORDER BY v.created_at DESC, v.id DESC LIMIT :limit
        """,
        status=status,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def diary(tx: Tx, vote_id: UUID) -> list[VoteDiaryEntry]:
    """The last DIARY_MAX things that admins have done to the vote, oldest first."""
    newest_first = tx.all(
        VoteDiaryEntry,
        """
        SELECT log.created_at AS at, log.action AS act, log.changes ->> 'reason' AS reason, m.username
        FROM audit_logs log LEFT JOIN members m ON m.id = log.actor_id
        WHERE log.resource_type = 'vote' AND log.resource_id = CAST(CAST(:vote_id AS uuid) AS text)
        ORDER BY log.created_at DESC, log.id DESC LIMIT :limit
        """,
        vote_id=vote_id,
        limit=DIARY_MAX,
    )
    return newest_first[::-1]


def _insert_options(tx: Tx, vote_id: UUID, labels: Sequence[str]) -> None:
    tx.run(
        """
        INSERT INTO governance_options (vote_id, option, label)
        SELECT :vote_id, option, label FROM unnest(CAST(:labels AS text[])) WITH ORDINALITY AS given (label, option)
        """,
        vote_id=vote_id,
        labels=list(labels),
    )
