"""Votes that listeners follow, as rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Tx
from shared.values.states import VoteStatus


@dataclass(frozen=True)
class Vote:
    """A vote that was opened, with the ballots of each option so far."""

    id: UUID
    status: VoteStatus
    electors: int
    closes_at: datetime
    closed_at: datetime | None
    outcome: dict[str, Any] | None
    totals: list[dict[str, Any]]


def find(tx: Tx, vote_id: UUID) -> Vote | None:
    """The vote; None if it was never opened."""
    return tx.first(
        Vote,
        """
        SELECT v.id, v.status, v.electors, v.closes_at, v.closed_at, v.outcome,
               (SELECT jsonb_agg(jsonb_build_object('option', o.option, 'ballots', o.ballots) ORDER BY o.option)
                FROM governance_options o WHERE o.vote_id = v.id) AS totals
        FROM governance_votes v WHERE v.id = :id AND v.opened_at IS NOT NULL
        """,
        id=vote_id,
    )


def going(tx: Tx) -> list[Vote]:
    """The votes whose totals may still change."""
    return tx.all(
        Vote,
        """
        SELECT v.id, v.status, v.electors, v.closes_at, v.closed_at, v.outcome,
               (SELECT jsonb_agg(jsonb_build_object('option', o.option, 'ballots', o.ballots) ORDER BY o.option)
                FROM governance_options o WHERE o.vote_id = v.id) AS totals
        FROM governance_votes v WHERE v.status IN ('active', 'closing') ORDER BY v.id
        """,
    )
