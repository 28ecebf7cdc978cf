"""Notifications, the devices they go to, and the pushes: recorded as 'sending' first, finished once."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Tx
from shared.ports.push import Platform


@dataclass(frozen=True)
class Notification:
    """What there is to tell, and whether its member wants to be told."""

    id: UUID
    member_id: UUID
    type: str
    title: str
    body: str
    data: dict[str, Any]
    created_at: datetime
    read: bool
    wanted: bool


@dataclass(frozen=True)
class Waiting:
    """A device that has not been told yet."""

    device_id: UUID


@dataclass(frozen=True)
class Device:
    """A device as it was when its push was claimed."""

    id: UUID
    platform: Platform
    token: str = field(repr=False)
    registered_at: datetime


def notification(tx: Tx, notification_id: UUID) -> Notification | None:
    """Pushes are wanted unless the member has said otherwise."""
    return tx.first(
        Notification,
        """
        SELECT id, notifications.member_id, notifications.type, title, body, data, created_at,
               read_at IS NOT NULL AS read, coalesce(push, true) AS wanted
        FROM notifications
        LEFT JOIN notification_preferences AS preference
          ON preference.member_id = notifications.member_id AND preference.type = notifications.type
        WHERE id = :id
        """,
        id=notification_id,
    )


def waiting(tx: Tx, found: Notification, limit: int) -> list[Waiting]:
    """Of the `limit` devices registered last, those whose push is not finished."""
    return tx.all(
        Waiting,
        """
        WITH newest AS (
            SELECT id, registered_at FROM devices WHERE member_id = :member_id
            ORDER BY registered_at DESC, id LIMIT :limit
        )
        SELECT newest.id AS device_id FROM newest
        LEFT JOIN pushes ON pushes.device_id = newest.id AND pushes.notification_id = :notification_id
        WHERE pushes.finished_at IS NULL
        ORDER BY registered_at DESC, newest.id
        """,
        member_id=found.member_id,
        notification_id=found.id,
        limit=limit,
    )


def claim(tx: Tx, found: Notification, device_id: UUID, now: datetime, until: datetime) -> Device | None:
    """Record that this device is being told. None when somebody else is at it or has done it, or the device is gone.

    The device's row is locked meanwhile: it may be deleted, or belong to another member a moment later.
    """
    return tx.first(
        Device,
        """
        WITH device AS (
            SELECT id, platform, token, registered_at FROM devices
            WHERE id = :device_id AND member_id = :member_id FOR SHARE
        ), claimed AS (
            INSERT INTO pushes (notification_id, device_id, status, claimed_until)
            SELECT :notification_id, id, 'sending', :until FROM device
            ON CONFLICT (notification_id, device_id) DO UPDATE SET claimed_until = EXCLUDED.claimed_until
            WHERE pushes.status = 'sending' AND pushes.claimed_until <= :now
            RETURNING device_id
        )
        SELECT id, platform, token, registered_at FROM device JOIN claimed ON claimed.device_id = device.id
        """,
        notification_id=found.id,
        member_id=found.member_id,
        device_id=device_id,
        now=now,
        until=until,
    )


def release(tx: Tx, notification_id: UUID, device_id: UUID, until: datetime) -> None:
    """From then on anybody may try again."""
    tx.run(
        """
        UPDATE pushes SET claimed_until = :until
        WHERE notification_id = :notification_id AND device_id = :device_id AND status = 'sending'
        """,
        notification_id=notification_id,
        device_id=device_id,
        until=until,
    )


def finish(tx: Tx, notification_id: UUID, device_id: UUID, status: str, now: datetime) -> None:
    """Sent or refused: it is not tried again."""
    tx.run(
        """
        UPDATE pushes SET status = :status, finished_at = :now
        WHERE notification_id = :notification_id AND device_id = :device_id AND status = 'sending'
        """,
        notification_id=notification_id,
        device_id=device_id,
        status=status,
        now=now,
    )


def forget(tx: Tx, device: Device) -> bool:
    """Remove a device and its pushes; not if it has been registered again since its push was claimed."""
    return (
        tx.run(
            "DELETE FROM devices WHERE id = :id AND token = :token AND registered_at = :registered_at",
            id=device.id,
            token=device.token,
            registered_at=device.registered_at,
        )
        == 1
    )
