"""Figures read from the tables, without locking anything, and the row that says how a minute was."""

from dataclasses import dataclass
from datetime import datetime

from shared.db import Tx
from shared.values.incidents import Cause


@dataclass(frozen=True)
class Waiting:
    """The number of unpublished rows of the outbox, and the time of the oldest."""

    rows: int
    since: datetime | None


@dataclass(frozen=True)
class Open:
    """The oldest request among payouts that should continue by themselves, and the number of those that wait for a
    person.
    """

    since: datetime | None
    held: int


@dataclass(frozen=True)
class Pays:
    """A treasury, and the address that it pays from."""

    name: str
    token_address: str
    address: str
    paused: bool


def waiting(tx: Tx, now: datetime) -> Waiting:
    """The unpublished rows. A delayed task is not among them: the relay hands it to its queue at once."""
    return tx.one(
        Waiting,
        """
        SELECT count(*) AS rows, min(created_at) AS since
        FROM outbox WHERE published_at IS NULL AND created_at <= :now
        """,
        now=now,
    )


def open_payouts(tx: Tx) -> Open:
    """The open payouts. The age counts from the request, because that is how long the recipient waits."""
    return tx.one(
        Open,
        """
        SELECT min(requested_at) FILTER (WHERE NOT payout_is_stopped(state)) AS since,
               count(*) FILTER (WHERE payout_is_stopped(state)) AS held
        FROM payouts WHERE payout_is_unfinished(state)
        """,
    )


def treasuries(tx: Tx) -> list[Pays]:
    """All treasuries, each with its active key."""
    return tx.all(
        Pays,
        """
        SELECT t.name, t.token_address, s.address, t.paused_at IS NOT NULL AS paused
        FROM treasuries t JOIN signers s ON s.treasury = t.name AND s.status = 'active'
        ORDER BY t.name
        """,
    )


def newest_access_key(tx: Tx) -> datetime | None:
    """When the newest signing key of access tokens was registered."""
    return tx.scalar_or_none(
        datetime, "SELECT max(created_at) AS created_at FROM signing_keys WHERE retired_at IS NULL"
    )


def keep_minute(tx: Tx, now: datetime, *, is_up: bool, probe_ms: int) -> None:
    """Keep how the platform is in this minute; the first look of a minute counts."""
    tx.run(
        """
        INSERT INTO watch_minutes (minute, is_up, probe_ms)
        VALUES (date_trunc('minute', CAST(:now AS timestamptz), 'UTC'), :is_up, :probe_ms) ON CONFLICT DO NOTHING
        """,
        now=now,
        is_up=is_up,
        probe_ms=probe_ms,
    )


def causes(tx: Tx) -> list[Cause]:
    """The critical causes in the tables: paused treasuries, treasuries with open findings, payouts in quarantine, and
    keys of which somebody else has used a nonce that is not explained.
    """
    return tx.all(
        Cause,
        """
        SELECT 'treasury_paused' AS kind, name AS subject, 'It is paused: ' || pause_reason AS detail,
               paused_at AS since
        FROM treasuries WHERE paused_at IS NOT NULL
        UNION ALL
        SELECT 'discrepancy', treasury, count(*) || ' findings are open, of kind ' || min(kind) || '.', min(found_at)
        FROM reconciliation_findings WHERE resolved_at IS NULL GROUP BY treasury
        UNION ALL
        SELECT 'quarantine', CAST(id AS text), 'A payout of the ' || treasury || ' treasury is in quarantine.', state_at
        FROM payouts WHERE state = 'QUARANTINED'
        UNION ALL
        SELECT 'stolen_key', CAST(signer AS text), 'Somebody else has used nonce ' || min(nonce) || ' of the key.',
               min(state_at)
        FROM payout_slots WHERE state = 'FOREIGN' GROUP BY signer
        ORDER BY kind, subject
        """,
    )
