"""Exports to be made and expired exports; sections about messages, devices and sign-in."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
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


@dataclass(frozen=True)
class Row:
    """A row as JSON, and its key within the section."""

    key: str
    document: str


class Section(Protocol):
    """Returns at most `limit` rows after a key."""

    def __call__(self, tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]: ...


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


def notifications(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """The notifications that the member got in the app."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(id AS text) AS key,
                   CAST(to_jsonb(notifications) - 'member_id' - 'dedupe_key' AS text) AS document
            FROM notifications WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def notification_preferences(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """The member's notification preferences."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT type AS key,
                   CAST(to_jsonb(notification_preferences) - 'member_id' AS text) AS document
            FROM notification_preferences WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def devices(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """The devices that get push notifications, without their tokens."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(id AS text) AS key,
                   CAST(to_jsonb(devices) - 'member_id' - 'token' AS text) AS document
            FROM devices WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def mails(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """The mails that the member got, without their parameters."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(id AS text) AS key,
                   CAST(to_jsonb(mails) - 'member_id' - 'dedupe_key' - 'parameters' - 'claimed_until'
                        AS text) AS document
            FROM mails WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def pictures(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """The pictures that the member has uploaded."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(id AS text) AS key,
                   CAST(to_jsonb(avatars) - 'member_id' - 'large' - 'small' AS text) AS document
            FROM avatars WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def email_changes(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """The new e-mail address that waits for its code."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(member_id AS text) AS key,
                   CAST(to_jsonb(email_changes) - 'member_id' - 'code_mac' AS text) AS document
            FROM email_changes WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def exports(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """The exports that the member has asked for."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(id AS text) AS key,
                   CAST(to_jsonb(data_exports) - 'member_id' - 'object_name' AS text) AS document
            FROM data_exports WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def second_factor(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """When the member has set up an authenticator app."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(member_id AS text) AS key,
                   CAST(jsonb_build_object('created_at', created_at, 'enabled_at', enabled_at) AS text) AS document
            FROM second_factors WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def known_devices(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """The devices on which the member has signed in."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT encode(token_hash, 'hex') AS key,
                   CAST(jsonb_build_object('created_at', created_at, 'last_used_at', last_used_at) AS text) AS document
            FROM known_devices WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def referral_codes(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """The referral codes that the member has chosen."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT code AS key,
                   CAST(to_jsonb(referral_codes) - 'member_id' AS text) AS document
            FROM referral_codes WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def former_usernames(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """The member's former usernames."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT name AS key,
                   CAST(to_jsonb(former_usernames) - 'member_id' AS text) AS document
            FROM former_usernames WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )
