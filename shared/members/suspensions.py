"""Suspends and reactivates members: everything that happens besides the change of `members.status`.

A suspended member is refused by every operation, gets no push, and payouts to them are held.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.auth import Role
from shared.db import Tx
from shared.members import listeners
from shared.payouts import machine

RESUMED_MAX = 500  # how many payouts an activation sends on at once; the sweep sends on the rest


@dataclass(frozen=True)
class Account:
    """An account, its status, and its role if it is an admin's."""

    id: UUID
    status: str
    role: Role | None


def lock(tx: Tx, member_id: UUID) -> Account | None:
    """The account, locked, so that suspensions and activations run one after the other; None if there is none."""
    return tx.first(Account, "SELECT id, status, role FROM members WHERE id = :id FOR NO KEY UPDATE", id=member_id)


def suspend(tx: Tx, member_id: UUID, now: datetime) -> None:
    """Suspend an active member: their sessions end and their listeners are cut off."""
    _set_status(tx, member_id, "suspended", now)
    tx.run(
        """
        UPDATE sessions SET ended_at = :now, end_reason = 'account suspended'
        WHERE member_id = :member_id AND ended_at IS NULL
        """,
        member_id=member_id,
        now=now,
    )
    listeners.revoke(tx, member_id, now)


def activate(tx: Tx, member_id: UUID, now: datetime) -> None:
    """Activate a suspended member: they may sign in again, and payouts held for the suspension are sent on."""
    _set_status(tx, member_id, "active", now)
    for held in held_for_suspension(tx, member_id, RESUMED_MAX):
        machine.send_soon(tx, held.payout_id, held.treasury, now)


def _set_status(tx: Tx, member_id: UUID, status: str, now: datetime) -> None:
    tx.run(
        "UPDATE members SET status = :status, updated_at = :now WHERE id = :id", id=member_id, status=status, now=now
    )


@dataclass(frozen=True)
class Suspended:
    """A payout that is held until its member is reactivated."""

    treasury: str
    payout_id: UUID


def held_for_suspension(tx: Tx, member_id: UUID, limit: int) -> list[Suspended]:
    """The member's payouts that are held because of the suspension, oldest request first."""
    return tx.all(
        Suspended,
        """
        SELECT treasury, id AS payout_id FROM payouts
        WHERE member_id = :member_id AND state = 'HELD' AND hold_reason = 'suspended'
        ORDER BY requested_at, id LIMIT :limit
        """,
        member_id=member_id,
        limit=limit,
    )
