"""Messages to every member with their progress, as rows."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.values.fields import Reply
from shared.web.paging import Position


class Broadcast(Reply):
    """A message to every member; `told` counts the members who have it so far. Later members do not get it. `progress`
    goes from 0 to 1.
    """

    id: UUID
    title: str
    body: str
    created_at: datetime
    created_by: UUID
    told: int
    progress: float
    finished_at: datetime | None


def insert(
    tx: Tx, broadcast_id: UUID, title: str, body: str, data: Mapping[str, str], admin_id: UUID, now: datetime
) -> bool:
    """Insert a message for all members up to the newest one; False if the id exists already."""
    return bool(
        tx.run(
            """
            INSERT INTO broadcasts (id, title, body, data, created_by, created_at, last_number)
            SELECT :id, :title, :body, :data, :admin_id, :now, max(number) FROM members ON CONFLICT (id) DO NOTHING
            """,
            id=broadcast_id,
            title=title,
            body=body,
            data=dict(data),
            admin_id=admin_id,
            now=now,
        )
    )


def find(tx: Tx, broadcast_id: UUID) -> Broadcast | None:
    """The message with this id, if there is one."""
    return tx.first(
        Broadcast,
        """
        SELECT id, title, body, created_at, created_by, told,
               CAST(done_number AS double precision) / last_number AS progress, finished_at
        FROM broadcasts WHERE id = :id
        """,
        id=broadcast_id,
    )


def page(tx: Tx, after: Position | None, limit: int) -> list[Broadcast]:
    """Messages after a position, newest first."""
    return tx.all(
        Broadcast,
        """
        SELECT id, title, body, created_at, created_by, told,
               CAST(done_number AS double precision) / last_number AS progress, finished_at
        FROM broadcasts
        WHERE CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:id AS uuid))
        ORDER BY created_at DESC, id DESC LIMIT :limit
        """,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )
