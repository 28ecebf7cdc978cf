"""The rules in force, and the member's trips."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.comps.rules import State, Terms
from shared.db import Tx
from shared.money import Usdt
from shared.prizes import Destination


@dataclass(frozen=True)
class Trip:
    """A trip that the member has won; what is None has not happened yet."""

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
    """Whom the concierge is to call."""

    full_name: str
    email: str
    phone: str | None


def terms(tx: Tx) -> list[Terms]:
    """The prizes of the global count, the most frequent first."""
    return tx.all(
        Terms,
        """
        SELECT type, interval, tier, amount, unlock_volume, unlocked_by_admin FROM comp_rules
        WHERE enabled AND interval IS NOT NULL ORDER BY interval, type
        """,
    )


def state(tx: Tx, now: datetime) -> State:
    """Where the count and the sales are."""
    return tx.one(
        State,
        """
        SELECT c.value AS scans, v.tins_per_month,
               (SELECT count(*) FROM comps WHERE type = 'trip' AND status <> 'cancelled'
                AND awarded_at >= date_trunc('month', CAST(:now AS timestamptz))) AS trips_this_month
        FROM scan_counter c, sales_volume v
        """,
        now=now,
    )


def trips(tx: Tx, member_id: UUID, comp_id: UUID | None) -> list[Trip]:
    """The member's trips, or one of them, newest first."""
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
    """Who chooses at the same moment waits; so does who cancels the comp."""
    tx.run_later("SELECT 1 FROM comps WHERE id = :comp_id FOR NO KEY UPDATE", comp_id=comp_id)


def choose(tx: Tx, comp_id: UUID, wanted: Destination, now: datetime) -> None:
    """The destination as it was offered."""
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
    """Name and addresses."""
    return tx.one(Winner, "SELECT full_name, email, phone FROM members WHERE id = :member_id", member_id=member_id)
