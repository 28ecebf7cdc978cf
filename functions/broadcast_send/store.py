"""A message to every member, and the members whose turn it is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Tx

MEMBERS_AT_ONCE = 250


@dataclass(frozen=True)
class Message:
    """What is told, and up to which member's number it has been."""

    id: UUID
    title: str
    body: str
    data: dict[str, Any]
    last_number: int
    done_number: int
    finished_at: datetime | None


@dataclass(frozen=True)
class Member:
    """A member; who is suspended or gone is not told."""

    id: UUID
    number: int
    is_active: bool


def lock(tx: Tx, broadcast_id: UUID) -> Message | None:
    """One task at a time."""
    return tx.first(
        Message,
        """
        SELECT id, title, body, data, last_number, done_number, finished_at FROM broadcasts WHERE id = :id FOR UPDATE
        """,
        id=broadcast_id,
    )


def members_after(tx: Tx, number: int, last_number: int, limit: int) -> list[Member]:
    """The next ones."""
    return tx.all(
        Member,
        """
        SELECT id, number, status = 'active' AS is_active FROM members
        WHERE number > :number AND number <= :last_number ORDER BY number LIMIT :limit
        """,
        number=number,
        last_number=last_number,
        limit=limit,
    )


def advance(tx: Tx, broadcast_id: UUID, done_number: int, told: int, now: datetime) -> None:
    """So far it is; with the last number it is finished."""
    tx.run_later(
        """
        UPDATE broadcasts SET done_number = :done_number, told = told + :told,
               finished_at = CASE WHEN :done_number = last_number THEN CAST(:now AS timestamptz) END
        WHERE id = :id
        """,
        id=broadcast_id,
        done_number=done_number,
        told=told,
        now=now,
    )
