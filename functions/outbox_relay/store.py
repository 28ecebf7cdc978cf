"""Claims rows of the outbox, marks them as published, and deletes them later."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.db import Tx

STUBBORN_ATTEMPTS = 5


@dataclass(frozen=True)
class Waiting:
    """An outbox row that a relay has claimed."""

    id: int
    kind: str
    destination: str
    function: str | None
    body: dict[str, object]
    task_name: str | None
    deliver_at: datetime | None
    created_at: datetime
    attempts: int


def claim(tx: Tx, now: datetime, until: datetime, limit: int) -> list[Waiting]:
    """Claim the oldest rows that nobody else is publishing; they belong to this caller until `until`.

    Rows that have failed often are claimed by `claim_stubborn`.
    """
    return tx.all(
        Waiting,
        """
        WITH next AS (
            SELECT id FROM outbox
            WHERE published_at IS NULL AND (claimed_until IS NULL OR claimed_until <= :now)
              AND attempts < :stubborn_attempts
            ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
        ), claimed AS (
            UPDATE outbox SET claimed_until = :until, attempts = attempts + 1
            FROM next WHERE outbox.id = next.id
            RETURNING outbox.id, kind, destination, function, body, task_name, deliver_at,
                      outbox.created_at, attempts
        )
        SELECT * FROM claimed ORDER BY id
        """,
        now=now,
        until=until,
        limit=limit,
        stubborn_attempts=STUBBORN_ATTEMPTS,
    )


def claim_stubborn(tx: Tx, now: datetime, until: datetime, limit: int) -> list[Waiting]:
    """Claim rows that have failed STUBBORN_ATTEMPTS times, fewest attempts first, so that each gets a turn."""
    return tx.all(
        Waiting,
        """
        WITH next AS (
            SELECT id FROM outbox
            WHERE published_at IS NULL AND (claimed_until IS NULL OR claimed_until <= :now)
              AND attempts >= :stubborn_attempts
            ORDER BY attempts, id LIMIT :limit FOR UPDATE SKIP LOCKED
        ), claimed AS (
            UPDATE outbox SET claimed_until = :until, attempts = attempts + 1
            FROM next WHERE outbox.id = next.id
            RETURNING outbox.id, kind, destination, function, body, task_name, deliver_at,
                      outbox.created_at, attempts
        )
        SELECT * FROM claimed ORDER BY id
        """,
        now=now,
        until=until,
        limit=limit,
        stubborn_attempts=STUBBORN_ATTEMPTS,
    )


def mark_published(tx: Tx, ids: Sequence[int], now: datetime) -> None:
    """Mark rows as published."""
    tx.run("UPDATE outbox SET published_at = :now WHERE id = ANY(CAST(:ids AS bigint[]))", ids=list(ids), now=now)


def purge(tx: Tx, before: datetime, limit: int) -> int:
    """Delete rows that were published before a moment; returns how many."""
    return tx.run(
        """
        DELETE FROM outbox WHERE id IN (
            SELECT id FROM outbox WHERE published_at < :before ORDER BY published_at LIMIT :limit
        )
        """,
        before=before,
        limit=limit,
    )
