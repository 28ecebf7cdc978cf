"""Locks of votes that are taken before the votes' rows, because whoever waits for one of these is let in by turn.

Ballots lock a vote's row FOR SHARE, and while ballots come, new ones join those that hold it: who wants the row alone
could wait for ever. An advisory lock has a queue, which newcomers join at its end.
"""

from collections.abc import Collection
from uuid import UUID

from shared.db import Tx


def share(tx: Tx, votes: Collection[UUID]) -> None:
    """Lock votes until the commit, beside others who cast ballots in them, in the order of their ids."""
    tx.run_later(
        """
        SELECT pg_advisory_xact_lock_shared(hashtextextended('vote:' || CAST(given.id AS text), 0))
        FROM (SELECT id FROM unnest(CAST(:votes AS uuid[])) AS wanted (id) ORDER BY id) AS given
        """,
        votes=sorted(votes),
    )


def hold(tx: Tx, vote_id: UUID) -> None:
    """Lock a vote until the commit, alone: ballots that come later wait."""
    tx.run_later("SELECT pg_advisory_xact_lock(hashtextextended('vote:' || :id, 0))", id=str(vote_id))


def take_turn(tx: Tx, vote_id: UUID) -> bool:
    """Keep other runs of governance_close from the vote until the commit, without waiting; False if one is at it."""
    return tx.scalar(
        bool,
        "SELECT pg_try_advisory_xact_lock(hashtextextended('turn:' || :id, 0)) AS is_mine",
        id=str(vote_id),
    )
