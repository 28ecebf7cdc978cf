"""What the tables tell about themselves. Nothing is locked, nothing is written."""

from dataclasses import dataclass
from datetime import datetime

from shared.db import Tx


@dataclass(frozen=True)
class Waiting:
    """The outbox's rows that are not published yet."""

    rows: int
    since: datetime | None


@dataclass(frozen=True)
class Open:
    """Payouts that should be moving by themselves, and those that wait for a person."""

    since: datetime | None
    held: int


@dataclass(frozen=True)
class Pays:
    """A treasury, and the address that it pays from."""

    name: str
    token_address: str
    address: str
    paused: bool


@dataclass(frozen=True)
class _Key:
    created_at: datetime | None


def waiting(tx: Tx, now: datetime) -> Waiting:
    """A task that is to come later is out with the queue already; the age is that of the oldest row."""
    return tx.one(
        Waiting,
        """
        SELECT count(*) AS rows, min(created_at) AS since
        FROM outbox WHERE published_at IS NULL AND created_at <= :now
        """,
        now=now,
    )


def open_payouts(tx: Tx) -> Open:
    """The oldest by when it was requested, for it is the recipient who waits."""
    return tx.one(
        Open,
        """
        SELECT min(requested_at) FILTER (WHERE state NOT IN ('HELD', 'QUARANTINED')) AS since,
               count(*) FILTER (WHERE state IN ('HELD', 'QUARANTINED')) AS held
        FROM payouts WHERE state NOT IN ('PAID', 'CANCELLED')
        """,
    )


def treasuries(tx: Tx) -> list[Pays]:
    """With their active keys."""
    return tx.all(
        Pays,
        """
        SELECT t.name, t.token_address, s.address, t.paused_at IS NOT NULL AS paused
        FROM treasuries t JOIN signers s ON s.treasury = t.name AND s.status = 'active'
        ORDER BY t.name
        """,
    )


def newest_access_key(tx: Tx) -> datetime | None:
    """When the newest key of access tokens was registered."""
    return tx.one(_Key, "SELECT max(created_at) AS created_at FROM signing_keys WHERE retired_at IS NULL").created_at
