"""Trips as the concierge sees them, as rows."""

from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.values.fields import Money, Reply
from shared.web.paging import Position


class AdminTrip(Reply):
    """A trip with its winner's contact data; `status` is the comp's, `state` the trip's own. A field is null as long as
    its step has not happened.
    """

    comp_id: UUID
    status: str
    member_uuid: UUID
    username: str
    full_name: str
    email: str
    phone: str | None
    awarded_at: datetime
    scan_number: int | None
    destination: str | None
    title: str | None
    value: Money | None
    state: str
    chosen_at: datetime | None
    concierge_contacted_at: datetime | None
    chip_mailed_at: datetime | None
    tracking_number: str | None


def trips(tx: Tx, state: str | None, comp_id: UUID | None, after: Position | None, limit: int) -> list[AdminTrip]:
    """Trips, newest first; of one state, or a single trip, if given."""
    return tx.all(
        AdminTrip,
        """
        SELECT c.id AS comp_id, c.status, m.id AS member_uuid, m.username, m.full_name, m.email, m.phone, c.awarded_at,
               c.scan_number, t.destination, t.title, t.value, coalesce(t.state, 'to_be_chosen') AS state, t.chosen_at,
               t.concierge_contacted_at, t.chip_mailed_at, t.tracking_number
        FROM comps c JOIN members m ON m.id = c.member_id LEFT JOIN trips t ON t.comp_id = c.id
        WHERE c.type = 'trip'
          AND (CAST(:state AS text) IS NULL OR coalesce(t.state, 'to_be_chosen') = :state)
          AND (CAST(:comp_id AS uuid) IS NULL OR c.id = :comp_id)
          AND (CAST(:at AS timestamptz) IS NULL OR (c.awarded_at, c.id) < (:at, CAST(:id AS uuid)))
        ORDER BY c.awarded_at DESC, c.id DESC LIMIT :limit
        """,
        state=state,
        comp_id=comp_id,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def lock(tx: Tx, comp_id: UUID) -> None:
    """Lock the trip's comp, so that changes of one trip follow each other."""
    tx.run_later("SELECT 1 FROM comps WHERE id = :comp_id FOR NO KEY UPDATE", comp_id=comp_id)


def contacted(tx: Tx, comp_id: UUID, now: datetime) -> None:
    """Record that the concierge has called the winner."""
    tx.run_later(
        "UPDATE trips SET state = 'concierge_contacted', concierge_contacted_at = :now WHERE comp_id = :comp_id",
        comp_id=comp_id,
        now=now,
    )


def chip_mailed(tx: Tx, comp_id: UUID, tracking_number: str, now: datetime) -> None:
    """Record that the commemorative chip was mailed."""
    tx.run_later(
        """
        UPDATE trips SET state = 'chip_mailed', chip_mailed_at = :now, tracking_number = :tracking_number
        WHERE comp_id = :comp_id
        """,
        comp_id=comp_id,
        tracking_number=tracking_number,
        now=now,
    )
