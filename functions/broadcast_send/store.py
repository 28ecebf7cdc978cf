"""A message to every member, and the members who get it next, as rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Tx

MEMBERS_AT_ONCE = 250


@dataclass(frozen=True)
class Message:
    """A message, and the number of the last member who has it."""

    id: UUID
    title: str
    body: str
    data: dict[str, Any]
    last_number: int
    done_number: int
    finished_at: datetime | None


@dataclass(frozen=True)
class Member:
    """A member by number; a suspended, deleted or unproved one is not active and gets no message."""

    id: UUID
    number: int
    is_active: bool


def lock(tx: Tx, broadcast_id: UUID) -> Message | None:
    """The message, locked, so that one task at a time sends it."""
    return tx.first(
        Message,
        """
        SELECT id, title, body, data, last_number, done_number, finished_at FROM broadcasts WHERE id = :id FOR UPDATE
        """,
        id=broadcast_id,
    )


def members_after(tx: Tx, number: int, last_number: int, limit: int) -> list[Member]:
    """The next members in the order of their numbers."""
    return tx.all(
        Member,
        """
        SELECT id, number, status = 'active' AND email_verified_at IS NOT NULL AS is_active FROM members
        WHERE number > :number AND number <= :last_number ORDER BY number LIMIT :limit
        """,
        number=number,
        last_number=last_number,
        limit=limit,
    )


def advance(tx: Tx, broadcast_id: UUID, done_number: int, told: int, now: datetime) -> None:
    """Record the progress; with the last number the message is finished."""
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
