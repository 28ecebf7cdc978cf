"""Exports to be made, and exports that have expired."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx

PAGE_ROWS = 500


@dataclass(frozen=True)
class Waiting:
    """An export with its member and its state."""

    member_id: UUID
    status: str
    object_name: str


@dataclass(frozen=True)
class Old:
    """A file that has expired."""

    id: UUID
    object_name: str


@dataclass(frozen=True)
class Addressee:
    """The member who is told that the file is ready."""

    email: str
    full_name: str


def waiting(tx: Tx, export_id: UUID) -> Waiting | None:
    return tx.first(Waiting, "SELECT member_id, status, object_name FROM data_exports WHERE id = :id", id=export_id)


def mark_ready(tx: Tx, export_id: UUID, now: datetime, until: datetime) -> bool:
    """Mark the export as ready; False if it was ready before, or its member is deleted."""
    return (
        tx.run(
            """
            UPDATE data_exports SET status = 'ready', ready_at = :now, expires_at = :until
            FROM members WHERE data_exports.id = :id AND data_exports.status = 'making'
              AND members.id = member_id AND members.status <> 'deleted'
            """,
            id=export_id,
            now=now,
            until=until,
        )
        == 1
    )


def addressee(tx: Tx, member_id: UUID) -> Addressee:
    return tx.one(Addressee, "SELECT email, full_name FROM members WHERE id = :id", id=member_id)


def expired(tx: Tx, now: datetime, limit: int) -> list[Old]:
    """Exports whose file has expired."""
    return tx.all(
        Old,
        """
        SELECT id, object_name FROM data_exports WHERE status = 'ready' AND expires_at <= :now
        ORDER BY expires_at LIMIT :limit
        """,
        now=now,
        limit=limit,
    )


def mark_expired(tx: Tx, export_id: UUID) -> None:
    """Record that the export's file is deleted."""
    tx.run("UPDATE data_exports SET status = 'expired' WHERE id = :id", id=export_id)
