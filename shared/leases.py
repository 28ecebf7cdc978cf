"""Leases: of several runs of a loop, one has the work at a time; it loses it by not prolonging it."""

from datetime import datetime
from uuid import UUID

from shared.db import Tx


def take(tx: Tx, name: str, holder: UUID, now: datetime, until: datetime) -> bool:
    """Take or prolong a lease; False while another holder has it."""
    return bool(
        tx.run(
            """
            INSERT INTO leases AS lease (name, holder, held_until) VALUES (:name, :holder, :until)
            ON CONFLICT (name) DO UPDATE SET holder = EXCLUDED.holder, held_until = EXCLUDED.held_until
            WHERE lease.holder = EXCLUDED.holder OR lease.held_until <= :now
            """,
            name=name,
            holder=holder,
            now=now,
            until=until,
        )
    )


def release(tx: Tx, name: str, holder: UUID, now: datetime) -> None:
    """End the lease, so that the next holder need not wait for its expiry."""
    tx.run(
        "UPDATE leases SET held_until = :now WHERE name = :name AND holder = :holder",
        name=name,
        holder=holder,
        now=now,
    )
