"""The settings, their history, and changes that wait for a second owner, as rows."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from shared.db import Tx
from shared.web.paging import Position


@dataclass(frozen=True)
class Kept:
    """A setting as it is."""

    name: str
    value: Any
    description: str
    revision: int
    changed_at: datetime | None


@dataclass(frozen=True)
class Wish:
    """A change that waits for a second owner: of which revision, by whom, and to which value."""

    name: str
    revision: int
    value: Any
    wished_by: UUID
    reason: str
    wished_at: datetime


@dataclass(frozen=True)
class Change:
    """A change of a setting: by whom, who agreed, when, from what to what, and why."""

    id: UUID
    revision: int
    before: Any
    after: Any
    changed_by: UUID
    changed_by_username: str
    approved_by: UUID | None
    approved_by_username: str | None
    reason: str
    changed_at: datetime


def all_settings(tx: Tx) -> list[Kept]:
    """All settings by name."""
    return tx.all(Kept, "SELECT name, value, description, revision, changed_at FROM settings ORDER BY name")


def wishes(tx: Tx) -> list[Wish]:
    """The changes that wait for a second owner, of the revisions in force."""
    return tx.all(
        Wish,
        """
        SELECT w.name, w.revision, w.value, w.wished_by, w.reason, w.wished_at
        FROM setting_wishes w JOIN settings s ON s.name = w.name AND s.revision = w.revision
        ORDER BY w.name, w.wished_at
        """,
    )


def lock(tx: Tx, name: str) -> Kept | None:
    """The setting, locked, so that its changes come one after the other; None if there is none of this name."""
    return tx.first(
        Kept,
        "SELECT name, value, description, revision, changed_at FROM settings WHERE name = :name FOR NO KEY UPDATE",
        name=name,
    )


def change(tx: Tx, name: str, value: Any, now: datetime) -> None:
    """Store a value as the setting's next revision."""
    tx.run(
        """
        UPDATE settings SET value = CAST(:value AS jsonb), revision = revision + 1, changed_at = :now
        WHERE name = :name
        """,
        name=name,
        value=json.dumps(value),
        now=now,
    )


def record(
    tx: Tx, before: Kept, value: Any, *, changed_by: UUID, approved_by: UUID | None, reason: str, now: datetime
) -> None:
    """Insert a line into the setting's history."""
    tx.run(
        """
        INSERT INTO setting_changes (id, name, revision, before, after, changed_by, approved_by, reason, changed_at)
        VALUES (:id, :name, :revision, CAST(:before AS jsonb), CAST(:after AS jsonb), :changed_by, :approved_by,
                :reason, :now)
        """,
        id=uuid4(),
        name=before.name,
        revision=before.revision + 1,
        before=json.dumps(before.value),
        after=json.dumps(value),
        changed_by=changed_by,
        approved_by=approved_by,
        reason=reason,
        now=now,
    )


def wish(tx: Tx, before: Kept, value: Any, *, owner: UUID, reason: str, now: datetime) -> None:
    """Store what this owner wishes the revision in force to become; it replaces what they wished before."""
    tx.run(
        """
        INSERT INTO setting_wishes (name, revision, wished_by, value, reason, wished_at)
        VALUES (:name, :revision, :owner, CAST(:value AS jsonb), :reason, :now)
        ON CONFLICT (name, revision, wished_by)
        DO UPDATE SET value = EXCLUDED.value, reason = EXCLUDED.reason, wished_at = EXCLUDED.wished_at
        """,
        name=before.name,
        revision=before.revision,
        owner=owner,
        value=json.dumps(value),
        reason=reason,
        now=now,
    )


def first_wisher(tx: Tx, before: Kept, value: Any, owner: UUID, since: datetime) -> UUID | None:
    """Another owner, who still is one, and who has wished for the same value of the same revision since then."""
    return tx.scalar_or_none(
        UUID,
        """
        SELECT wished_by FROM setting_wishes w JOIN members m ON m.id = w.wished_by
        WHERE w.name = :name AND w.revision = :revision AND w.value = CAST(:value AS jsonb)
          AND w.wished_by <> :owner AND w.wished_at > :since AND m.role = 'owner' AND m.status = 'active'
        ORDER BY wished_at LIMIT 1
        """,
        name=before.name,
        revision=before.revision,
        value=json.dumps(value),
        owner=owner,
        since=since,
    )


def changes(tx: Tx, name: str, after: Position | None, limit: int) -> list[Change]:
    """Changes of a setting after a position, newest first."""
    return tx.all(
        Change,
        """
        SELECT c.id, c.revision, c.before, c.after, c.changed_by, m.username AS changed_by_username, c.approved_by,
               second.username AS approved_by_username, c.reason, c.changed_at
        FROM setting_changes c
        JOIN members m ON m.id = c.changed_by
        LEFT JOIN members second ON second.id = c.approved_by
        WHERE c.name = :name
          AND (CAST(:at AS timestamptz) IS NULL OR (c.changed_at, c.id) < (:at, CAST(:id AS uuid)))
        ORDER BY c.changed_at DESC, c.id DESC LIMIT :limit
        """,
        name=name,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def value_of(tx: Tx, name: str, revision: int) -> Change | None:
    """The change that made a revision of the setting; None if it never was, or is the first one."""
    return tx.first(
        Change,
        """
        SELECT c.id, c.revision, c.before, c.after, c.changed_by, m.username AS changed_by_username, c.approved_by,
               CAST(NULL AS text) AS approved_by_username, c.reason, c.changed_at
        FROM setting_changes c JOIN members m ON m.id = c.changed_by
        WHERE c.name = :name AND c.revision = :revision
        """,
        name=name,
        revision=revision,
    )
