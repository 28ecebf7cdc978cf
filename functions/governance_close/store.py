"""Votes that are opened and closed, their electors and their ballots, as rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Tx
from shared.social import vote_locks
from shared.social.votes import VoteOutcome
from shared.values.states import VoteStatus
from shared.values.tiers import Tier

ELECTORS_SECONDS_MAX = 240


@dataclass(frozen=True)
class Vote:
    """A vote, locked. `labels` are those of its options, in their order."""

    id: UUID
    type: str
    tier_min: Tier
    title: str
    description: str
    labels: list[str]
    seconds: int
    quorum_percent: int
    status: VoteStatus
    opened_at: datetime | None
    closes_at: datetime | None
    closed_early_at: datetime | None
    electors: int | None
    digest: bytes | None
    outcome: dict[str, Any] | None


@dataclass(frozen=True)
class Roll:
    """How many electors there are, and the digest that seals them with the vote's content."""

    electors: int
    digest: bytes


@dataclass(frozen=True)
class Total:
    """The ballots of an option: as they were added up one by one, and as the rows are counted."""

    option: int
    ballots: int
    rows: int


def lock(tx: Tx, vote_id: UUID) -> Vote | None:
    """The vote, locked until the commit against ballots and admins."""
    vote_locks.hold(tx, vote_id)
    tx.run_later("SELECT 1 FROM governance_votes WHERE id = :id FOR UPDATE", id=vote_id)
    return find(tx, vote_id)


def find(tx: Tx, vote_id: UUID) -> Vote | None:
    """The vote as it is."""
    return tx.first(
        Vote,
        """
        SELECT v.id, v.type, v.tier_min, v.title, v.description,
               ARRAY(SELECT label FROM governance_options o WHERE o.vote_id = v.id ORDER BY option) AS labels,
               v.seconds, v.quorum_percent, v.status, v.opened_at, v.closes_at, v.closed_early_at, v.electors,
               v.digest, v.outcome
        FROM governance_votes v WHERE v.id = :id
        """,
        id=vote_id,
    )


def waiting(tx: Tx, now: datetime) -> list[UUID]:
    """The votes that are to be opened, and those that take no more ballots and are not closed."""
    return tx.column(
        UUID,
        """
        SELECT id FROM governance_votes
        WHERE status IN ('opening', 'active', 'closing') AND (status <> 'active' OR closes_at <= :now) ORDER BY id
        """,
        now=now,
    )


def make_electors(tx: Tx, vote: Vote, quarter: str, content: bytes) -> Roll:
    """Insert the electors of a vote, and seal them: one statement, which sees one state of members and tiers.

    The digest is the SHA-256 of the content and of the electors' ids, 16 bytes each, in their order.
    """
    tx.allow(ELECTORS_SECONDS_MAX)
    return tx.one(
        Roll,
        """
        WITH made AS (
            INSERT INTO governance_electors (vote_id, member_id)
            SELECT :vote_id, m.id
            FROM members m LEFT JOIN member_quarters q ON q.member_id = m.id AND q.quarter = :quarter
            WHERE m.status = 'active'
              AND greatest(coalesce(q.tier, 'standard'), m.permanent_tier) >= CAST(:tier_min AS tier)
            RETURNING member_id)
        SELECT CAST(count(*) AS integer) AS electors,
               sha256(CAST(:content AS bytea) || coalesce(string_agg(uuid_send(member_id), '' ORDER BY member_id), ''))
               AS digest
        FROM made
        """,
        vote_id=vote.id,
        quarter=quarter,
        tier_min=vote.tier_min.value,
        content=content,
    )


def roll(tx: Tx, vote_id: UUID, content: bytes) -> Roll:
    """The electors of a vote as its rows say, sealed with this content as at the opening."""
    tx.allow(ELECTORS_SECONDS_MAX)
    return tx.one(
        Roll,
        """
        SELECT CAST(count(*) AS integer) AS electors,
               sha256(CAST(:content AS bytea) || coalesce(string_agg(uuid_send(member_id), '' ORDER BY member_id), ''))
               AS digest
        FROM governance_electors WHERE vote_id = :vote_id
        """,
        vote_id=vote_id,
        content=content,
    )


def activate(tx: Tx, vote: Vote, roll: Roll, opened_at: datetime) -> None:
    """Open the vote, which is locked, from this moment on."""
    tx.run_later(
        """
        UPDATE governance_votes
        SET status = 'active', opened_at = CAST(:opened_at AS timestamptz),
            closes_at = CAST(:opened_at AS timestamptz) + make_interval(secs => seconds),
            electors = :electors, digest = :digest, revision = revision + 1
        WHERE id = :id
        """,
        id=vote.id,
        opened_at=opened_at,
        electors=roll.electors,
        digest=roll.digest,
    )


def totals(tx: Tx, vote_id: UUID) -> list[Total]:
    """The ballots of each option, in the options' order."""
    tx.allow(ELECTORS_SECONDS_MAX)
    return tx.all(
        Total,
        """
        SELECT o.option, o.ballots, CAST(coalesce(counted.number, 0) AS integer) AS rows
        FROM governance_options o
        LEFT JOIN (SELECT option, count(*) AS number FROM governance_ballots WHERE vote_id = :vote_id GROUP BY option)
             AS counted ON counted.option = o.option
        WHERE o.vote_id = :vote_id ORDER BY o.option
        """,
        vote_id=vote_id,
    )


def end_ballots(tx: Tx, vote_id: UUID) -> None:
    """Note that the vote, which is locked, takes no more ballots, though its outcome cannot be published."""
    tx.run_later(
        """
        UPDATE governance_votes SET status = 'closing', revision = revision + 1 WHERE id = :id AND status = 'active'
        """,
        id=vote_id,
    )


def close(tx: Tx, vote_id: UUID, outcome: VoteOutcome, now: datetime) -> None:
    """Publish the outcome of the vote, which is locked."""
    tx.run_later(
        """
        UPDATE governance_votes
        SET status = 'closed', closed_at = :now, outcome = CAST(:outcome AS jsonb), revision = revision + 1
        WHERE id = :id
        """,
        id=vote_id,
        outcome=outcome.model_dump_json(),
        now=now,
    )
