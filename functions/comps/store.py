"""The trips of this month and the member's trips, as rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.values.money import Usdt
from shared.values.prizes import Destination


@dataclass(frozen=True)
class Trip:
    """A trip that the member has won; a field is None as long as its step has not happened."""

    comp_id: UUID
    status: str
    awarded_at: datetime
    scan_number: int | None
    destination: str | None
    title: str | None
    value: Usdt | None
    state: str | None
    chosen_at: datetime | None
    concierge_contacted_at: datetime | None
    chip_mailed_at: datetime | None
    tracking_number: str | None


@dataclass(frozen=True)
class Winner:
    """The contact data that the concierge needs."""

    full_name: str
    email: str
    phone: str | None


def trips(tx: Tx, member_id: UUID, comp_id: UUID | None) -> list[Trip]:
    """The member's trips, or a single one, newest first."""
    return tx.all(
        Trip,
        """
        SELECT c.id AS comp_id, c.status, c.awarded_at, c.scan_number, t.destination, t.title, t.value, t.state,
               t.chosen_at, t.concierge_contacted_at, t.chip_mailed_at, t.tracking_number
        FROM comps c LEFT JOIN trips t ON t.comp_id = c.id
        WHERE c.member_id = :member_id AND c.type = 'trip' AND (CAST(:comp_id AS uuid) IS NULL OR c.id = :comp_id)
        ORDER BY c.awarded_at DESC, c.id DESC
        """,
        member_id=member_id,
        comp_id=comp_id,
    )


def lock(tx: Tx, comp_id: UUID) -> None:
    """Lock the comp, so that a choice, a second choice and a cancellation follow each other."""
    tx.run_later("SELECT 1 FROM comps WHERE id = :comp_id FOR NO KEY UPDATE", comp_id=comp_id)


def choose(tx: Tx, comp_id: UUID, wanted: Destination, now: datetime) -> None:
    """Record the destination as it was offered."""
    tx.run_later(
        """
        INSERT INTO trips (comp_id, destination, title, value, chosen_at)
        VALUES (:comp_id, :destination, :title, :value, :now)
        """,
        comp_id=comp_id,
        destination=wanted.key,
        title=wanted.title,
        value=wanted.value,
        now=now,
    )


def winner(tx: Tx, member_id: UUID) -> Winner:
    """The name, e-mail address and phone number of the winner."""
    return tx.one(Winner, "SELECT full_name, email, phone FROM members WHERE id = :member_id", member_id=member_id)
