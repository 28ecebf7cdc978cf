"""Votes as members see them, and what they cast, as rows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from functions.governance.models import PublishedBallot
from shared.db import Tx
from shared.social import vote_locks
from shared.social.votes import VoteType
from shared.values.states import VoteStatus
from shared.values.tiers import Tier
from shared.web.paging import Position


@dataclass(frozen=True)
class VoteRow:
    """A vote with its options, and the member's own ballot, whose fields are null without one."""

    id: UUID
    type: VoteType
    tier_min: Tier
    title: str
    description: str
    options: list[dict[str, Any]]
    status: VoteStatus
    seconds: int
    quorum_percent: int
    opened_at: datetime
    closes_at: datetime
    closed_early_at: datetime | None
    closed_at: datetime | None
    electors: int
    digest: str
    outcome: dict[str, Any] | None
    is_elector: bool
    option: int | None
    receipt: str | None
    cast_at: datetime | None


@dataclass(frozen=True)
class BoothRow:
    """A vote that ballots are cast in, locked so that it is not closed meanwhile."""

    id: UUID
    status: VoteStatus
    closes_at: datetime | None
    options: list[int]


@dataclass(frozen=True)
class Elector:
    """A member who may vote in a vote."""

    vote_id: UUID
    member_id: UUID


@dataclass(frozen=True)
class BallotRow:
    """A ballot that was cast."""

    vote_id: UUID
    member_id: UUID
    option: int
    receipt: bytes
    cast_at: datetime


def page(tx: Tx, member_id: UUID, status: str | None, after: Position | None, limit: int) -> list[VoteRow]:
    """Votes that were opened, newest first, after a position."""
    return tx.all(
        VoteRow,
        """
        SELECT v.id, v.type, v.tier_min, v.title, v.description, o.options, v.status, v.seconds, v.quorum_percent,
               v.opened_at, v.closes_at, v.closed_early_at, v.closed_at, v.electors, encode(v.digest, 'hex') AS digest,
               v.outcome,
               EXISTS (SELECT FROM governance_electors e WHERE e.vote_id = v.id AND e.member_id = :member_id)
               AS is_elector, b.option, encode(b.receipt, 'hex') AS receipt, b.cast_at
        FROM governance_votes v
        CROSS JOIN LATERAL (
            SELECT jsonb_agg(jsonb_build_object('option', option, 'label', label, 'ballots', ballots) ORDER BY option)
                   AS options
            FROM governance_options WHERE vote_id = v.id) AS o
        LEFT JOIN governance_ballots b ON b.vote_id = v.id AND b.member_id = :member_id
        WHERE v.opened_at IS NOT NULL AND (CAST(:status AS text) IS NULL OR v.status = :status)
          AND (CAST(:at AS timestamptz) IS NULL OR (v.opened_at, v.id) < (:at, CAST(:id AS uuid)))
        ORDER BY v.opened_at DESC, v.id DESC LIMIT :limit
        """,
        member_id=member_id,
        status=status,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def find(tx: Tx, member_id: UUID, vote_id: UUID) -> VoteRow | None:
    """One vote that was opened."""
    return tx.first(
        VoteRow,
        """
        SELECT v.id, v.type, v.tier_min, v.title, v.description, o.options, v.status, v.seconds, v.quorum_percent,
               v.opened_at, v.closes_at, v.closed_early_at, v.closed_at, v.electors, encode(v.digest, 'hex') AS digest,
               v.outcome,
               EXISTS (SELECT FROM governance_electors e WHERE e.vote_id = v.id AND e.member_id = :member_id)
               AS is_elector, b.option, encode(b.receipt, 'hex') AS receipt, b.cast_at
        FROM governance_votes v
        CROSS JOIN LATERAL (
            SELECT jsonb_agg(jsonb_build_object('option', option, 'label', label, 'ballots', ballots) ORDER BY option)
                   AS options
            FROM governance_options WHERE vote_id = v.id) AS o
        LEFT JOIN governance_ballots b ON b.vote_id = v.id AND b.member_id = :member_id
        WHERE v.id = :vote_id AND v.opened_at IS NOT NULL
        """,
        member_id=member_id,
        vote_id=vote_id,
    )


def is_closed(tx: Tx, vote_id: UUID) -> bool | None:
    """Whether the outcome is published; None for a vote that was never opened."""
    return tx.scalar_or_none(
        bool,
        "SELECT status = 'closed' AS is_closed FROM governance_votes WHERE id = :vote_id AND opened_at IS NOT NULL",
        vote_id=vote_id,
    )


def published(tx: Tx, vote_id: UUID, after: str | None, limit: int) -> list[PublishedBallot]:
    """Ballots of a vote after a receipt, in the order of receipts."""
    return tx.all(
        PublishedBallot,
        """
        SELECT encode(receipt, 'hex') AS receipt, option FROM governance_ballots
        WHERE vote_id = :vote_id AND receipt > decode(:after, 'hex') ORDER BY governance_ballots.receipt LIMIT :limit
        """,
        vote_id=vote_id,
        after=after or "",
        limit=limit,
    )


def lock(tx: Tx, votes: Collection[UUID]) -> dict[UUID, BoothRow]:
    """Votes by their ids, locked against closing until the commit, in the order of their ids."""
    vote_locks.share(tx, votes)
    tx.run_later(
        "SELECT 1 FROM governance_votes WHERE id = ANY(CAST(:votes AS uuid[])) ORDER BY id FOR SHARE",
        votes=sorted(votes),
    )
    rows = tx.all(
        BoothRow,
        """
        SELECT v.id, v.status, v.closes_at, array_agg(o.option) AS options
        FROM governance_votes v JOIN governance_options o ON o.vote_id = v.id
        WHERE v.id = ANY(CAST(:votes AS uuid[])) GROUP BY v.id
        """,
        votes=sorted(votes),
    )
    return {row.id: row for row in rows}


def electors(tx: Tx, wanted: Sequence[tuple[UUID, UUID]]) -> set[tuple[UUID, UUID]]:
    """The pairs of vote and member, as far as these are electors."""
    rows = tx.all(
        Elector,
        """
        SELECT e.vote_id, e.member_id
        FROM unnest(CAST(:votes AS uuid[]), CAST(:members AS uuid[])) AS given (vote_id, member_id)
        JOIN governance_electors e ON e.vote_id = given.vote_id AND e.member_id = given.member_id
        """,
        votes=[vote for vote, _ in wanted],
        members=[member for _, member in wanted],
    )
    return {(row.vote_id, row.member_id) for row in rows}


def cast(tx: Tx, ballots: Sequence[BallotRow]) -> set[tuple[UUID, UUID]]:
    """Insert ballots, in this order, and return the pairs of vote and member whose ballot is new."""
    rows = tx.all(
        Elector,
        """
        INSERT INTO governance_ballots (vote_id, member_id, option, receipt, cast_at)
        SELECT vote_id, member_id, option, receipt, cast_at
        FROM unnest(CAST(:votes AS uuid[]), CAST(:members AS uuid[]), CAST(:options AS integer[]),
                    CAST(:receipts AS bytea[]), CAST(:moments AS timestamptz[]))
             AS given (vote_id, member_id, option, receipt, cast_at)
        ORDER BY vote_id, member_id
        ON CONFLICT (vote_id, member_id) DO NOTHING
        RETURNING vote_id, member_id
        """,
        votes=[ballot.vote_id for ballot in ballots],
        members=[ballot.member_id for ballot in ballots],
        options=[ballot.option for ballot in ballots],
        receipts=[ballot.receipt for ballot in ballots],
        moments=[ballot.cast_at for ballot in ballots],
    )
    return {(row.vote_id, row.member_id) for row in rows}


def cast_before(tx: Tx, wanted: Sequence[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], BallotRow]:
    """The ballots of these pairs of vote and member, as far as there are any."""
    rows = tx.all(
        BallotRow,
        """
        SELECT b.vote_id, b.member_id, b.option, b.receipt, b.cast_at
        FROM unnest(CAST(:votes AS uuid[]), CAST(:members AS uuid[])) AS given (vote_id, member_id)
        JOIN governance_ballots b ON b.vote_id = given.vote_id AND b.member_id = given.member_id
        """,
        votes=[vote for vote, _ in wanted],
        members=[member for _, member in wanted],
    )
    return {(row.vote_id, row.member_id): row for row in rows}


def add(tx: Tx, counts: Sequence[tuple[UUID, int, int]]) -> None:
    """Add ballots to options, each given as vote, option and number, in the order of votes and options. The options are
    locked from here to the commit: do nothing after it that others could hold up.
    """
    tx.run_later(
        """
        SELECT 1 FROM governance_options o
        JOIN unnest(CAST(:votes AS uuid[]), CAST(:options AS integer[])) AS given (vote_id, option)
             ON o.vote_id = given.vote_id AND o.option = given.option
        ORDER BY o.vote_id, o.option FOR NO KEY UPDATE OF o
        """,
        votes=[vote for vote, _, _ in counts],
        options=[option for _, option, _ in counts],
    )
    tx.run_later(
        """
        UPDATE governance_options o SET ballots = o.ballots + given.number
        FROM unnest(CAST(:votes AS uuid[]), CAST(:options AS integer[]), CAST(:numbers AS integer[]))
             AS given (vote_id, option, number)
        WHERE o.vote_id = given.vote_id AND o.option = given.option
        """,
        votes=[vote for vote, _, _ in counts],
        options=[option for _, option, _ in counts],
        numbers=[number for _, _, number in counts],
    )
